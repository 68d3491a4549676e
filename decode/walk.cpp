#include "decode/walk.h"

#include <algorithm>
#include <optional>

#include "decode/ip/extensions.h"
#include "decode/ip/ipv4_view.h"
#include "decode/ip/ipv6_view.h"
#include "decode/link.h"
#include "decode/tcp.h"
#include "decode/tunnel/gre_view.h"
#include "decode/tunnel/vxlan_view.h"
#include "decode/udp_view.h"

namespace hoptap::decode {
namespace {

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

/// The state of one packet on its way through the layers: either it goes on with `network`, or
/// `ended` says where it stopped.
class PacketWalk {
 public:
  PacketWalk(std::span<const std::uint16_t> vxlan_ports, Decoded& out) : vxlan_ports_(vxlan_ports), out_(out) {}

  Outcome run(const capture::Packet& packet, capture::LinkType link_type) {
    constexpr capture::LinkType kEthernet = 1;
    const Slice all{.bytes = packet.bytes, .wire_bytes = std::max<std::size_t>(packet.wire_bytes, packet.bytes.size())};
    go_on_with(link_type == kEthernet ? read_ethernet(all, out_.link) : read_link(link_type, all, out_.link));
    while (!ended_) read_network();  // one turn per IP header, at most TunnelStack::kDepthMax + 1
    return *ended_;
  }

 private:
  void end(Outcome outcome) { ended_ = outcome; }
  void end(Error error) { ended_ = outcome_of(error); }

  void go_on_with(const Result<NetworkPacket>& network) {
    if (!network) return end(network.error());
    network_ = *network;
  }

  void read_network() {
    switch (network_.ether_type) {
      case ether_type::kIpv4: return read_ipv4();
      case ether_type::kIpv6: return read_ipv6();
      case ether_type::kMpls:  // may carry IP, but are not taken apart
      case ether_type::kMplsMulticast:
      case ether_type::kPppoe:
      case ether_type::kProviderBackbone:
      case ether_type::kMacsec:
      case ether_type::kServiceHeader:
      case ether_type::kErspan3: return end(Outcome::kUnsupported);
      default: return end(Outcome::kNotIp);
    }
  }

  void read_ipv4() {
    const Result<Ipv4View> ip = Ipv4View::parse(network_.slice);
    if (!ip) return end(ip.error());
    out_.source = {.address = ip->source(), .port = 0};
    out_.target = {.address = ip->target(), .port = 0};
    out_.ttl = ip->ttl();
    out_.traffic_class = ip->traffic_class();
    out_.ip_id = ip->identification();
    out_.protocol = ip->protocol();
    if (ip->is_fragment()) return end(Outcome::kFragment);
    // The only extension header that IPv4 has; the other numbers mean nothing there.
    if (ip->protocol() == ip_protocol::kAuthentication) return read_behind_extensions(ip->payload());
    read_transport(ip->payload());
  }

  void read_ipv6() {
    const Result<Ipv6View> ip = Ipv6View::parse(network_.slice);
    if (!ip) return end(ip.error());
    out_.source = {.address = ip->source(), .port = 0};
    out_.target = {.address = ip->target(), .port = 0};
    out_.ttl = ip->hop_limit();
    out_.traffic_class = ip->traffic_class();
    out_.ip_id = 0;
    out_.protocol = ip->next_header();
    if (is_extension(ip->next_header())) return read_behind_extensions(ip->payload());
    read_transport(ip->payload());
  }

  void read_behind_extensions(const Slice& slice) {
    const Result<TransportPacket> transport = read_extensions(out_.protocol, slice);
    if (!transport) return end(transport.error());
    out_.protocol = transport->protocol;
    if (transport->is_fragment) return end(Outcome::kFragment);
    read_transport(transport->slice);
  }

