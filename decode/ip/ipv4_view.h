// An IPv4 header where it lies (RFC 791). Borrows the packet. Private to decode/.
#pragma once

#include "base/address.h"
#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class Ipv4View {
 public:
  static constexpr std::size_t kHeaderBytesMin = 20;

  /// `packet` begins with the header. Drops what follows the packet (Ethernet padding).
  [[nodiscard]] static base::Result<Ipv4View> parse(const Slice& packet) {
    using base::Error;
    if (!packet.has(kHeaderBytesMin)) return tl::unexpected(packet.missing(kHeaderBytesMin));
    if (packet.bytes[0] >> 4 != 4) return tl::unexpected(Error::kBadVersion);
    const std::size_t header_bytes = (packet.bytes[0] & 0x0fu) * 4u;
    std::size_t total_bytes = be16(packet.bytes, 2);
    if (total_bytes == 0) total_bytes = packet.wire_bytes;  // sender offload: the NIC fills it in later
    if (header_bytes < kHeaderBytesMin || total_bytes < header_bytes) return tl::unexpected(Error::kBadLength);
    if (!packet.has(header_bytes)) return tl::unexpected(Error::kTruncated);
    return Ipv4View(packet.first(total_bytes), header_bytes);
  }

  std::uint8_t traffic_class() const { return packet_.bytes[1]; }
  std::uint16_t identification() const { return be16(packet_.bytes, 4); }
  std::uint8_t ttl() const { return packet_.bytes[8]; }
  std::uint8_t protocol() const { return packet_.bytes[9]; }
  base::IpAddress source() const { return ipv4_at(packet_.bytes, 12); }
  base::IpAddress target() const { return ipv4_at(packet_.bytes, 16); }
  Slice payload() const { return packet_.behind(header_bytes_); }

  /// More fragments, or an offset: not a whole packet (section 3.2).
  bool is_fragment() const { return (be16(packet_.bytes, 6) & 0x3fff) != 0; }
  bool more_fragments() const { return (be16(packet_.bytes, 6) & 0x2000) != 0; }
  std::uint32_t fragment_offset() const { return (be16(packet_.bytes, 6) & 0x1fffu) * 8u; }  ///< in bytes

  std::size_t header_bytes() const { return header_bytes_; }
  std::uint32_t wire_bytes() const { return static_cast<std::uint32_t>(packet_.wire_bytes); }  ///< header included

 private:
  Ipv4View(const Slice& packet, std::size_t header_bytes) : packet_(packet), header_bytes_(header_bytes) {}

  Slice packet_;
  std::size_t header_bytes_;
};

}  // namespace hoptap::decode
