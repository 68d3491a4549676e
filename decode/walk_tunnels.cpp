#include "decode/link.h"
#include "decode/ppp.h"
#include "decode/tunnel/erspan_view.h"
#include "decode/tunnel/geneve_view.h"
#include "decode/tunnel/gre_view.h"
#include "decode/tunnel/gtp_view.h"
#include "decode/tunnel/l2tp_view.h"
#include "decode/tunnel/mpls.h"
#include "decode/tunnel/nsh_view.h"
#include "decode/tunnel/teredo.h"
#include "decode/tunnel/vxlan_view.h"
#include "decode/udp_view.h"
#include "decode/walk.h"

namespace hoptap::decode {
namespace {

using base::Error;
using base::Result;

/// IP by its version, where no field says what is carried (GTP-U, WCCP).
std::uint16_t ip_type_of(const Slice& packet) {
  if (packet.bytes.empty()) return 0;
  switch (packet.bytes[0] >> 4) {
    case 4: return ether_type::kIpv4;
    case 6: return ether_type::kIpv6;
    default: return 0;
  }
}

/// A tunnel header that was read, or why not.
struct TunnelHeader {
  TunnelType type{};
  std::uint32_t id = 0;
  NetworkPacket inside;
};

template <class View, class Make>
Result<TunnelHeader> header_of(const Result<View>& view, const Make& make) {
  if (!view) return tl::unexpected(view.error());
  return make(*view);
}

Result<TunnelHeader> read_l2tp(const Slice& payload) {
  const Result<L2tpView> l2tp = L2tpView::parse(payload);
  if (!l2tp) return tl::unexpected(l2tp.error());
  const Result<NetworkPacket> inside = read_ppp(l2tp->ppp_frame());
  if (!inside) return tl::unexpected(inside.error());
  return TunnelHeader{TunnelType::kL2tp, l2tp->tunnel_and_session(), *inside};
}

Result<TunnelHeader> read_header(UdpTunnel tunnel, std::uint16_t source_port, const Slice& payload) {
  switch (tunnel) {
    case UdpTunnel::kVxlan:
      return header_of(VxlanView::parse(payload, source_port), [](const VxlanView& view) {
        return TunnelHeader{TunnelType::kVxlan, view.network_identifier(), {ether_type::kBridged, view.payload()}};
      });
    case UdpTunnel::kVxlanGpe:
      return header_of(VxlanView::parse_gpe(payload), [](const VxlanView& view) {
        return TunnelHeader{TunnelType::kVxlanGpe,
                            view.network_identifier(),
                            {next_protocol_type(view.next_protocol()), view.payload()}};
      });
    case UdpTunnel::kGeneve:
      return header_of(GeneveView::parse(payload), [](const GeneveView& view) {
        return TunnelHeader{TunnelType::kGeneve, view.network_identifier(), {view.ether_type(), view.payload()}};
      });
    case UdpTunnel::kGtp:
      return header_of(GtpView::parse(payload), [](const GtpView& view) {
        return TunnelHeader{TunnelType::kGtp, view.tunnel_endpoint(), {ip_type_of(view.payload()), view.payload()}};
      });
    case UdpTunnel::kL2tp: return read_l2tp(payload);
    case UdpTunnel::kTeredo:
      return header_of(read_teredo(payload), [](const Slice& packet) {
        return TunnelHeader{TunnelType::kTeredo, 0, {ether_type::kIpv6, packet}};
      });
    case UdpTunnel::kNone: break;
  }
  return tl::unexpected(Error::kBadVersion);
}

}  // namespace

/// A header that cannot be one leaves the datagram what it is: ports are only a hint.
bool PacketWalk::read_udp_tunnel(UdpTunnel tunnel, const UdpView& datagram) {
  const Result<TunnelHeader> header = read_header(tunnel, datagram.source_port(), datagram.payload());
  if (header) {
    enter(header->type, header->id, header->inside);
    return true;
  }
  if (header.error() == Error::kBadVersion || header.error() == Error::kBadLength) return false;
  end(header.error());
  return true;
}

void PacketWalk::read_gre(const Slice& packet) {
  const Result<GreView> gre = GreView::parse(packet);
  if (!gre && gre.error() == Error::kBadVersion) return read_gre_version_one(packet);
  if (!gre) return end(gre.error());
  switch (gre->ether_type()) {
    case ether_type::kErspan2: return read_erspan2(*gre);
    case ether_type::kErspan3: return read_erspan3(*gre);
    case ether_type::kRedirect: return read_redirect(*gre);
    default: note_sequence(*gre);
  }
  const TunnelType type = gre->ether_type() == ether_type::kBridged ? TunnelType::kTeb : TunnelType::kGre;
  enter(type, gre->key(), {gre->ether_type(), gre->payload()});
}

/// A mirror may be plain GRE with numbers; whether it is one is not known here.
void PacketWalk::note_sequence(const GreView& gre) {
  if (!gre.has_sequence() || out_.mirror.type != 0 || out_.mirror.has_sequence) return;
  out_.mirror.has_sequence = true;
  out_.mirror.sequence = gre.sequence();
}

void PacketWalk::read_gre_version_one(const Slice& packet) {
  const Result<EoipView> eoip = EoipView::parse(packet);
  if (eoip) return enter(TunnelType::kTeb, eoip->tunnel_id(), {ether_type::kBridged, eoip->frame()});
  const Result<PptpView> pptp = PptpView::parse(packet);
  if (!pptp && pptp.error() == Error::kTruncated) return end(Outcome::kTruncated);
  if (!pptp || pptp->ppp_frame().wire_bytes == 0) return end(Outcome::kOtherIp);
  if (!push_tunnel(TunnelType::kGre, pptp->call_id())) return;
  go_on_with(read_ppp(pptp->ppp_frame()));
}

/// WCCP version 2 puts 4 bytes before the packet, version 1 none (draft-wilson-wrec-wccp-v2-01 section 4.10).
void PacketWalk::read_redirect(const GreView& gre) {
  constexpr std::size_t kRedirectBytes = 4;
  Slice packet = gre.payload();
  if (ip_type_of(packet) == 0) {
    if (!packet.has(kRedirectBytes)) return end(packet.missing(kRedirectBytes));
    packet = packet.behind(kRedirectBytes);
  }
  enter(TunnelType::kGre, gre.key(), {ip_type_of(packet), packet});
}

/// Without a sequence number it is type I, which has no header of its own.
void PacketWalk::read_erspan2(const GreView& gre) {
  if (!gre.has_sequence()) {
    note_mirror({.type = 1});
    return enter(TunnelType::kErspan1, 0, {ether_type::kBridged, gre.payload()});
  }
  const Result<Erspan2View> erspan = Erspan2View::parse(gre.payload());
  if (!erspan) return end(erspan.error());
  Mirror mirror{.has_sequence = true, .sequence = gre.sequence()};
  erspan->fill(mirror);
  note_mirror(mirror);
  enter(TunnelType::kErspan2, erspan->session_id(), {ether_type::kBridged, erspan->frame()});
}

void PacketWalk::read_erspan3(const GreView& gre) {
  const Result<Erspan3View> erspan = Erspan3View::parse(gre.payload());
  if (!erspan) return end(erspan.error());
  Mirror mirror{.has_sequence = gre.has_sequence(), .sequence = gre.sequence()};
  erspan->fill(mirror);
  note_mirror(mirror);
  const Slice frame = erspan->frame();
  enter(TunnelType::kErspan3, erspan->session_id(),
        {erspan->holds_ip() ? ip_type_of(frame) : ether_type::kBridged, frame});
}

void PacketWalk::read_labels(const Slice& packet) {
  const Result<MplsPayload> mpls = read_mpls(packet);
  if (!mpls) return end(mpls.error());
  enter(TunnelType::kMpls, mpls->label, mpls->inside);
}

void PacketWalk::read_pppoe(const Slice& packet) {
  const Result<PppoeView> pppoe = PppoeView::parse(packet);
  if (!pppoe) return end(pppoe.error());
  if (!push_tunnel(TunnelType::kPppoe, pppoe->session_id())) return;
  go_on_with(read_ppp(pppoe->ppp_frame()));
}

/// The service tag of a provider backbone bridge, then the customer's frame (IEEE 802.1Q-2018 section 9.7).
void PacketWalk::read_backbone(const Slice& packet) {
  constexpr std::size_t kTagBytes = 4;
  constexpr std::uint32_t kServiceMask = 0x00ffffff;
  if (!packet.has(kTagBytes)) return end(packet.missing(kTagBytes));
  enter(TunnelType::kPbb, be32(packet.bytes, 0) & kServiceMask, {ether_type::kBridged, packet.behind(kTagBytes)});
}

/// Signed but not encrypted (IEEE 802.1AE-2018 section 9.3); the check value behind the packet counts as padding.
void PacketWalk::read_macsec(const Slice& packet) {
  constexpr std::uint8_t kHasChannel = 0x20, kEncryptedOrChanged = 0x0c, kVersion = 0x80;
  if (!packet.has(1)) return end(packet.missing(1));
  if ((packet.bytes[0] & (kEncryptedOrChanged | kVersion)) != 0) return end(Outcome::kUnsupported);
  const std::size_t tag_bytes = (packet.bytes[0] & kHasChannel) != 0 ? 14 : 6;
  if (!packet.has(tag_bytes + 2)) return end(packet.missing(tag_bytes + 2));
  go_on_with(read_tagged(be16(packet.bytes, tag_bytes), packet.behind(tag_bytes + 2), out_.link));
}

void PacketWalk::read_fabric_path(const Slice& packet) {
  constexpr std::size_t kTagBytes = 2;
  if (!packet.has(kTagBytes)) return end(packet.missing(kTagBytes));
  go_on_with(read_ethernet(packet.behind(kTagBytes), out_.link));
}

void PacketWalk::read_service_header(const Slice& packet) {
  const Result<NshView> nsh = NshView::parse(packet);
  if (!nsh) return end(nsh.error());
  enter(TunnelType::kNsh, nsh->service_path(), {next_protocol_type(nsh->next_protocol()), nsh->payload()});
}

void PacketWalk::enter(TunnelType type, std::uint32_t id, const NetworkPacket& inside) {
  if (!push_tunnel(type, id)) return;
  if (inside.ether_type == ether_type::kBridged) return go_on_with(read_ethernet(inside.slice, out_.link));
  network_ = inside;
}

/// Notes a tunnel carried by the IP header read last. False, and the end, when there are too many.
bool PacketWalk::push_tunnel(TunnelType type, std::uint32_t id) {
  TunnelStack& stack = out_.tunnels;
  if (stack.depth == TunnelStack::kDepthMax) {
    end(Outcome::kUnsupported);
    return false;
  }
  stack.layers[stack.depth++] = {.type = type, .id = id, .source = out_.source.address, .target = out_.target.address};
  return true;
}

}  // namespace hoptap::decode
