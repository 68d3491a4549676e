// What all live sources share: what is asked of them, what they count, and in which state their interface is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "capture/source.h"

namespace hoptap::capture {

/// How the members of a fanout group share the packets of an interface (packet(7), PACKET_FANOUT).
enum class FanoutMode : std::uint16_t {
  kHash = 0,  ///< by flow. Where the NIC gives the hash (kernel 3.10), the two directions of a flow may part
  kRoundRobin = 1,
  kCpu = 2,
  kRollover = 3,  ///< the first member until its ring is full, then the next
  kRandom = 4,    ///< from kernel 3.11
  kQueue = 5,     ///< by receive queue of the NIC; from kernel 3.14
  kCbpf = 6,      ///< by a program the caller sets through LiveSource::fd() (PACKET_FANOUT_DATA); from kernel 4.3
  kEbpf = 7,
};

struct Fanout {
  std::uint16_t group = 0;  ///< see fanout_group(); one for each interface and network namespace
  FanoutMode mode = FanoutMode::kHash;
  bool defragments = false;  ///< the kernel puts IP fragments together, so that all of a packet meet in one member
  bool rolls_over = false;   ///< a full member's packets go to the next; flows are torn apart then
  /// Instead of `mode`, from kernel 4.3: both directions of a connection to one member, in tunnels too
  /// (fanout_program.h). On older kernels it is kHash.
  bool by_inner_flow = false;
  int program = -1;  ///< with by_inner_flow: this eBPF program instead of our own; open as long as sources are opened
};

/// A group number for the `nth` fanout (from 0, below 8) of this process. The kernel's own choice
/// (PACKET_FANOUT_FLAG_UNIQUEID) is silently ignored by kernel 3.10, so the number comes from the process id.
std::uint16_t fanout_group(std::uint32_t nth);

struct LiveConfig {
  std::string interface;                 ///< "eth0"
  std::string network_namespace;         ///< its file: "/run/netns/pod-a", "/proc/42/ns/net"; "": that of the caller
  std::string filter;                    ///< as in tcpdump (pcap-filter(7)); "": everything
  std::uint32_t snap_bytes = 262144;     ///< longer packets are cut to this
  bool is_promiscuous = false;           ///< also frames for other hosts: needed on mirror ports
  bool ignores_outgoing = false;         ///< not what this host sends
  bool asks_nic_time = false;            ///< time stamps of the NIC: changes its settings, needs CAP_NET_ADMIN
  std::uint32_t block_bytes = 1u << 20;  ///< a multiple of the page size, at least kBlockBytesMin
  std::uint32_t block_count = 64;        ///< at least 2; the ring locks block_bytes * block_count of memory
  std::uint32_t block_timeout_ms = 10;   ///< a block is handed over after this even if it is not full
  std::optional<Fanout> fanout;          ///< libpcap has none
};

/// Smaller blocks cut the frames of up to 64 KiB that hosts with segmentation offload see.
inline constexpr std::uint32_t kBlockBytesMin = 256u << 10;

enum class LinkState : std::uint8_t {
  kRunning,
  kDown,  ///< comes back by itself when the interface is set up again
  kGone,  ///< the interface or its network namespace was deleted: destroy the source, it pins the namespace
};

/// Who stamped a packet's time, best first.
enum class StampSource : std::uint8_t {
  kNic,      ///< the NIC's clock, as the frame came in
  kKernel,   ///< the host's clock, as the driver handed the packet over
  kRing,     ///< the host's clock, as the packet was copied into the ring: later by what the kernel did before
  kPoll,     ///< the host's clock, as we took it from a queue of the NIC, with others: later by what it lay there
  kUnknown,  ///< libpcap does not say; or no packet came yet
};

struct StampCounts {
  std::uint64_t nic = 0;
  std::uint64_t kernel = 0;
  std::uint64_t ring = 0;
  std::uint64_t poll = 0;
};

/// All monotonic. What this source cannot know is empty, never 0. Once all packets are read:
///   received_by_kernel = packets + filtered + unreadable + dropped_by_ring
/// but for the own packets that libpcap leaves out (on `lo`, and with ignores_outgoing) and does not count. At a port
/// of DPDK the driver stands for the kernel, and its queues for the ring.
struct LiveCounters {
  std::uint64_t packets = 0;     ///< handed out
  std::uint64_t bytes = 0;       ///< captured bytes handed out
  std::uint64_t filtered = 0;    ///< left out by rule after the kernel counted them; what the kernel's filter rejects
                                 ///< is counted nowhere
  std::uint64_t truncated = 0;   ///< of the packets: shorter than on the wire, by snap_bytes or by the block
  std::uint64_t unreadable = 0;  ///< packets whose place in the ring made no sense
  std::optional<std::uint64_t> received_by_kernel;    ///< passed the kernel's filter, dropped ones included
  std::optional<std::uint64_t> dropped_by_ring;       ///< the ring was full
  std::optional<std::uint64_t> ring_freezes;          ///< how often it was
  std::optional<std::uint64_t> dropped_by_interface;  ///< by the NIC or its driver, before any filter
  std::optional<StampCounts> stamps;
};

/// A source whose packets come as they happen. Used by one thread.
class LiveSource : public Source {
 public:
  /// Waits for packets, but no longer than `timeout_ms` (negative: no limit of the caller's) and the block timeout,
  /// whichever is less. True when poll() is worth calling. Call it after a poll() that gave none; it also notices what
  /// became of the interface.
  virtual bool wait(int timeout_ms) = 0;

  /// No more packets come in; those that have are still to be read. So that counts can be held against the kernel's.
  virtual void close_intake() = 0;

  /// For poll(2) and epoll: readable when packets are there. Kernel 3.10 may not wake it for a block whose time is
  /// up, so wait on it no longer than the block timeout and call poll() then in any case. On an error call wait().
  /// -1: there is none, call wait().
  virtual int fd() const = 0;

  virtual LinkState state() const = 0;  ///< as of the last wait()

  /// Asks the kernel for its counts too; what counters() says of drops is as old as the last time that was done.
  virtual LiveCounters live_counters() = 0;

  virtual StampSource stamp_source() const = 0;  ///< that of most packets so far
};

}  // namespace hoptap::capture
