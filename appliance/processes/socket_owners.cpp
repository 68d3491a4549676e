#include "appliance/processes/socket_owners.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace hoptap::appliance {

bool is_loopback(const base::IpAddress& address) {
  if (address.is_v4()) return address.bytes[12] == 127;
  base::IpAddress one;
  one.bytes[15] = 1;
  return address == one;
}

std::size_t HashSocketKey::operator()(const SocketKey& key) const {
  const std::uint64_t ends = base::hash_values(key.transport, key.local.port, key.remote.port, key.network_namespace);
  return base::hash_bytes(key.remote.address.bytes, base::hash_bytes(key.local.address.bytes, ends));
}

void SocketOwners::put(const SocketKey& key, SocketOwner owner) {
  young_[key] = std::move(owner);
  if (young_.size() < half_) return;
  evicted_ += static_cast<std::uint64_t>(
      std::count_if(old_.begin(), old_.end(), [this](const auto& one) { return !young_.contains(one.first); }));
  old_ = std::exchange(young_, {});
}

const SocketOwner* SocketOwners::find(const SocketKey& key) const {
  if (const auto found = young_.find(key); found != young_.end()) return &found->second;
  const auto found = old_.find(key);
  return found != old_.end() ? &found->second : nullptr;
}

std::shared_ptr<const flowtable::Process> SocketOwners::at(const SocketKey& key, std::uint64_t from_ns,
                                                           std::uint64_t until_ns) const {
  const SocketOwner* const owner = find(key);
  if (owner == nullptr || owner->is_ambiguous || until_ns < owner->from_ns || from_ns > owner->until_ns) return nullptr;
  return owner->process;
}

}  // namespace hoptap::appliance
