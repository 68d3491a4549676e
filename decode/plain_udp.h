// UDP in the short cut of plain.h, and VXLAN in it. Private to decode/.
#pragma once

#include "decode/plain_ip.h"
#include "decode/tunnel/udp_ports.h"
#include "decode/tunnel/vxlan_view.h"
#include "decode/udp_view.h"

namespace hoptap::decode::plain {

/// Goes on to the frame in a datagram to VXLAN's port. Only the exact header: others may be something else. One tunnel.
template <class Ip>
HOPTAP_PLAIN Found enter_vxlan(base::Bytes packet, Frame& frame, Decoded& out) {
  constexpr std::size_t kHeaderAt = Ip::kHeaderBytes + UdpView::kHeaderBytes;
  if (frame.depth > 0 || packet.size() < kHeaderAt + VxlanView::kHeaderBytes) return Found::kOther;
  const base::Bytes header = packet.subspan(kHeaderAt);
  if (!VxlanView::is_exact(header)) return Found::kOther;
  Tunnel& layer = out.tunnels.layers[0];
  layer.type = TunnelType::kVxlan;
  layer.id = VxlanView::network_identifier(header);
  Ip::write_addresses(packet.data(), layer);
  frame = {.bytes = header.subspan(VxlanView::kHeaderBytes), .depth = 1};
  return Found::kTunnel;
}

/// Reads an IP packet that holds a datagram, as long as the packet has room.
template <class Ip>
HOPTAP_PLAIN Found read_udp(const Slice& packet, const UdpPorts& ports, Frame& frame, Decoded& out) {
  constexpr std::size_t kPayloadAt = Ip::kHeaderBytes + UdpView::kHeaderBytes;
  if (!packet.has(kPayloadAt)) return Found::kOther;
  const std::uint8_t* const ip = packet.bytes.data();
  const Pair length_and_checksum = pair(ip + Ip::kHeaderBytes + 4);
  if (length_and_checksum.first() != packet.wire_bytes - Ip::kHeaderBytes) return Found::kOther;
  const UdpTunnel tunnel = ports.find(ip + Ip::kHeaderBytes);
  if (tunnel == UdpTunnel::kVxlan) return enter_vxlan<Ip>(packet.bytes, frame, out);
  if (tunnel != UdpTunnel::kNone) return Found::kOther;
  write_headers<Ip, Outcome::kUdp>(packet, out);
  static_assert(sizeof(Tcp) == 56);
  std::uint8_t* const tcp = place(out, offsetof(Decoded, tcp));
  for (const std::size_t at : {0u, 16u, 32u, 40u}) store(tcp + at, _mm_setzero_si128());
  out.l4_checksum = length_and_checksum.second();
  write_payload(packet.behind(kPayloadAt), frame.depth, out);
  return Found::kUdp;
}

}  // namespace hoptap::decode::plain
