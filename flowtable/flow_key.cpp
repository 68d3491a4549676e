#include "flowtable/flow_key.h"

namespace hoptap::flowtable {

std::uint32_t encapsulation_of(const decode::Decoded& packet, const KeyConfig& config) {
  std::uint64_t hash = 0;
  for (const decode::Tunnel& tunnel : packet.tunnels.used()) {
    const std::uint64_t id = config.tunnel_id ? tunnel.id : 0;
    hash = fold(hash ^ kFoldA, (static_cast<std::uint64_t>(tunnel.type) << 32 | id) ^ kFoldB);
  }
  if (config.vlan && packet.link.vlan_count > 0) {
    const std::uint64_t inner = packet.link.vlan_count > 1 ? packet.link.vlans[1] : 0;
    hash = fold(hash ^ kFoldB, (inner << 16 | packet.link.vlans[0]) ^ kFoldA);
  }
  if (hash == 0) return 1;
  return static_cast<std::uint32_t>(hash);
}

}  // namespace hoptap::flowtable
