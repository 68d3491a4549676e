// Makes the Ethernet frame that a capture at one place would hold of a packet; checksums are right. Private to the
// forge; one thread. The bytes are the maker's until the next frame.
#pragma once

#include <cstdint>
#include <vector>

#include "appliance/forge/packet.h"
#include "appliance/forge/route.h"
#include "base/bytes.h"

namespace hoptap::forge {

/// Writes frames into one buffer, over and over.
class FrameMaker {
 public:
  /// The frame of `packet` at `place`. Valid until the next call.
  base::Bytes make(const Packet& packet, const Place& place);
  /// Where its TCP payload begins, of the frame made last.
  std::size_t payload_offset() const { return payload_offset_; }

 private:
  void ethernet(const Link& link, const Packet& packet);
  void ip(std::uint32_t source, std::uint32_t target, std::uint8_t protocol, std::uint8_t ttl, std::uint16_t id,
          std::size_t payload_bytes);
  void outer(const Packet& packet, std::size_t layer, const Place& place, std::size_t inner_bytes);
  void tcp(const Packet& packet);
  void tcp_options(const Packet& packet);

  void u8(std::uint32_t value) { buffer_[used_++] = static_cast<std::uint8_t>(value); }
  void u16(std::uint32_t value) {
    u8(value >> 8);
    u8(value);
  }
  void u32(std::uint32_t value) {
    u16(value >> 16);
    u16(value);
  }

  std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(std::size_t{1} << 17);
  std::size_t used_ = 0;
  std::size_t payload_offset_ = 0;
};

/// How many bytes of TCP options a packet has.
std::size_t option_bytes(const Packet& packet);

/// RFC 1071's sum of bytes, added to `sum`; fold() makes the checksum of it.
std::uint64_t checksum_add(std::uint64_t sum, base::Bytes bytes);
std::uint16_t checksum_fold(std::uint64_t sum);

}  // namespace hoptap::forge
