// Prints what the decoder makes of each packet of a capture, a JSON line each. For encapsulation_test.py.
//
// usage: hoptap-decoded-packets CAPTURE
#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "capture/file_source.h"
#include "decode/decoder.h"
#include "linker/virtual_points.h"

namespace {

using namespace hoptap;

std::string tunnels_json(const base::TunnelStack& stack) {
  std::string text;
  for (const base::Tunnel& layer : stack.used()) {
    text += fmt::format(R"({}["{}",{},"{}","{}"])", text.empty() ? "" : ",", linker::tunnel_name(layer.type), layer.id,
                        layer.source.text(), layer.target.text());
  }
  return text;
}

std::string transport_json(const decode::Decoded& packet) {
  switch (packet.outcome) {
    case decode::Outcome::kTcp:
      return fmt::format(R"(,"sequence":{},"acknowledgment":{},"window":{},"flags":{},"checksum":{})",
                         packet.tcp.sequence, packet.tcp.acknowledgment, packet.tcp.window, packet.tcp.flags,
                         packet.l4_checksum);
    case decode::Outcome::kUdp: return fmt::format(R"(,"checksum":{})", packet.l4_checksum);
    case decode::Outcome::kIcmp: {
      const decode::Quoted& quoted = packet.icmp.quoted;
      std::string text = fmt::format(R"(,"type":{},"code":{})", packet.icmp.type, packet.icmp.code);
      if (quoted.valid) {
        text += fmt::format(R"(,"quoted":["{}",{},"{}",{},{}])", quoted.source.address.text(), quoted.source.port,
                            quoted.target.address.text(), quoted.target.port, quoted.protocol);
      }
      return text;
    }
    default: return "";
  }
}

std::string mirror_json(const decode::Mirror& mirror) {
  if (mirror.type == 0) return "";
  return fmt::format(
      R"(,"mirror":{{"type":{},"session":{},"vlan":{},"egress":{},"truncated":{},"sequence":{},"port":{},"timestamp":{},)"
      R"("granularity":{},"hardware":{}}})",
      mirror.type, mirror.session_id, mirror.vlan, mirror.egress, mirror.truncated,
      mirror.has_sequence ? static_cast<std::int64_t>(mirror.sequence) : -1, mirror.port,
      mirror.has_timestamp ? static_cast<std::int64_t>(mirror.timestamp) : -1, static_cast<int>(mirror.granularity),
      mirror.hardware_id);
}

void print(const decode::Decoded& packet) {
  std::string vlans;
  for (std::size_t at = 0; at < packet.link.vlan_count; ++at)
    vlans += fmt::format("{}{}", at > 0 ? "," : "", packet.link.vlans[at]);
  fmt::print(R"({{"outcome":"{}","source":"{}","source_port":{},"target":"{}","target_port":{},"protocol":{},"ttl":{},)"
             R"("ip_bytes":{},"payload_bytes":{},"captured_bytes":{},"vlans":[{}],"tunnels":[{}]{}{}}})"
             "\n",
             decode::outcome_name(packet.outcome), packet.source.address.text(), packet.source.port,
             packet.target.address.text(), packet.target.port, packet.protocol, packet.ttl, packet.ip_bytes,
             packet.payload_wire_bytes, packet.payload.size(), vlans, tunnels_json(packet.tunnels),
             transport_json(packet), mirror_json(packet.mirror));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return std::fputs("usage: hoptap-decoded-packets CAPTURE\n", stderr), 2;
  auto source = capture::open_file(arguments[1]);
  if (!source) return std::fputs((source.error().what + "\n").c_str(), stderr), 1;
  decode::Decoder decoder;
  std::vector<capture::Packet> packets(capture::kBatchPackets);
  std::vector<decode::Decoded> decoded(capture::kBatchPackets);
  while (const std::size_t polled = (*source)->poll(packets)) {
    const auto batch = std::span(packets).first(polled);
    decoder.decode(batch, (*source)->interfaces(), decoded);
    for (const decode::Decoded& packet : std::span(decoded).first(polled)) print(packet);
  }
  return 0;
}
