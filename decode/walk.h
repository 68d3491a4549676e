// Takes one packet apart, layer by layer. Private to decode/.
#pragma once

#include <cstdint>
#include <optional>

#include "capture/packet.h"
#include "decode/decoded.h"
#include "decode/ip/reassembly.h"
#include "decode/link.h"
#include "decode/tunnel/udp_ports.h"

namespace hoptap::decode {

class GreView;
class UdpView;

/// The state of one packet on its way through the layers: either it goes on with `network`, or
/// `ended` says where it stopped.
class PacketWalk {
 public:
  PacketWalk(const UdpPorts& ports, Reassembler& reassembler, Decoded& out)
      : ports_(ports), reassembler_(reassembler), out_(out) {}

  /// Decodes a packet of `link_type` into `out`, whose time and interface are set and all else is as newly made, and
  /// returns its outcome.
  Outcome run(const capture::Packet& packet, capture::LinkType link_type);

 private:
  void end(Outcome outcome) { ended_ = outcome; }
  void end(base::Error error);
  void go_on_with(const base::Result<NetworkPacket>& network);

  // walk.cpp: from the link to the transport
  void read_network();
  void read_ipv4();
  void read_ipv6();
  void read_behind_extensions(const Slice& slice);
  void read_fragment(Fragment fragment, std::size_t headers_bytes);
  void read_transport(const Slice& slice);
  void read_tcp(const Slice& segment);
  void read_udp(const Slice& datagram);
  void read_icmp_message(const Slice& message);
  void keep_payload(const Slice& payload);
  std::uint64_t place() const;

  // walk_tunnels.cpp: what lies between two networks
  bool read_udp_tunnel(UdpTunnel tunnel, const UdpView& datagram);  ///< false: the payload is not of that tunnel
  void read_gre(const Slice& packet);
  void read_gre_version_one(const Slice& packet);
  void read_redirect(const GreView& gre);
  void note_sequence(const GreView& gre);
  void note_mirror(const Mirror& mirror) {
    if (out_.mirror.type == 0) out_.mirror = mirror;
  }
  void read_erspan2(const GreView& gre);
  void read_erspan3(const GreView& gre);
  void read_labels(const Slice& packet);
  void read_pppoe(const Slice& packet);
  void read_backbone(const Slice& packet);
  void read_macsec(const Slice& packet);
  void read_fabric_path(const Slice& packet);
  void read_service_header(const Slice& packet);
  void enter(TunnelType type, std::uint32_t id, const NetworkPacket& inside);  ///< kBridged: an Ethernet frame
  void enter_ip(std::uint16_t type, const Slice& packet) { enter(TunnelType::kIpInIp, 0, {type, packet}); }
  bool push_tunnel(TunnelType type, std::uint32_t id);

  const UdpPorts& ports_;
  Reassembler& reassembler_;
  Decoded& out_;
  NetworkPacket network_;
  std::optional<Outcome> ended_;
  int fragments_ = 0;  ///< headers that said so, in this packet
};

Outcome outcome_of(base::Error error);

}  // namespace hoptap::decode
