// PPP frames (RFC 1661 section 2, in HDLC framing or not: RFC 1662) and PPPoE sessions (RFC 2516 section 4). Private to
// decode/.
#pragma once

#include "base/result.h"
#include "decode/link.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// Reads the protocol of a PPP frame, compressed to one byte or not, behind "all stations, unnumbered" if that is
/// there. kUnsupported: compressed or encrypted.
[[nodiscard]] inline base::Result<NetworkPacket> read_ppp(Slice frame) {
  constexpr std::uint16_t kAddressAndControl = 0xff03;
  if (frame.has(2) && be16(frame.bytes, 0) == kAddressAndControl) frame = frame.behind(2);
  if (!frame.has(1)) return tl::unexpected(frame.missing(1));
  std::uint16_t protocol = frame.bytes[0];
  std::size_t protocol_bytes = 1;
  if ((protocol & 1) == 0) {  // RFC 1661 section 6.5: the last byte is the odd one
    protocol_bytes = 2;
    if (!frame.has(protocol_bytes)) return tl::unexpected(frame.missing(protocol_bytes));
    protocol = be16(frame.bytes, 0);
  }
  const Slice inside = frame.behind(protocol_bytes);
  switch (protocol) {  // https://www.iana.org/assignments/ppp-numbers
    case 0x0021: return NetworkPacket{.ether_type = ether_type::kIpv4, .slice = inside};
    case 0x0057: return NetworkPacket{.ether_type = ether_type::kIpv6, .slice = inside};
    case 0x0281: return NetworkPacket{.ether_type = ether_type::kMpls, .slice = inside};
    case 0x0283: return NetworkPacket{.ether_type = ether_type::kMplsMulticast, .slice = inside};
    case 0x002d:  // Van Jacobson
    case 0x002f:
    case 0x003d:  // multilink
    case 0x0053:  // encrypted
    case 0x00fb:
    case 0x00fd: return tl::unexpected(base::Error::kUnsupported);
    default: return NetworkPacket{.ether_type = 0, .slice = inside};
  }
}

/// A PPPoE session's header where it lies. parse() is the only way to make one.
class PppoeView {
 public:
  /// kBadVersion: not version 1, type 1, session data.
  [[nodiscard]] static base::Result<PppoeView> parse(const Slice& packet) {
    constexpr std::uint16_t kSessionData = 0x1100;
    if (!packet.has(kHeaderBytes)) return tl::unexpected(packet.missing(kHeaderBytes));
    if (be16(packet.bytes, 0) != kSessionData) return tl::unexpected(base::Error::kBadVersion);
    return PppoeView(packet.first(kHeaderBytes + be16(packet.bytes, 4)));  // drops padding
  }

  std::uint16_t session_id() const { return be16(packet_.bytes, 2); }
  Slice ppp_frame() const { return packet_.behind(kHeaderBytes); }

 private:
  static constexpr std::size_t kHeaderBytes = 6;

  explicit PppoeView(const Slice& packet) : packet_(packet) {}

  Slice packet_;
};

}  // namespace hoptap::decode
