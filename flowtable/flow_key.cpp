#include "flowtable/flow_key.h"

#include "base/hash.h"

namespace hoptap::flowtable {

std::uint32_t encapsulation_of(const decode::Decoded& packet, const KeyConfig& config) {
  std::uint64_t hash = 1;
  for (const decode::Tunnel& tunnel : packet.tunnels.used())
    hash = base::hash_values(hash, tunnel.type, config.tunnel_id ? tunnel.id : 0);
  if (config.vlan && packet.link.vlan_count > 0)
    hash = base::hash_values(hash, packet.link.vlans[0], packet.link.vlan_count > 1 ? packet.link.vlans[1] : 0);
  return static_cast<std::uint32_t>(hash);
}

}  // namespace hoptap::flowtable
