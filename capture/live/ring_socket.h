// A packet socket with a mapped TPACKET_V3 receive ring (packet(7)): opens it, and asks the kernel what it lost. Used
// by one thread. Private to capture/.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "capture/live/descriptor.h"
#include "capture/live/live_source.h"
#include "capture/live/network_interface.h"

namespace hoptap::capture {

/// What the kernel counted since the socket was opened.
struct RingStatistics {
  std::uint64_t received = 0;  ///< dropped ones included
  std::uint64_t dropped = 0;
  std::uint64_t freezes = 0;
};

struct UnmapRing {
  std::size_t bytes = 0;
  void operator()(std::uint8_t* start) const;
};

class RingSocket {
 public:
  /// No packet that `kernel_filter` rejects, or that another member of the fanout group also gets, comes through.
  /// Call it in the interface's namespace.
  [[nodiscard]] static base::Outcome<RingSocket> open(const LiveConfig& config, const std::string& kernel_filter);

  int fd() const { return socket_.get(); }
  const NetworkInterface& interface() const { return interface_; }
  std::span<std::uint8_t> memory() { return {memory_.get(), memory_.get_deleter().bytes}; }

  /// The kernel was asked to leave out own packets, and does: since Linux 4.20.
  bool ignores_outgoing() const { return ignores_outgoing_; }

  /// Why NIC time stamps were asked for in vain; "" when they were not.
  const std::string& nic_time_complaint() const { return nic_time_complaint_; }

  /// The kernel rejects all packets from now on.
  void reject_all();

  /// The kernel forgets its counts when read (and counts to 2^32), so ask often enough: the sums are here.
  const RingStatistics& read_statistics();

  /// Takes the socket's pending error, for which poll(2) would return at once again and again.
  void clear_error();

 private:
  RingSocket() = default;
  base::Outcome<void> make_ring(const LiveConfig& config);
  base::Outcome<void> join(const LiveConfig& config, const std::string& kernel_filter);
  base::Outcome<void> join_fanout(const LiveConfig& config);
  void ask_time_stamps(const LiveConfig& config);
  template <class Value>
  bool set_option(int level, int option, const Value& value);

  Descriptor socket_;
  std::unique_ptr<std::uint8_t, UnmapRing> memory_;
  NetworkInterface interface_;
  bool ignores_outgoing_ = false;
  std::string nic_time_complaint_;
  RingStatistics statistics_;
};

}  // namespace hoptap::capture
