// VXLAN (RFC 7348 section 5) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe-12 section 3) headers where they lie. Borrow the
// packet. Private to decode/.
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
    if (!payload.has(kHeaderBytes)) return tl::unexpected(payload.missing(kHeaderBytes));
    if ((payload.bytes[0] & kIdentifierGiven) == 0) return tl::unexpected(base::Error::kBadVersion);
    return VxlanView(payload);
  }

  /// The same with a protocol field. kBadVersion: another version, or reserved bits that are set.
  [[nodiscard]] static base::Result<VxlanView> parse_gpe(const Slice& payload) {
    constexpr std::uint8_t kVersionAndReserved = 0xf0;
    if (!payload.has(kHeaderBytes)) return tl::unexpected(payload.missing(kHeaderBytes));
    if ((payload.bytes[0] & kVersionAndReserved) != 0 ||
        (payload.bytes[0] & (kIdentifierGiven | kProtocolGiven)) == 0) {
      return tl::unexpected(base::Error::kBadVersion);
    }
    return VxlanView(payload);
  }

  std::uint32_t network_identifier() const { return be32(payload_.bytes, 4) >> 8; }
  Slice payload() const { return payload_.behind(kHeaderBytes); }

  /// Of VXLAN-GPE, see next_protocol_type(); Ethernet unless given.
  std::uint8_t next_protocol() const { return (payload_.bytes[0] & kProtocolGiven) != 0 ? payload_.bytes[3] : 3; }

 private:
  static constexpr std::uint8_t kIdentifierGiven = 0x08, kProtocolGiven = 0x04;

  explicit VxlanView(const Slice& payload) : payload_(payload) {}

  Slice payload_;
};

}  // namespace hoptap::decode
