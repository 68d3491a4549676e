#include "decode/link.h"

#include <algorithm>

#include "decode/mirror/stamp_formats.h"
#include "decode/ppp.h"

namespace hoptap::decode {
namespace {

using base::Error;
using base::Link;
using base::Result;

// https://www.tcpdump.org/linktypes.html
namespace link_type {
constexpr capture::LinkType kNull = 0, kEthernet = 1, kRaw = 101, kLoop = 108, kCooked = 113;
constexpr capture::LinkType kIpv4 = 228, kIpv6 = 229, kCooked2 = 276;
constexpr capture::LinkType kPpp = 9, kPppHdlc = 50, kPppoe = 51, kCiscoHdlc = 104;
}  // namespace link_type

constexpr std::size_t kMacBytes = 6;

tl::unexpected<Error> short_of(const Slice& slice, std::size_t need) { return tl::unexpected(slice.missing(need)); }

/// An 802.3 frame's LLC header: an Ethernet type only if SNAP with no organisation follows (RFC 1042), or that of IEEE
/// 802.1H tunnels, or IP itself (RFC 948).
NetworkPacket read_llc(const Slice& slice) {
  constexpr std::size_t kSnapBytes = 8, kLlcBytes = 3;
  constexpr std::uint32_t kSnapUnnumbered = 0xaaaa0300;  // and the first byte of the organisation
  constexpr std::uint16_t kBridgeTunnel = 0x00f8;        // the other two
  constexpr std::uint16_t kIpToIp = 0x0606;
  if (slice.has(kLlcBytes) && be16(slice.bytes, 0) == kIpToIp && slice.bytes[2] == 3) {
    return {.ether_type = ether_type::kIpv4, .slice = slice.behind(kLlcBytes)};
  }
  const bool is_snap = slice.has(kSnapBytes) && be32(slice.bytes, 0) == kSnapUnnumbered;
  if (!is_snap || (be16(slice.bytes, 4) != 0 && be16(slice.bytes, 4) != kBridgeTunnel)) {
    return {.ether_type = 0, .slice = slice};
  }
  return {.ether_type = be16(slice.bytes, 6), .slice = slice.behind(kSnapBytes)};
}

/// The protocol field of a cooked header: an Ethernet type, or a small number of Linux' own.
Result<NetworkPacket> read_cooked_protocol(std::uint16_t protocol, const Slice& slice, Link& link) {
  constexpr std::uint16_t kLlc = 4;
  if (protocol == kLlc) return read_llc(slice);
  if (protocol < kEtherTypeMin) return NetworkPacket{.ether_type = 0, .slice = slice};
  return read_tagged(protocol, slice, link);
}

/// https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html
Result<NetworkPacket> read_cooked(const Slice& packet, Link& link) {
  constexpr std::size_t kHeaderBytes = 16;
  if (!packet.has(kHeaderBytes)) return short_of(packet, kHeaderBytes);
  if (be16(packet.bytes, 4) == kMacBytes) link.source = mac_at(packet.bytes, 6);
  return read_cooked_protocol(be16(packet.bytes, 14), packet.behind(kHeaderBytes), link);
}

/// https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html
Result<NetworkPacket> read_cooked2(const Slice& packet, Link& link) {
  constexpr std::size_t kHeaderBytes = 20;
  if (!packet.has(kHeaderBytes)) return short_of(packet, kHeaderBytes);
  link.interface_index = be32(packet.bytes, 4);
  if (packet.bytes[11] == kMacBytes) link.source = mac_at(packet.bytes, 12);
  return read_cooked_protocol(be16(packet.bytes, 0), packet.behind(kHeaderBytes), link);
}

/// The address family, in the byte order of the host that captured (null) or of the network (loop).
/// AF_INET is 2 everywhere, AF_INET6 is not.
Result<NetworkPacket> read_loopback(const Slice& packet) {
  constexpr std::size_t kHeaderBytes = 4;
  if (!packet.has(kHeaderBytes)) return short_of(packet, kHeaderBytes);
  const auto network_order = be32(packet.bytes, 0);
  const auto family = network_order < 0x10000 ? network_order : __builtin_bswap32(network_order);
  const Slice inside = packet.behind(kHeaderBytes);
  switch (family) {
    case 2: return NetworkPacket{.ether_type = ether_type::kIpv4, .slice = inside};
    case 10:  // Linux
    case 24:  // NetBSD, OpenBSD
    case 28:  // FreeBSD
    case 30:  // macOS
      return NetworkPacket{.ether_type = ether_type::kIpv6, .slice = inside};
    default: return NetworkPacket{.ether_type = 0, .slice = inside};
  }
}

/// An address, a control byte, an Ethernet type (RFC 1547 section 4.3.1).
Result<NetworkPacket> read_cisco_hdlc(const Slice& packet, Link& link) {
  constexpr std::size_t kHeaderBytes = 4;
  if (!packet.has(kHeaderBytes)) return short_of(packet, kHeaderBytes);
  const std::uint16_t type = be16(packet.bytes, 2);
  if (type < kEtherTypeMin) return NetworkPacket{.ether_type = 0, .slice = packet};
  return read_tagged(type, packet.behind(kHeaderBytes), link);
}

Result<NetworkPacket> read_raw(const Slice& packet) {
  if (!packet.has(1)) return short_of(packet, 1);
  switch (packet.bytes[0] >> 4) {
    case 4: return NetworkPacket{.ether_type = ether_type::kIpv4, .slice = packet};
    case 6: return NetworkPacket{.ether_type = ether_type::kIpv6, .slice = packet};
    default: return NetworkPacket{.ether_type = 0, .slice = packet};
  }
}

/// Six bytes of time and the type of what follows, which must be one of a network: nothing else tells.
std::size_t time_tag_bytes(base::Bytes behind) {
  constexpr std::size_t kTimeBytes = 6, kBytes = 8;
  return behind.size() >= kBytes && is_known_type(be16(behind, kTimeBytes)) ? kBytes : 0;
}

/// Bytes of the tag that a type announces, the type behind it included; 0: no tag.
std::size_t tag_bytes_of(std::uint16_t type, base::Bytes behind) {
  switch (type) {
    case ether_type::kVlan:
    case ether_type::kServiceVlan:
    case ether_type::kVlanOld: return 4;
    case ether_type::kVirtualNetworkTag: return 6;
    case ether_type::kPortExtensionTag: return 8;
    case ether_type::kAristaStamp: return arista_stamp_bytes(behind);
    case ether_type::kCiscoTimeTag: return time_tag_bytes(behind);
    default: return 0;
  }
}

}  // namespace

Result<NetworkPacket> read_tagged(std::uint16_t type, Slice slice, Link& link) {
  constexpr int kTagsMax = 8;
  for (int tags = 0; const std::size_t tag_bytes = tag_bytes_of(type, slice.bytes); ++tags) {
    if (tags == kTagsMax) return tl::unexpected(Error::kUnsupported);
    if (!slice.has(tag_bytes)) return short_of(slice, tag_bytes);
    if (is_vlan_type(type) && link.vlan_count < Link::kVlansMax)
      link.vlans[link.vlan_count++] = be16(slice.bytes, 0) & 0x0fff;
    type = be16(slice.bytes, tag_bytes - 2);
    slice = slice.behind(tag_bytes);
  }
  if (type >= kEtherTypeMin) return NetworkPacket{.ether_type = type, .slice = slice};
  return read_llc(slice.first(std::min<std::size_t>(type, slice.wire_bytes)));  // drops padding
}

Result<NetworkPacket> read_link(capture::LinkType type, const Slice& packet, Link& link) {
  switch (type) {
    case link_type::kEthernet: return read_ethernet(packet, link);
    case link_type::kCooked: return read_cooked(packet, link);
    case link_type::kCooked2: return read_cooked2(packet, link);
    case link_type::kNull:
    case link_type::kLoop: return read_loopback(packet);
    case link_type::kRaw: return read_raw(packet);
    case link_type::kPpp:
    case link_type::kPppHdlc: return read_ppp(packet);
    case link_type::kPppoe: return NetworkPacket{.ether_type = ether_type::kPppoe, .slice = packet};
    case link_type::kCiscoHdlc: return read_cisco_hdlc(packet, link);
    case link_type::kIpv4: return NetworkPacket{.ether_type = ether_type::kIpv4, .slice = packet};
    case link_type::kIpv6: return NetworkPacket{.ether_type = ether_type::kIpv6, .slice = packet};
    default: return tl::unexpected(Error::kUnsupported);
  }
}

}  // namespace hoptap::decode
