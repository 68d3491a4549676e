#include "appliance/forge/translators.h"

#include "appliance/forge/connection.h"
#include "base/hash.h"

namespace hoptap::forge {

bool Router::pass(Packet& packet, ElementMemory&, Network&) {
  if (packet.tunnel_count > 0) {
    --packet.tunnels[packet.tunnel_count - 1U].ttl;
  } else {
    --packet.ttl;
  }
  return true;
}

Address target_behind(const Packet& packet) {
  const Route& route = packet.connection->route();
  for (std::int32_t at = packet.place + 1; at < route.size(); ++at)
    if (const Address service = route.places[static_cast<std::size_t>(at)].element->service(); service.port != 0)
      return service;
  return packet.connection->server_address;
}

Address PortPool::take() {
  constexpr std::uint16_t kFirst = 20000;
  if (next_port_ == 65535) next_port_ = kFirst;
  return {address_, next_port_++};
}

bool Dnat::pass(Packet& packet, ElementMemory&, Network&) {
  --packet.ttl;
  if (packet.toward == Toward::kServer) {
    packet.target = target_behind(packet);
  } else {
    packet.source = plan_.service;
  }
  return true;
}

bool Snat::pass(Packet& packet, ElementMemory& memory, Network&) {
  --packet.ttl;
  if (packet.toward == Toward::kServer) {
    if (memory.translated.port == 0) {
      memory.translated = pool_.take();
      memory.original = packet.source;
    }
    packet.source = memory.translated;
  } else {
    packet.target = memory.original;
  }
  return true;
}

TunnelEnd::TunnelEnd(std::uint32_t number, TunnelPlan plan, std::uint32_t tunnel_number, bool client_end)
    : Element(number),
      plan_(plan),
      client_address_(0xac100001U + (tunnel_number << 8)),  // 172.16.n.1
      server_address_(client_address_ + 1),
      client_end_(client_end) {}

bool TunnelEnd::pass(Packet& packet, ElementMemory&, Network&) {
  if (client_end_ != (packet.toward == Toward::kServer)) {
    --packet.tunnel_count;
    return true;
  }
  constexpr std::uint32_t kPorts = 16384;
  constexpr std::uint32_t kFirstPort = 49152;
  const std::uint64_t flow =
      base::hash_values(packet.source.ip, packet.target.ip, packet.source.port, packet.target.port);
  packet.tunnels[packet.tunnel_count++] = {.kind = plan_.kind,
                                           .id = plan_.id,
                                           .source = client_end_ ? client_address_ : server_address_,
                                           .target = client_end_ ? server_address_ : client_address_,
                                           .source_port = static_cast<std::uint16_t>(kFirstPort + flow % kPorts),
                                           .ip_id = ip_id_++,
                                           .ttl = 64};
  return true;
}

}  // namespace hoptap::forge
