// VXLAN (RFC 7348 section 5) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe-12 section 3) headers where they lie. Borrow the
// packet. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/link.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// parse() is the only way to make one, so no getter can read out of bounds.
class VxlanView {
 public:
  static constexpr std::size_t kHeaderBytes = 8;

  /// `payload` is that of a UDP datagram from `source_port`. kBadVersion: something else that happens to go to this
  /// port. Reserved bits are to be zero when sent and ignored when received; extensions use them (group policy, remote
  /// checksum offload). So a header that sets some is believed only if what follows looks like a frame, and never from
  /// a service's port: an answer to a client whose port is the tunnel's by chance.
  [[nodiscard]] static base::Result<VxlanView> parse(const Slice& payload, std::uint16_t source_port) {
    constexpr std::size_t kFrameTypeAt = kHeaderBytes + 12;
    constexpr std::uint16_t kServicePortsEnd =
        1024;  // RFC 6335 section 6; senders take theirs from 49152 on (RFC 7348)
    if (!payload.has(kHeaderBytes)) return tl::unexpected(payload.missing(kHeaderBytes));
    if (is_exact(payload.bytes)) return VxlanView(payload);
    if ((payload.bytes[0] & kIdentifierGiven) == 0 || source_port < kServicePortsEnd) {
      return tl::unexpected(base::Error::kBadVersion);
    }
    if (!payload.has(kFrameTypeAt + 2)) return tl::unexpected(payload.missing(kFrameTypeAt + 2));
    if (!is_known_type(be16(payload.bytes, kFrameTypeAt))) return tl::unexpected(base::Error::kBadVersion);
    return VxlanView(payload);
  }

  /// No flag but that of the identifier, no reserved bit. Needs kHeaderBytes.
  static bool is_exact(base::Bytes header) { return be32(header, 0) == kIdentifierGiven << 24 && header[7] == 0; }
  static std::uint32_t network_identifier(base::Bytes header) { return be32(header, 4) >> 8; }

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

  std::uint32_t network_identifier() const { return network_identifier(payload_.bytes); }
  Slice payload() const { return payload_.behind(kHeaderBytes); }

  /// Of VXLAN-GPE, see next_protocol_type(); Ethernet unless given.
  std::uint8_t next_protocol() const { return (payload_.bytes[0] & kProtocolGiven) != 0 ? payload_.bytes[3] : 3; }

 private:
  static constexpr std::uint8_t kIdentifierGiven = 0x08, kProtocolGiven = 0x04;

  explicit VxlanView(const Slice& payload) : payload_(payload) {}

  Slice payload_;
};

}  // namespace hoptap::decode
