#include "decode/decoder.h"

#include <algorithm>
#include <cassert>

#include "decode/plain.h"
#include "decode/walk.h"

namespace hoptap::decode {
namespace {

constexpr capture::LinkType kEthernet = 1;

/// All but the tunnel layers and what `mirror` and `icmp` hold: their counts say that nothing is there.
void clear(Decoded& out) {
  out.source = out.target = {};
  out.ttl = out.protocol = out.traffic_class = 0;
  out.ip_id = 0;
  out.ip_bytes = out.payload_wire_bytes = 0;
  out.payload = {};
  out.tcp = {};
  out.link = {};
  out.l4_checksum = 0;
  out.mirror.type = 0;
  out.mirror.has_sequence = false;
  out.tunnels.depth = 0;
}

}  // namespace

std::string_view outcome_name(Outcome outcome) {
  static constexpr std::array<std::string_view, kOutcomeCount> kNames{
      "tcp", "udp", "icmp", "other_ip", "fragment", "not_ip", "unsupported", "truncated", "malformed"};
  return kNames[static_cast<std::size_t>(outcome)];
}

Decoder::Decoder(const DecodeConfig& config) : reassembler_(config.reassembly) {
#if defined(__x86_64__)
  has_short_cut_ = __builtin_cpu_supports("avx");
#endif
  ports_.add(config.vxlan_ports, UdpTunnel::kVxlan);
  ports_.add(config.vxlan_gpe_ports, UdpTunnel::kVxlanGpe);
  ports_.add(config.geneve_ports, UdpTunnel::kGeneve);
  ports_.add(config.gtp_ports, UdpTunnel::kGtp);
  ports_.add(config.l2tp_ports, UdpTunnel::kL2tp);
  ports_.add(config.teredo_ports, UdpTunnel::kTeredo);
}

void Decoder::decode(Packets packets, Interfaces interfaces, std::span<Decoded> decoded) {
  assert(decoded.size() >= packets.size());
  assert(std::all_of(packets.begin(), packets.end(),
                     [&](const auto& packet) { return packet.interface_id < interfaces.size(); }));
  reassembler_.release();
  const bool all_ethernet = std::all_of(interfaces.begin(), interfaces.end(),
                                        [](const auto& interface) { return interface.link_type == kEthernet; });
  if (has_short_cut_ && all_ethernet) return decode_ethernet(packets, decoded.data());
  for (std::size_t at = 0; at < packets.size(); ++at)
    walk(packets[at], interfaces[packets[at].interface_id].link_type, decoded[at]);
}

#if defined(__x86_64__)
[[gnu::target("avx")]] void Decoder::decode_ethernet(Packets packets, Decoded* out) {
  std::uint64_t tcp = 0, udp = 0;
  for (const capture::Packet& packet : packets) {
    const plain::Found found = plain::read_packet(packet.bytes, ports_, *out);
    tcp += found == plain::Found::kTcp ? 1 : 0;
    udp += found == plain::Found::kUdp ? 1 : 0;
    if (found == plain::Found::kTcp || found == plain::Found::kUdp) [[likely]] {
      out->time_ns = packet.time_ns;
      out->interface_id = packet.interface_id;
    } else {
      walk(packet, kEthernet, *out);
    }
    ++out;
  }
  counters_[static_cast<std::size_t>(Outcome::kTcp)] += tcp;
  counters_[static_cast<std::size_t>(Outcome::kUdp)] += udp;
}
#else
void Decoder::decode_ethernet(Packets packets, Decoded* out) {
  for (const capture::Packet& packet : packets) walk(packet, kEthernet, *out++);
}
#endif

[[gnu::noinline]] void Decoder::walk(const capture::Packet& packet, capture::LinkType link_type, Decoded& out) {
  clear(out);
  out.time_ns = packet.time_ns;
  out.interface_id = packet.interface_id;
  out.outcome = PacketWalk(ports_, reassembler_, out).run(packet, link_type);
  erspan_packets_ += out.mirror.type != 0 ? 1 : 0;
  ++counters_[static_cast<std::size_t>(out.outcome)];
}

}  // namespace hoptap::decode
