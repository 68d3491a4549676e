#include "decode/decoder.h"

#include <cassert>
#include <utility>

#include "decode/walk.h"

namespace hoptap::decode {
namespace {

constexpr Decoded kNothing{};

}  // namespace

std::string_view outcome_name(Outcome outcome) {
  static constexpr std::array<std::string_view, kOutcomeCount> kNames{
      "tcp", "udp", "other_ip", "fragment", "not_ip", "unsupported", "truncated", "malformed"};
  return kNames[static_cast<std::size_t>(outcome)];
}

Decoder::Decoder(DecodeConfig config) : config_(std::move(config)) {}

void Decoder::decode(std::span<const capture::Packet> packets, std::span<const capture::Interface> interfaces,
                     std::span<Decoded> decoded) {
  assert(decoded.size() >= packets.size());
  for (std::size_t at = 0; at < packets.size(); ++at) {
    const capture::Packet& packet = packets[at];
    assert(packet.interface_id < interfaces.size());
    Decoded& out = decoded[at];
    out = kNothing;
    out.time_ns = packet.time_ns;
    out.interface_id = packet.interface_id;
    out.outcome = decode_packet(packet, interfaces[packet.interface_id].link_type, config_.vxlan_ports, out);
    ++counters_[static_cast<std::size_t>(out.outcome)];
  }
}

}  // namespace hoptap::decode