  void read_transport(const Slice& slice) {
    switch (out_.protocol) {
      case ip_protocol::kTcp: return read_tcp(slice);
      case ip_protocol::kUdp: return read_udp(slice);
      case ip_protocol::kGre: return read_gre(slice);
      case ip_protocol::kIpv4: return enter_ip(ether_type::kIpv4, slice);
      case ip_protocol::kIpv6: return enter_ip(ether_type::kIpv6, slice);
      default: return end(Outcome::kOtherIp);
    }
  }

  void read_tcp(const Slice& segment) {
    const Result<TcpView> view = TcpView::parse(segment);
    if (!view) return end(view.error());
    out_.source.port = view->source_port();
    out_.target.port = view->target_port();
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

  void read_udp(const Slice& datagram) {
    const Result<UdpView> view = UdpView::parse(datagram);
    if (!view) return end(view.error());
    const std::uint16_t target_port = view->target_port();
    if (std::find(vxlan_ports_.begin(), vxlan_ports_.end(), target_port) != vxlan_ports_.end()) {
      const Result<VxlanView> vxlan = VxlanView::parse(view->payload());
      if (vxlan) return enter_ethernet(TunnelType::kVxlan, vxlan->network_identifier(), vxlan->frame());
      if (vxlan.error() == Error::kTruncated) return end(vxlan.error());
    }
    out_.source.port = view->source_port();
    out_.target.port = target_port;
    keep_payload(view->payload());
    end(Outcome::kUdp);
  }

  void read_gre(const Slice& packet) {
    const Result<GreView> gre = GreView::parse(packet);
    if (!gre && gre.error() == Error::kBadVersion) return end(Outcome::kOtherIp);
    if (!gre) return end(gre.error());
    switch (gre->ether_type()) {
      case ether_type::kBridged: return enter_ethernet(TunnelType::kTeb, gre->key(), gre->payload());
      case ether_type::kErspan2: return read_erspan(*gre);
      default: break;
    }
    if (!push_tunnel(TunnelType::kGre, gre->key())) return;
    network_ = {.ether_type = gre->ether_type(), .slice = gre->payload()};
  }

  /// Without a sequence number it is type I, which has no header of its own.
  void read_erspan(const GreView& gre) {
    if (!gre.has_sequence()) return enter_ethernet(TunnelType::kErspan2, 0, gre.payload());
    const Result<Erspan2View> erspan = Erspan2View::parse(gre.payload());
    if (!erspan) return end(erspan.error());
    enter_ethernet(TunnelType::kErspan2, erspan->session_id(), erspan->frame());
  }

  void enter_ip(std::uint16_t type, const Slice& packet) {
    if (!push_tunnel(TunnelType::kIpInIp, 0)) return;
    network_ = {.ether_type = type, .slice = packet};
  }

  void enter_ethernet(TunnelType type, std::uint32_t id, const Slice& frame) {
    if (!push_tunnel(type, id)) return;
    go_on_with(read_ethernet(frame, out_.link));
  }

  /// Notes a tunnel carried by the IP header read last. False, and the end, when there are too many.
  bool push_tunnel(TunnelType type, std::uint32_t id) {
    TunnelStack& stack = out_.tunnels;
    if (stack.depth == TunnelStack::kDepthMax) {
      end(Outcome::kUnsupported);
      return false;
    }
    stack.layers[stack.depth++] = {
        .type = type, .id = id, .source = out_.source.address, .target = out_.target.address};
    return true;
  }

  void keep_payload(const Slice& payload) {
    out_.payload = payload.bytes;
    out_.payload_wire_bytes = static_cast<std::uint32_t>(payload.wire_bytes);
  }

  std::span<const std::uint16_t> vxlan_ports_;
  Decoded& out_;
  NetworkPacket network_;
  std::optional<Outcome> ended_;
};

}  // namespace

Outcome decode_packet(const capture::Packet& packet, capture::LinkType link_type,
                      std::span<const std::uint16_t> vxlan_ports, Decoded& out) {
  return PacketWalk(vxlan_ports, out).run(packet, link_type);
}

}  // namespace hoptap::decode
