// A Geneve header with its options where it lies (RFC 8926 section 3). Borrows the packet. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class GeneveView {
 public:
  /// `payload` is that of a UDP datagram. kBadVersion: not Geneve by its version and type. Reserved bits are ignored,
  /// as section 3.4 asks for.
  [[nodiscard]] static base::Result<GeneveView> parse(const Slice& payload) {
    constexpr std::size_t kHeaderBytesMin = 8;
    if (!payload.has(kHeaderBytesMin)) return tl::unexpected(payload.missing(kHeaderBytesMin));
    const bool is_type = be16(payload.bytes, 2) >= 0x0600;
    if (payload.bytes[0] >> 6 != 0 || !is_type) return tl::unexpected(base::Error::kBadVersion);
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
