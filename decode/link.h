// Link layers down to the network layer: Ethernet with VLAN tags, Linux cooked, BSD loopback, PPP, Cisco HDLC, raw IP.
// Private to decode/.
#pragma once

#include "base/encapsulation.h"
#include "base/result.h"
#include "capture/packet.h"
#include "decode/slice.h"

namespace hoptap::decode {

/// What a link layer carries.
struct NetworkPacket {
  std::uint16_t ether_type = 0;  ///< 0: not one (LLC, LLDP by length, ...)
  Slice slice;
};

inline constexpr std::uint16_t kEtherTypeMin = 0x0600;  ///< below, the field is a length (IEEE 802.3 section 3.2.6)

namespace ether_type {
inline constexpr std::uint16_t kIpv4 = 0x0800, kIpv6 = 0x86dd;
inline constexpr std::uint16_t kVlan = 0x8100, kServiceVlan = 0x88a8, kVlanOld = 0x9100;
inline constexpr std::uint16_t kBridged = 0x6558;  ///< in GRE: an Ethernet frame
inline constexpr std::uint16_t kErspan2 = 0x88be, kErspan3 = 0x22eb;
inline constexpr std::uint16_t kMpls = 0x8847, kMplsMulticast = 0x8848, kPppoe = 0x8864;
inline constexpr std::uint16_t kProviderBackbone = 0x88e7, kMacsec = 0x88e5, kServiceHeader = 0x894f;
inline constexpr std::uint16_t kVirtualNetworkTag = 0x8926, kPortExtensionTag = 0x893f;  ///< VN-Tag, IEEE 802.1BR E-TAG
inline constexpr std::uint16_t kPpp = 0x880b;                                            ///< in GRE
inline constexpr std::uint16_t kArp = 0x0806;
inline constexpr std::uint16_t kFabricPath = 0x8903;    ///< Cisco: a tag of 2 bytes, then a whole frame
inline constexpr std::uint16_t kRedirect = 0x883e;      ///< in GRE: WCCP
inline constexpr std::uint16_t kAristaStamp = 0xd28b;   ///< a time, then the type of what follows
inline constexpr std::uint16_t kCiscoTimeTag = 0x8905;  ///< TTAG of Nexus 9000: 8 bytes with the types (CSCvu17177)
}  // namespace ether_type

/// IEEE 802.1Q and 802.1ad, and what came before the latter.
constexpr bool is_vlan_type(std::uint64_t type) {
  return type == ether_type::kVlan || type == ether_type::kServiceVlan || type == ether_type::kVlanOld;
}

/// A type that frames of a network have: read here, or ARP.
constexpr bool is_known_type(std::uint16_t type) {
  switch (type) {
    case ether_type::kIpv4:
    case ether_type::kIpv6:
    case ether_type::kArp:
    case ether_type::kVlan:
    case ether_type::kServiceVlan:
    case ether_type::kVlanOld:
    case ether_type::kMpls:
    case ether_type::kMplsMulticast:
    case ether_type::kPppoe:
    case ether_type::kProviderBackbone:
    case ether_type::kMacsec:
    case ether_type::kServiceHeader:
    case ether_type::kVirtualNetworkTag:
    case ether_type::kPortExtensionTag:
    case ether_type::kFabricPath: return true;
    default: return false;
  }
}

/// Reads the link layer of a packet captured with `link_type` and notes its addresses and VLANs.
/// kUnsupported: a link type that is not decoded.
[[nodiscard]] base::Result<NetworkPacket> read_link(capture::LinkType link_type, const Slice& packet, base::Link& link);

/// Reads what a VLAN tag or a length below kEtherTypeMin stands before. Adds to the link's VLANs.
[[nodiscard]] base::Result<NetworkPacket> read_tagged(std::uint16_t type_or_length, Slice slice, base::Link& link);

/// Reads an Ethernet frame; also one inside a tunnel. Replaces the link's addresses and VLANs.
[[nodiscard]] inline base::Result<NetworkPacket> read_ethernet(const Slice& frame, base::Link& link) {
  constexpr std::size_t kHeaderBytes = 14;
  if (!frame.has(kHeaderBytes)) return tl::unexpected(frame.missing(kHeaderBytes));
  link.target = mac_at(frame.bytes, 0);
  link.source = mac_at(frame.bytes, 6);
  link.vlan_count = 0;
  link.vlans = {};
  const std::uint16_t type = be16(frame.bytes, 12);
  const Slice inside = frame.behind(kHeaderBytes);
  if (type == ether_type::kIpv4 || type == ether_type::kIpv6) return NetworkPacket{.ether_type = type, .slice = inside};
  return read_tagged(type, inside, link);
}

}  // namespace hoptap::decode
