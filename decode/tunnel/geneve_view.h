// A Geneve header with its options where it lies (RFC 8926 section 3). Borrows the packet. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class GeneveView {
 public:
  /// `payload` is that of a UDP datagram. kBadVersion: not Geneve by its version and reserved bits.
  [[nodiscard]] static base::Result<GeneveView> parse(const Slice& payload) {
    constexpr std::size_t kHeaderBytesMin = 8;
    constexpr std::uint8_t kReserved = 0x3f;
    if (!payload.has(kHeaderBytesMin)) return tl::unexpected(payload.missing(kHeaderBytesMin));
    if (payload.bytes[0] >> 6 != 0 || (payload.bytes[1] & kReserved) != 0 || payload.bytes[7] != 0) {
      return tl::unexpected(base::Error::kBadVersion);
    }
    const std::size_t header_bytes = kHeaderBytesMin + (payload.bytes[0] & 0x3fu) * 4u;
    if (!payload.has(header_bytes)) return tl::unexpected(payload.missing(header_bytes));
    return GeneveView(payload, header_bytes);
  }

  std::uint16_t ether_type() const { return be16(payload_.bytes, 2); }  ///< 0x6558: Ethernet
  std::uint32_t network_identifier() const { return be32(payload_.bytes, 4) >> 8; }
  Slice payload() const { return payload_.behind(header_bytes_); }

 private:
  GeneveView(const Slice& payload, std::size_t header_bytes) : payload_(payload), header_bytes_(header_bytes) {}

  Slice payload_;
  std::size_t header_bytes_;
};

}  // namespace hoptap::decode
