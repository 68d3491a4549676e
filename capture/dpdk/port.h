// A port of DPDK: configured, started, and closed at the end. Private to capture/; no DPDK in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "capture/live/live_source.h"

struct rte_mempool;  // of DPDK; its headers stay out of ours

namespace hoptap::capture {

/// The key of receive side scaling that gives both directions of a connection one hash: the Toeplitz hash of two
/// 16-bit words does not change when they change places if the key repeats itself every 16 bits.
inline constexpr std::uint8_t kSymmetricKeyEven = 0x6d, kSymmetricKeyOdd = 0x5a;

/// What a port counts, of all its queues.
struct PortCounts {
  std::uint64_t received = 0;   ///< taken in, whether we have read them or not
  std::uint64_t missed = 0;     ///< lost, for our queues were full
  std::uint64_t faulty = 0;     ///< that the NIC or its driver could not use
  std::uint64_t no_buffer = 0;  ///< times that a driver found no buffer; drivers differ in what that means
};

class Port {
 public:
  [[nodiscard]] static base::Outcome<std::shared_ptr<Port>> open(const LiveConfig& config, std::size_t queues);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  std::uint16_t id() const { return id_; }
  std::uint16_t descriptors() const { return descriptors_; }  ///< of a queue
  bool counts_loss() const { return counts_loss_; }
  std::uint64_t ns_in_stamp() const { return ns_in_stamp_; }  ///< 0: it gives no stamps, or in a unit that is not known
  const std::string& complaint() const { return complaint_; }
  bool is_up() const;                        ///< any thread
  std::optional<PortCounts> counts() const;  ///< nothing when the driver cannot be asked; one thread

 private:
  Port() = default;
  base::Outcome<void> configure(const LiveConfig& config, std::uint16_t queues);
  base::Outcome<void> set_up_queues(std::uint16_t queues, std::size_t buffer_bytes);
  void set_promiscuous(const LiveConfig& config);

  std::uint16_t id_ = 0;
  bool is_configured_ = false;
  std::uint16_t descriptors_ = 0;
  std::uint16_t transmit_queues_ = 0;
  bool counts_loss_ = false;
  std::uint64_t ns_in_stamp_ = 0;
  std::string complaint_;
  std::vector<rte_mempool*> pools_;  ///< one for each queue
};

}  // namespace hoptap::capture
