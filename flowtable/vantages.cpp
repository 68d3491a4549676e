#include "flowtable/vantages.h"

#include "base/hash.h"

namespace hoptap::flowtable {
namespace {

std::uint64_t hash_of(const base::Link& link, const base::TunnelStack& tunnels, std::uint64_t seed) {
  std::uint64_t hash = base::hash_values(seed, base::load_be(link.source.bytes), base::load_be(link.target.bytes),
                                         link.vlan_count, link.vlans[0], link.vlans[1], link.interface_index);
  for (const base::Tunnel& tunnel : tunnels.used())
    hash = base::hash_values(hash, tunnel.type, tunnel.id, base::hash_bytes(tunnel.source.bytes, seed),
                             base::hash_bytes(tunnel.target.bytes, seed));
  return hash;
}

}  // namespace

Vantages::Id Vantages::take(const base::Link& link, const base::TunnelStack& tunnels) {
  const std::uint64_t hash = hash_of(link, tunnels, seed_);
  const auto found = ids_.find(hash);
  if (found != ids_.end()) {
    ++entries_[found->second].users;
    return found->second;
  }
  Id id = 0;
  if (free_.empty()) {
    id = static_cast<Id>(entries_.size());
    entries_.emplace_back();
    if (free_.capacity() < entries_.size()) free_.reserve(2 * entries_.size());  // give_back() never allocates
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[id];
  entry.vantage.link = link;
  entry.vantage.tunnels = {};
  entry.vantage.tunnels.depth = tunnels.depth;
  for (std::size_t at = 0; at < tunnels.depth; ++at) entry.vantage.tunnels.layers[at] = tunnels.layers[at];
  entry.hash = hash;
  entry.users = 1;
  ids_.emplace(hash, id);
  return id;
}

void Vantages::give_back(Id id) {
  Entry& entry = entries_[id];
  if (--entry.users > 0) return;
  ids_.erase(entry.hash);
  free_.push_back(id);
}

}  // namespace hoptap::flowtable
