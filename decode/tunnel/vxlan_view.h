// A VXLAN header where it lies (RFC 7348 section 5). Borrows the packet. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class VxlanView {
 public:
  static constexpr std::size_t kHeaderBytes = 8;

  /// `payload` is that of a UDP datagram. kBadVersion: the flag that a network identifier is given is
  /// not set, so this is something else.
  [[nodiscard]] static base::Result<VxlanView> parse(const Slice& payload) {
    constexpr std::uint8_t kIdentifierGiven = 0x08;
    if (!payload.has(kHeaderBytes)) return tl::unexpected(payload.missing(kHeaderBytes));
    if ((payload.bytes[0] & kIdentifierGiven) == 0) return tl::unexpected(base::Error::kBadVersion);
    return VxlanView(payload);
  }

  std::uint32_t network_identifier() const { return be32(payload_.bytes, 4) >> 8; }
  Slice frame() const { return payload_.behind(kHeaderBytes); }

 private:
  explicit VxlanView(const Slice& payload) : payload_(payload) {}

  Slice payload_;
};

}  // namespace hoptap::decode
