// Headers between IP and the transport: IPv6 extension headers (RFC 8200 section 4) and the
// authentication header (RFC 4302), which IPv4 may carry too. Private to decode/.
#pragma once

#include "base/result.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// IP protocol numbers (https://www.iana.org/assignments/protocol-numbers).
namespace ip_protocol {
inline constexpr std::uint8_t kHopByHop = 0, kIcmp = 1, kIpv4 = 4, kTcp = 6, kUdp = 17, kIpv6 = 41, kRouting = 43;
inline constexpr std::uint8_t kFragment = 44, kGre = 47, kAuthentication = 51, kIcmpv6 = 58, kDestination = 60;
inline constexpr std::uint8_t kMobility = 135, kMpls = 137, kHostIdentity = 139, kShim6 = 140;
}  // namespace ip_protocol

/// What lies behind the extension headers.
struct TransportPacket {
  std::uint8_t protocol = 0;
  bool is_fragment = false;  ///< of a packet in several; an "atomic" fragment is a whole packet (RFC 6946)
  bool more_fragments = false;
  std::uint32_t fragment_offset = 0;  ///< in bytes
  std::uint32_t fragment_id = 0;
  Slice slice;
};

/// True for the protocols that read_extensions() steps over: those of RFC 7045 section 4 but ESP.
constexpr bool is_extension(std::uint8_t protocol) {
  switch (protocol) {
    case ip_protocol::kHopByHop:
    case ip_protocol::kRouting:
    case ip_protocol::kFragment:
    case ip_protocol::kAuthentication:
    case ip_protocol::kDestination:
    case ip_protocol::kMobility:
    case ip_protocol::kHostIdentity:
    case ip_protocol::kShim6: return true;
    default: return false;
  }
}

/// Steps over the extension headers that begin `slice`, the first of which is `protocol`.
/// kUnsupported: more of them than are followed.
[[nodiscard]] base::Result<TransportPacket> read_extensions(std::uint8_t protocol, Slice slice);

}  // namespace hoptap::decode
