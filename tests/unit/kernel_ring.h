// Stands in for the kernel's side of a TPACKET_V3 ring: fills blocks of its own memory by the rules of packet_mmap.rst,
// and on request with what real kernels do beside them (3.10: empty blocks).
#pragma once

#include <linux/if_packet.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace hoptap::test {

/// What the kernel says about a packet.
struct RingPacket {
  std::vector<std::uint8_t> bytes{};
  std::uint32_t wire_bytes = 0;  ///< 0: as many as were captured
  std::uint32_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  std::uint32_t status = TP_STATUS_TS_SOFTWARE;
  std::uint32_t vlan_tag = 0;
  std::uint16_t vlan_type = 0;
  std::uint8_t kind = PACKET_HOST;
};

class KernelRing {
 public:
  static constexpr std::size_t kBlockBytes = 8192;
  static constexpr std::size_t kReserveBytes = 16;

  explicit KernelRing(std::size_t blocks) : words_(blocks * kBlockBytes / sizeof(std::uint64_t)), blocks_(blocks) {}

  std::span<std::uint8_t> memory() {
    return {reinterpret_cast<std::uint8_t*>(words_.data()), words_.size() * sizeof(std::uint64_t)};
  }
  tpacket_hdr_v1& block(std::size_t at) {
    return reinterpret_cast<tpacket_block_desc*>(memory().data() + at * kBlockBytes)->hdr.bh1;
  }
  bool is_lent(std::size_t at) { return (block(at).block_status & TP_STATUS_USER) != 0; }

  /// Puts it into the open block; a full one is closed first. False: the next block is not ours, it is dropped.
  bool put(const RingPacket& packet) {
    const std::size_t mac = TPACKET_ALIGN(TPACKET3_HDRLEN + 16) + kReserveBytes - 14;
    const std::size_t taken = (mac + packet.bytes.size() + 15) / 16 * 16;
    if (is_open_ && used_bytes_ + taken > kBlockBytes) close();
    if (!open()) {
      ++dropped_;
      return false;
    }
    last_ = reinterpret_cast<tpacket3_hdr*>(memory().data() + current_ * kBlockBytes + used_bytes_);
    std::memset(last_, 0xee, taken);  // what lay there before
    *last_ = {};
    last_->tp_next_offset = static_cast<std::uint32_t>(taken);
    last_->tp_sec = packet.seconds;
    last_->tp_nsec = packet.nanoseconds;
    last_->tp_snaplen = static_cast<std::uint32_t>(packet.bytes.size());
    last_->tp_len = std::max(packet.wire_bytes, last_->tp_snaplen);
    last_->tp_status = packet.status | TP_STATUS_USER;
    last_->tp_mac = static_cast<std::uint16_t>(mac);
    last_->tp_net = static_cast<std::uint16_t>(mac + 14);
    last_->hv1.tp_vlan_tci = packet.vlan_tag;
    last_->hv1.tp_vlan_tpid = packet.vlan_type;
    auto* const start = reinterpret_cast<std::uint8_t*>(last_);
    reinterpret_cast<sockaddr_ll*>(start + TPACKET_ALIGN(sizeof(tpacket3_hdr)))->sll_pkttype = packet.kind;
    std::copy(packet.bytes.begin(), packet.bytes.end(), start + mac);
    used_bytes_ += taken;
    ++block(current_).num_pkts;
    return true;
  }

  /// Hands the open block over, as when its timeout is up or it is full. An empty one too, as kernel 3.10 does. False:
  /// the ring is frozen.
  bool close(std::uint32_t status = TP_STATUS_BLK_TMO) {
    if (!open()) return false;
    if (block(current_).num_pkts > 0) last_->tp_next_offset = 0;
    block(current_).blk_len = static_cast<std::uint32_t>(used_bytes_);
    block(current_).block_status = TP_STATUS_USER | status | (dropped_ > 0 ? std::uint32_t{TP_STATUS_LOSING} : 0);
    current_ = (current_ + 1) % blocks_;
    is_open_ = false;
    return true;
  }

  std::uint64_t dropped() const { return dropped_; }
  tpacket3_hdr& last_packet() { return *last_; }

 private:
  bool open() {
    if (is_open_) return true;
    if (is_lent(current_)) return false;
    used_bytes_ = TPACKET_ALIGN(sizeof(tpacket_block_desc));
    block(current_).num_pkts = 0;
    block(current_).offset_to_first_pkt = static_cast<std::uint32_t>(used_bytes_);
    return is_open_ = true;
  }

  std::vector<std::uint64_t> words_;
  std::size_t blocks_;
  std::size_t current_ = 0;
  std::size_t used_bytes_ = 0;
  bool is_open_ = false;
  tpacket3_hdr* last_ = nullptr;
  std::uint64_t dropped_ = 0;
};

}  // namespace hoptap::test
