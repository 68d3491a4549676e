// Walks the blocks of a TPACKET_V3 ring (Linux, Documentation/networking/packet_mmap.rst; <linux/if_packet.h>) and
// lends their packets. No system calls: whoever fills the memory by the kernel's rules will do. Used by one thread,
// beside the kernel (or its stand-in), which owns every block whose status is TP_STATUS_KERNEL. Private to capture/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "capture/live/live_source.h"
#include "capture/packet.h"

struct tpacket3_hdr;
struct tpacket_hdr_v1;

namespace hoptap::capture {

/// What the walk does to packets besides lending them.
struct RingRules {
  bool restores_vlan = true;    ///< Ethernet: puts the VLAN tag, which the kernel took out, back into the header
  bool drops_outgoing = false;  ///< own packets: on `lo` each is seen again as it comes in
};

struct RingCounts {
  std::uint64_t filtered = 0;       ///< by drops_outgoing
  std::uint64_t unreadable = 0;     ///< packets of blocks whose offsets made no sense
  std::uint64_t empty_blocks = 0;   ///< closed by their timeout before anything came (kernels before 3.11)
  std::uint64_t losing_blocks = 0;  ///< closed while the kernel had drops that nobody had asked for
  StampCounts stamps;
};

class RingWalk {
 public:
  /// Bytes that must be free before each packet for the VLAN tag (PACKET_RESERVE).
  static constexpr std::uint32_t kReserveBytes = 16;

  /// `memory` is all of the ring: a whole number of blocks of `block_bytes`. Borrowed.
  RingWalk(std::span<std::uint8_t> memory, std::size_t block_bytes, RingRules rules);

  /// Gives back what the last call lent, then lends the next packets, in order; 0 when none are there now. Packets of
  /// one batch may lie in several blocks.
  std::size_t poll(std::span<Packet> batch);

  /// Whether poll() has something to do: packets to lend or blocks to give back. Steps over empty blocks.
  bool has_work() { return lent_blocks_ > 0 || enter_block(); }

  const RingCounts& counts() const { return counts_; }

 private:
  std::uint8_t* block_start(std::size_t block) { return memory_.data() + block * block_bytes_; }
  tpacket_hdr_v1& block_header(std::size_t block);
  bool enter_block();
  void leave_block();
  void give_back();
  std::size_t take(std::span<Packet> room);
  void fetch_ahead(std::size_t step) const;
  tpacket3_hdr* packet_at_hand();
  Packet lend(tpacket3_hdr& header);

  std::span<std::uint8_t> memory_;
  std::size_t block_bytes_;
  std::size_t block_count_;
  RingRules rules_;

  std::size_t block_ = 0;         ///< the block at hand
  std::size_t lent_blocks_ = 0;   ///< those before it that are still ours
  std::size_t left_packets_ = 0;  ///< in the block at hand; 0: it was not entered yet
  std::size_t offset_ = 0;        ///< of the next packet in it
  RingCounts counts_;
};

}  // namespace hoptap::capture
