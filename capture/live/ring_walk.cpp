#include "capture/live/ring_walk.h"

#include <linux/if_packet.h>

#include <atomic>
#include <cassert>
#include <cstring>

namespace hoptap::capture {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::size_t kMacPairBytes = 12;
constexpr std::size_t kVlanTagBytes = 4;
constexpr std::uint16_t kVlanTypeDefault = 0x8100;
constexpr std::size_t kPacketAlignment = 8;  // offsets between packets are multiples of this
constexpr std::size_t kAddressOffset = TPACKET_ALIGN(sizeof(tpacket3_hdr));
constexpr std::size_t kHeadBytes = TPACKET3_HDRLEN;  // before the packet: the header, its padding, a sockaddr_ll
static_assert(RingWalk::kReserveBytes >= kVlanTagBytes);

bool is_outgoing(const tpacket3_hdr& header) {
  const auto* const start = reinterpret_cast<const std::uint8_t*>(&header);
  return reinterpret_cast<const sockaddr_ll*>(start + kAddressOffset)->sll_pkttype == PACKET_OUTGOING;
}

void count_stamp(std::uint32_t status, StampCounts& counts) {
  if ((status & (TP_STATUS_TS_RAW_HARDWARE | TP_STATUS_TS_SYS_HARDWARE)) != 0) {
    ++counts.nic;
  } else if ((status & TP_STATUS_TS_SOFTWARE) != 0) {
    ++counts.kernel;
  } else {
    ++counts.ring;
  }
}

}  // namespace

RingWalk::RingWalk(std::span<std::uint8_t> memory, std::size_t block_bytes, RingRules rules)
    : memory_(memory), block_bytes_(block_bytes), block_count_(memory.size() / block_bytes), rules_(rules) {
  assert(block_count_ > 0 && memory.size() % block_bytes == 0);
}

tpacket_hdr_v1& RingWalk::block_header(std::size_t block) {
  return reinterpret_cast<tpacket_block_desc*>(block_start(block))->hdr.bh1;
}

std::size_t RingWalk::poll(std::span<Packet> batch) {
  give_back();
  std::size_t filled = 0;
  while (filled < batch.size() && enter_block()) filled += take(batch.subspan(filled));
  if (filled == 0) give_back();  // nothing in them is lent
  return filled;
}

/// Whether the block at hand, or one after it when that is empty, has packets left.
bool RingWalk::enter_block() {
  while (left_packets_ == 0) {
    if (lent_blocks_ == block_count_) return false;  // all are ours: the next was read already
    const tpacket_hdr_v1& header = block_header(block_);
    // Acquire: what the kernel wrote into the block before it set the status is seen after this.
    const std::uint32_t status = std::atomic_ref(block_header(block_).block_status).load(std::memory_order_acquire);
    if ((status & TP_STATUS_USER) == 0) return false;
    if ((status & TP_STATUS_LOSING) != 0) ++counts_.losing_blocks;
    left_packets_ = header.num_pkts;
    offset_ = header.offset_to_first_pkt;
    if (left_packets_ > 0) return true;
    ++counts_.empty_blocks;
    const bool lends_nothing = lent_blocks_ == 0;
    leave_block();
    if (lends_nothing) give_back();
  }
  return true;
}

void RingWalk::leave_block() {
  block_ = (block_ + 1) % block_count_;
  ++lent_blocks_;
}

void RingWalk::give_back() {
  for (; lent_blocks_ > 0; --lent_blocks_) {
    tpacket_hdr_v1& header = block_header((block_ + block_count_ - lent_blocks_) % block_count_);
    std::atomic_ref(header.block_status).store(TP_STATUS_KERNEL, std::memory_order_release);
  }
}

/// Lends packets of the block at hand, and leaves it after its last.
std::size_t RingWalk::take(std::span<Packet> room) {
  std::size_t filled = 0;
  while (left_packets_ > 0 && filled < room.size()) {
    tpacket3_hdr* const header = packet_at_hand();
    if (header == nullptr) {
      counts_.unreadable += left_packets_;
      left_packets_ = 0;
      break;
    }
    --left_packets_;
    const std::size_t step = header->tp_next_offset;
    offset_ += step;
    fetch_ahead(step);
    if (step < kHeadBytes) {  // 0 in the last packet of a block
      counts_.unreadable += left_packets_;
      left_packets_ = 0;
    }
    if (rules_.drops_outgoing && is_outgoing(*header)) {
      ++counts_.filtered;
    } else {
      room[filled++] = lend(*header);
    }
  }
  if (left_packets_ == 0) leave_block();
  return filled;
}

/// The kernel wrote the packets on another core, so each is a cache miss. The next lies at hand, the one after it as
/// far again if it is as long; of both, the header and where the packet begins.
void RingWalk::fetch_ahead(std::size_t step) const {
  constexpr std::size_t kLineBytes = 64;
  const std::uint8_t* const next = memory_.data() + block_ * block_bytes_ + offset_;
  __builtin_prefetch(next + kLineBytes);
  __builtin_prefetch(next + step);
  __builtin_prefetch(next + step + kLineBytes);
}

/// Null when it does not lie in the block.
tpacket3_hdr* RingWalk::packet_at_hand() {
  if (offset_ % kPacketAlignment != 0 || offset_ + kHeadBytes > block_bytes_) return nullptr;
  auto* const header = reinterpret_cast<tpacket3_hdr*>(block_start(block_) + offset_);
  const std::size_t end = offset_ + header->tp_mac + header->tp_snaplen;
  return header->tp_mac >= kHeadBytes && end <= block_bytes_ ? header : nullptr;
}

Packet RingWalk::lend(tpacket3_hdr& header) {
  std::uint8_t* start = reinterpret_cast<std::uint8_t*>(&header) + header.tp_mac;
  std::uint32_t captured_bytes = header.tp_snaplen, wire_bytes = header.tp_len;
  const std::uint32_t status = header.tp_status;
  count_stamp(status, counts_.stamps);
  if (rules_.restores_vlan && (status & TP_STATUS_VLAN_VALID) != 0 && captured_bytes >= kMacPairBytes &&
      header.tp_mac >= kHeadBytes + kVlanTagBytes) {
    start -= kVlanTagBytes;
    std::memmove(start, start + kVlanTagBytes, kMacPairBytes);
    const bool has_type = (status & TP_STATUS_VLAN_TPID_VALID) != 0;  // kernels before 3.14 keep the tag, not its type
    const std::uint32_t type = has_type ? header.hv1.tp_vlan_tpid : kVlanTypeDefault;
    const std::uint32_t tag = header.hv1.tp_vlan_tci;
    start[kMacPairBytes] = static_cast<std::uint8_t>(type >> 8);
    start[kMacPairBytes + 1] = static_cast<std::uint8_t>(type);
    start[kMacPairBytes + 2] = static_cast<std::uint8_t>(tag >> 8);
    start[kMacPairBytes + 3] = static_cast<std::uint8_t>(tag);
    captured_bytes += kVlanTagBytes;
    wire_bytes += kVlanTagBytes;
  }
  return {.bytes = {start, captured_bytes},
          .time_ns = header.tp_sec * kNsPerSecond + header.tp_nsec,
          .wire_bytes = wire_bytes,
          .interface_id = 0};
}

}  // namespace hoptap::capture
