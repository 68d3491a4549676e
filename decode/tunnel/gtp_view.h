// A GTP-U header with its extension headers where it lies (3GPP TS 29.281 section 5). Borrows the packet. Private to
// decode/.
#pragma once

#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class GtpView {
 public:
  /// `payload` is that of a UDP datagram. kBadVersion: not a G-PDU of version 1 (echo, GTP-C, GTP', something else).
  [[nodiscard]] static base::Result<GtpView> parse(const Slice& payload) {
    using base::Error;
    constexpr std::uint8_t kPduMessage = 255, kVersionOneGtp = 0x30, kVersionAndType = 0xf0;
    if (!payload.has(kHeaderBytesMin)) return tl::unexpected(payload.missing(kHeaderBytesMin));
    const std::uint8_t flags = payload.bytes[0];
    // The spare bit 4 of the flags is left out: senders differ.
    if ((flags & kVersionAndType) != kVersionOneGtp || payload.bytes[1] != kPduMessage) {
      return tl::unexpected(Error::kBadVersion);
    }
    const std::size_t total = kHeaderBytesMin + be16(payload.bytes, 2);  // what follows the mandatory part
    if (total > payload.wire_bytes) return tl::unexpected(Error::kBadLength);
    const Slice packet = payload.first(total);
    if ((flags & kAnyOptional) == 0) return GtpView(packet, kHeaderBytesMin);
    return skip_optional(packet, (flags & kExtension) != 0);
  }

  std::uint32_t tunnel_endpoint() const { return be32(packet_.bytes, 4); }
  Slice payload() const { return packet_.behind(header_bytes_); }

 private:
  static constexpr std::size_t kHeaderBytesMin = 8, kOptionalBytes = 4;
  static constexpr std::uint8_t kExtension = 0x04, kAnyOptional = 0x07;

  GtpView(const Slice& packet, std::size_t header_bytes) : packet_(packet), header_bytes_(header_bytes) {}

  /// Section 5.2.1: each extension header says its length in 4 bytes first and what follows it last.
  [[nodiscard]] static base::Result<GtpView> skip_optional(const Slice& packet, bool has_extensions) {
    constexpr int kExtensionsMax = 8;
    std::size_t at = kHeaderBytesMin + kOptionalBytes;
    if (!packet.has(at)) return tl::unexpected(packet.missing(at));
    std::uint8_t next = has_extensions ? packet.bytes[at - 1] : 0;
    for (int count = 0; next != 0; ++count) {
      if (count == kExtensionsMax) return tl::unexpected(base::Error::kBadLength);
      if (!packet.has(at + 1)) return tl::unexpected(packet.missing(at + 1));
      const std::size_t bytes = packet.bytes[at] * 4u;
      if (bytes == 0) return tl::unexpected(base::Error::kBadLength);
      at += bytes;
      if (!packet.has(at)) return tl::unexpected(packet.missing(at));
      next = packet.bytes[at - 1];
    }
    return GtpView(packet, at);
  }

  Slice packet_;
  std::size_t header_bytes_;
};

}  // namespace hoptap::decode
