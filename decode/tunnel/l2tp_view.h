// An L2TP version 2 data header where it lies (RFC 2661 section 3.1). Borrows the packet. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class L2tpView {
 public:
  /// `payload` is that of a UDP datagram. kBadVersion: a control message, L2TPv3, L2F, or something else.
  [[nodiscard]] static base::Result<L2tpView> parse(const Slice& payload) {
    using base::Error;
    constexpr std::uint16_t kControl = 0x8000, kLength = 0x4000, kSequence = 0x0800, kOffset = 0x0200;
    constexpr std::uint16_t kReservedAndVersion = 0x34ff, kVersionTwo = 2;  // the rest of the flags
    if (!payload.has(2)) return tl::unexpected(payload.missing(2));
    const std::uint16_t flags = be16(payload.bytes, 0);
    if ((flags & kControl) != 0 || (flags & kReservedAndVersion) != kVersionTwo) {
      return tl::unexpected(Error::kBadVersion);
    }
    const std::size_t ids_at = (flags & kLength) != 0 ? 4 : 2;
    std::size_t header_bytes = ids_at + 4 + ((flags & kSequence) != 0 ? 4 : 0);
    if ((flags & kOffset) != 0) {
      header_bytes += 2;
      if (!payload.has(header_bytes)) return tl::unexpected(payload.missing(header_bytes));
      header_bytes += be16(payload.bytes, header_bytes - 2);
    }
    if (!payload.has(header_bytes)) return tl::unexpected(payload.missing(header_bytes));
    Slice packet = payload;
    if ((flags & kLength) != 0) {
      const std::size_t length = be16(payload.bytes, 2);
      if (length < header_bytes || length > payload.wire_bytes) return tl::unexpected(Error::kBadLength);
      packet = payload.first(length);
    }
    return L2tpView(packet, be32(payload.bytes, ids_at), header_bytes);
  }

  std::uint32_t tunnel_and_session() const { return ids_; }          ///< 16 bits each
  Slice ppp_frame() const { return packet_.behind(header_bytes_); }  ///< with or without HDLC's ff 03

 private:
  L2tpView(const Slice& packet, std::uint32_t ids, std::size_t header_bytes)
      : packet_(packet), ids_(ids), header_bytes_(header_bytes) {}

  Slice packet_;
  std::uint32_t ids_;
  std::size_t header_bytes_;
};

}  // namespace hoptap::decode
