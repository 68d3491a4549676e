#include "decode/walk.h"

#include <algorithm>

#include "base/hash.h"
#include "decode/icmp.h"
#include "decode/ip/extensions.h"
#include "decode/ip/ipv4_view.h"
#include "decode/ip/ipv6_view.h"
#include "decode/ppp.h"
#include "decode/tcp.h"
#include "decode/udp_view.h"

namespace hoptap::decode {

using base::Error;
using base::Result;

Outcome outcome_of(Error error) {
  switch (error) {
    case Error::kTruncated: return Outcome::kTruncated;
    case Error::kUnsupported: return Outcome::kUnsupported;
    case Error::kBadVersion:
    case Error::kBadLength: return Outcome::kMalformed;
  }
  return Outcome::kMalformed;
}

Outcome PacketWalk::run(const capture::Packet& packet, capture::LinkType link_type) {
  const Slice all{.bytes = packet.bytes, .wire_bytes = std::max<std::size_t>(packet.wire_bytes, packet.bytes.size())};
  go_on_with(read_link(link_type, all, out_.link));
  // Each turn ends the walk, notes a tunnel, of which there are at most TunnelStack::kDepthMax, or takes some bytes
  // off.
  while (!ended_) read_network();
  return *ended_;
}

void PacketWalk::end(Error error) { ended_ = outcome_of(error); }

void PacketWalk::go_on_with(const Result<NetworkPacket>& network) {
  if (!network) return end(network.error());
  network_ = *network;
}

void PacketWalk::read_network() {
  switch (network_.ether_type) {
    case ether_type::kIpv4: return read_ipv4();
    case ether_type::kIpv6: return read_ipv6();
    case ether_type::kMpls:
    case ether_type::kMplsMulticast: return read_labels(network_.slice);
    case ether_type::kPppoe: return read_pppoe(network_.slice);
    case ether_type::kProviderBackbone: return read_backbone(network_.slice);
    case ether_type::kServiceHeader: return read_service_header(network_.slice);
    case ether_type::kMacsec: return read_macsec(network_.slice);
    case ether_type::kFabricPath: return read_fabric_path(network_.slice);
    case ether_type::kPpp: return go_on_with(read_ppp(network_.slice));
    default: return end(Outcome::kNotIp);
  }
}

void PacketWalk::read_ipv4() {
  const Result<Ipv4View> ip = Ipv4View::parse(network_.slice);
  if (!ip) return end(ip.error());
  out_.source = {.address = ip->source(), .port = 0};
  out_.target = {.address = ip->target(), .port = 0};
  out_.ttl = ip->ttl();
  out_.traffic_class = ip->traffic_class();
  out_.ip_id = ip->identification();
  out_.protocol = ip->protocol();
  out_.ip_bytes = ip->wire_bytes();
  if (ip->is_fragment()) {
    const Fragment fragment{.key = {.id = ip->identification(), .protocol = ip->protocol()},
                            .offset = ip->fragment_offset(),
                            .more = ip->more_fragments(),
                            .protocol = ip->protocol(),
                            .bytes = ip->payload()};
    return read_fragment(fragment, ip->header_bytes());
  }
  // The only extension header that IPv4 has; the other numbers mean nothing there.
  if (ip->protocol() == ip_protocol::kAuthentication) return read_behind_extensions(ip->payload());
  read_transport(ip->payload());
}

void PacketWalk::read_ipv6() {
  const Result<Ipv6View> ip = Ipv6View::parse(network_.slice);
  if (!ip) return end(ip.error());
  out_.source = {.address = ip->source(), .port = 0};
  out_.target = {.address = ip->target(), .port = 0};
  out_.ttl = ip->hop_limit();
  out_.traffic_class = ip->traffic_class();
  out_.ip_id = 0;
  out_.protocol = ip->next_header();
  out_.ip_bytes = ip->wire_bytes();
  if (is_extension(ip->next_header())) return read_behind_extensions(ip->payload());
  read_transport(ip->payload());
}

void PacketWalk::read_behind_extensions(const Slice& slice) {
  constexpr std::uint16_t kAnyProtocol = 256;
  const Result<TransportPacket> transport = read_extensions(out_.protocol, slice);
  if (!transport) return end(transport.error());
  out_.protocol = transport->protocol;
  if (!transport->is_fragment) return read_transport(transport->slice);
  const Fragment fragment{.key = {.id = transport->fragment_id, .protocol = kAnyProtocol},
                          .offset = transport->fragment_offset,
                          .more = transport->more_fragments,
                          .protocol = transport->protocol,
                          .bytes = transport->slice};
  read_fragment(fragment, out_.ip_bytes - std::min<std::size_t>(out_.ip_bytes, transport->slice.wire_bytes));
}

/// Goes on with the whole datagram if this fragment completes one. A first fragment that does not says at least whose
/// ports it has; it never counts as TCP or UDP, because its bytes come again with the whole.
void PacketWalk::read_fragment(Fragment fragment, std::size_t headers_bytes) {
  constexpr int kFragmentsMax = 4;  // of fragments of fragments
  if (++fragments_ > kFragmentsMax) return end(Outcome::kUnsupported);
  fragment.key.source = out_.source.address;
  fragment.key.target = out_.target.address;
  fragment.key.place = place();
  fragment.time_ns = out_.time_ns;
  const std::optional<Reassembled> whole = reassembler_.take(fragment);
  if (!whole) {
    const bool has_ports = fragment.protocol == ip_protocol::kTcp || fragment.protocol == ip_protocol::kUdp;
    if (fragment.offset == 0 && has_ports && fragment.bytes.has(4)) {
      out_.source.port = be16(fragment.bytes.bytes, 0);
      out_.target.port = be16(fragment.bytes.bytes, 2);
    }
    return end(Outcome::kFragment);
  }
  out_.protocol = whole->protocol;
  out_.ip_bytes = static_cast<std::uint32_t>(headers_bytes + whole->bytes.wire_bytes);
  const bool is_ipv6 = fragment.key.protocol != fragment.protocol;
  const bool has_extensions = is_ipv6 ? is_extension(whole->protocol) : whole->protocol == ip_protocol::kAuthentication;
  if (has_extensions) return read_behind_extensions(whole->bytes);
  read_transport(whole->bytes);
}

/// Where in the feed this packet was seen: by what, on which link, in which tunnels.
std::uint64_t PacketWalk::place() const {
  const auto hash_of = [](const base::MacAddress& mac) { return base::load_be(mac.bytes); };
  const auto hash_of_ip = [](const base::IpAddress& ip) { return base::hash_bytes(ip.bytes); };
  const Link& link = out_.link;
  std::uint64_t hash = base::hash_values(out_.interface_id, hash_of(link.source), hash_of(link.target), link.vlans[0],
                                         link.vlans[1], link.interface_index);
  for (const Tunnel& layer : out_.tunnels.used())
    hash = base::hash_values(hash, layer.type, layer.id, hash_of_ip(layer.source), hash_of_ip(layer.target));
  return hash;
}

void PacketWalk::read_transport(const Slice& slice) {
  switch (out_.protocol) {
    case ip_protocol::kTcp: return read_tcp(slice);
    case ip_protocol::kUdp: return read_udp(slice);
    case ip_protocol::kIcmp:
    case ip_protocol::kIcmpv6: return read_icmp_message(slice);
    case ip_protocol::kGre: return read_gre(slice);
    case ip_protocol::kIpv4: return enter_ip(ether_type::kIpv4, slice);
    case ip_protocol::kIpv6: return enter_ip(ether_type::kIpv6, slice);
    case ip_protocol::kMpls: return read_labels(slice);  // RFC 4023
    default: return end(Outcome::kOtherIp);
  }
}

void PacketWalk::read_tcp(const Slice& segment) {
  const Result<TcpView> view = TcpView::parse(segment);
  if (!view) return end(view.error());
  out_.source.port = view->source_port();
  out_.target.port = view->target_port();
  out_.l4_checksum = view->checksum();
  Tcp& tcp = out_.tcp;
  tcp.sequence = view->sequence();
  tcp.acknowledgment = view->acknowledgment();
  tcp.window = view->window();
  tcp.flags = view->flags();
  tcp.options = view->options();
  read_tcp_options(tcp);
  keep_payload(view->payload());
  end(Outcome::kTcp);
}

void PacketWalk::read_udp(const Slice& datagram) {
  const Result<UdpView> view = UdpView::parse(datagram);
  if (!view) return end(view.error());
  const UdpTunnel tunnel = ports_.find(datagram.bytes.data());
  if (tunnel != UdpTunnel::kNone && read_udp_tunnel(tunnel, *view)) return;
  out_.source.port = view->source_port();
  out_.target.port = view->target_port();
  out_.l4_checksum = view->checksum();
  keep_payload(view->payload());
  end(Outcome::kUdp);
}

/// Each IP version has its own; the other's number means nothing there.
void PacketWalk::read_icmp_message(const Slice& message) {
  const bool is_ipv6 = network_.ether_type == ether_type::kIpv6;
  if (is_ipv6 != (out_.protocol == ip_protocol::kIcmpv6)) return end(Outcome::kOtherIp);
  const Result<Icmp> icmp = read_icmp(message, is_ipv6);
  if (!icmp) return end(icmp.error());
  out_.icmp = *icmp;
  keep_payload(message.after(kIcmpHeaderBytes));
  end(Outcome::kIcmp);
}

void PacketWalk::keep_payload(const Slice& payload) {
  out_.payload = payload.bytes;
  out_.payload_wire_bytes = static_cast<std::uint32_t>(payload.wire_bytes);
}

}  // namespace hoptap::decode
