// What the person at the terminal sees of live capture: rates while it runs, the account at the end. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/probe/live_capture.h"

namespace hoptap::appliance {

class LiveView {
 public:
  /// A line with the rates since the line before; "" when that was less than a second ago.
  std::string line(const LiveCapture& live);

  /// Each new trouble of an interface, drops, a mirror and its first loss, once.
  std::vector<std::string> news(const LiveCapture& live);

 private:
  void tell_mirrors(const LiveCapture& live, std::size_t at, std::vector<std::string>& news);

  using Clock = std::chrono::steady_clock;

  struct Sums {
    std::uint64_t packets = 0, bytes = 0, exchanges = 0;
  };
  Clock::time_point at_ = Clock::now();
  Sums before_;
  std::size_t listed_ = 0;  ///< interfaces that were told of
  std::size_t told_ = 0;    ///< troubles
  bool is_begun_ = false;
  std::vector<std::string> said_;
  std::vector<std::uint64_t> dropped_;
  std::vector<flowtable::Strain> strain_;
  std::vector<std::map<std::uint16_t, bool>> mirrors_;  ///< of each interface: has a loss been told?
};

/// "2 points: tor-1 (eth1), pod-a (pod-a/eth0)".
std::string points_text(const LiveCapture& live);

/// Who has the packets before us: "the kernel", or "the driver" of a port of DPDK.
std::string_view giver_of(const LiveInput& input);

/// What the configuration has against packets that were dropped.
std::string_view remedy_of(const LiveInput& input);

/// What became of the packets of each mirror session that came in at an interface.
std::vector<std::string> mirror_accounts(const LiveCapture& live, std::size_t input);

/// The points of a session, "tor-1, tor-2"; the interface's own when there was no room for one.
std::string points_of_session(const LiveCapture& live, std::size_t input, const decode::MirrorSession& session);

/// What became of every packet of an interface, a line; it adds up, or the line says what is missing.
std::string account_text(const std::string& point, const LiveStatus& status, std::string_view giver = "the kernel");

}  // namespace hoptap::appliance
