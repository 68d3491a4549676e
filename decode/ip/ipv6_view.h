// An IPv6 header where it lies (RFC 8200 section 3). Borrows the packet. Private to decode/.
#pragma once

#include "base/address.h"
#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class Ipv6View {
 public:
  static constexpr std::size_t kHeaderBytes = 40;

  /// `packet` begins with the header. Drops what follows the packet (Ethernet padding).
  [[nodiscard]] static base::Result<Ipv6View> parse(const Slice& packet) {
    using base::Error;
    if (!packet.has(kHeaderBytes)) return tl::unexpected(packet.missing(kHeaderBytes));
    if (packet.bytes[0] >> 4 != 6) return tl::unexpected(Error::kBadVersion);
    const std::size_t payload_bytes = be16(packet.bytes, 4);
    // Zero: a jumbogram (RFC 2675) or sender offload; either way it fills the frame.
    return Ipv6View(payload_bytes == 0 ? packet : packet.first(kHeaderBytes + payload_bytes));
  }

  std::uint8_t traffic_class() const { return static_cast<std::uint8_t>(be16(packet_.bytes, 0) >> 4 & 0xff); }
  std::uint8_t next_header() const { return packet_.bytes[6]; }
  std::uint8_t hop_limit() const { return packet_.bytes[7]; }
  base::IpAddress source() const { return ipv6_at(packet_.bytes, 8); }
  base::IpAddress target() const { return ipv6_at(packet_.bytes, 24); }
  Slice payload() const { return packet_.behind(kHeaderBytes); }
  std::uint32_t wire_bytes() const { return static_cast<std::uint32_t>(packet_.wire_bytes); }  ///< header included

 private:
  explicit Ipv6View(const Slice& packet) : packet_(packet) {}

  Slice packet_;
};

}  // namespace hoptap::decode
