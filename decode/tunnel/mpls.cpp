#include "decode/tunnel/mpls.h"

namespace hoptap::decode {
namespace {

using base::Error;
using base::Result;

constexpr std::size_t kWordBytes = 4;
constexpr int kLabelsMax = 16;
constexpr std::uint32_t kExplicitNullIpv4 = 0, kExplicitNullIpv6 = 2, kGenericChannel = 13;

/// Does an Ethernet frame begin at `at`, by its type field?
bool looks_like_ethernet(const Slice& slice, std::size_t at) {
  if (!slice.has(at + 14)) return false;
  switch (const std::uint16_t type = be16(slice.bytes, at + 12)) {
    case ether_type::kIpv4:
    case ether_type::kIpv6:
    case ether_type::kVlan:
    case ether_type::kServiceVlan:
    case ether_type::kVlanOld:
    case ether_type::kMpls:
    case ether_type::kPppoe:
    case 0x0806:               // ARP
    case 0x8035:               // RARP
    case 0x8863:               // PPPoE discovery
    case 0x8809:               // LACP
    case 0x88cc:               // LLDP
    case 0x8902:               // CFM
    case 0x9000: return true;  // loopback
    default: return type < kEtherTypeMin && type <= slice.wire_bytes - at - 14 && type >= 3;
  }
}

bool looks_like_ipv4(const Slice& slice) {
  constexpr std::size_t kHeaderBytesMin = 20;
  if (!slice.has(kHeaderBytesMin)) return !slice.bytes.empty() && slice.wire_bytes > slice.bytes.size();
  const std::size_t total_bytes = be16(slice.bytes, 2);
  return (slice.bytes[0] & 0x0f) >= 5 && (total_bytes == 0 || total_bytes >= kHeaderBytesMin);
}

NetworkPacket ethernet_at(const Slice& slice, std::size_t at) {
  return {.ether_type = ether_type::kBridged, .slice = slice.behind(at)};
}

NetworkPacket guess(const Slice& slice) {
  switch (slice.bytes[0] >> 4) {
    case 4:
      if (looks_like_ethernet(slice, 0) && !looks_like_ipv4(slice)) return ethernet_at(slice, 0);
      return {.ether_type = ether_type::kIpv4, .slice = slice};
    case 6:
      if (looks_like_ethernet(slice, 0) && slice.has(40) && be16(slice.bytes, 4) + 40u > slice.wire_bytes)
        return ethernet_at(slice, 0);
      return {.ether_type = ether_type::kIpv6, .slice = slice};
    case 0:
      // A control word, or an address that begins with 0: the type field tells; in doubt the word, as RFC 8469 asks
      // for.
      if (looks_like_ethernet(slice, kWordBytes)) return ethernet_at(slice, kWordBytes);
      if (looks_like_ethernet(slice, 0)) return ethernet_at(slice, 0);
      return {.ether_type = 0, .slice = slice};
    default:  // 1 is an associated channel (RFC 4385 section 5), or an address as any other
      if (looks_like_ethernet(slice, 0)) return ethernet_at(slice, 0);
      return {.ether_type = 0, .slice = slice};
  }
}

}  // namespace

Result<MplsPayload> read_mpls(Slice packet) {
  constexpr std::uint32_t kBottom = 0x100;
  for (int labels = 0; labels < kLabelsMax; ++labels) {
    if (!packet.has(kWordBytes)) return tl::unexpected(packet.missing(kWordBytes));
    const std::uint32_t entry = be32(packet.bytes, 0);
    packet = packet.behind(kWordBytes);
    if ((entry & kBottom) == 0) continue;
    MplsPayload payload{.label = entry >> 12, .inside = {.ether_type = 0, .slice = packet}};
    if (payload.label == kGenericChannel) return payload;
    if (!packet.has(1)) return tl::unexpected(packet.missing(1));
    if (payload.label == kExplicitNullIpv4) {
      payload.inside.ether_type = ether_type::kIpv4;
    } else if (payload.label == kExplicitNullIpv6) {
      payload.inside.ether_type = ether_type::kIpv6;
    } else {
      payload.inside = guess(packet);
    }
    return payload;
  }
  return tl::unexpected(Error::kUnsupported);
}

}  // namespace hoptap::decode
