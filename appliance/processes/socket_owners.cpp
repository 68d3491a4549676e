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

SocketOwners::Holders* SocketOwners::holders_of(const SocketKey& key) {
  if (const auto found = young_.find(key); found != young_.end()) return &found->second;
  const auto found = old_.find(key);
  return found != old_.end() ? &found->second : nullptr;
}

SocketOwners::Holders& SocketOwners::make_holders(const SocketKey& key) {
  const auto [place, is_new] = young_.try_emplace(key);
  if (const auto found = old_.find(key); is_new && found != old_.end()) place->second = std::move(found->second);
  return place->second;
}

void SocketOwners::make_room() {
  if (young_.size() < half_) return;
  evicted_ += static_cast<std::uint64_t>(std::count_if(old_.begin(), old_.end(), [this](const auto& one) {
    return one.second.latest.until_ns == UINT64_MAX && !young_.contains(one.first);
  }));
  old_ = std::exchange(young_, {});
}

void SocketOwners::put(const SocketKey& key, SocketOwner owner) {
  Holders& holders = make_holders(key);
  SocketOwner& latest = holders.latest;
  const bool is_seen = owner.inode != 0 && !latest.is_none() && latest.until_ns >= owner.from_ns;
  const bool is_open = latest.until_ns == UINT64_MAX || is_seen;
  if (is_open && owner.inode != 0 && owner.inode == latest.inode) {
    owner.from_ns = std::min(owner.from_ns, latest.from_ns);
    owner.connection = latest.connection;
  } else if (is_open && (latest.is_ambiguous || latest.network_namespace != owner.network_namespace)) {
    owner.is_ambiguous = true;
    owner.open = latest.open + 1;
  } else {
    if (is_seen) {  // it ended, and the other began, somewhere between the two looks
      latest.until_ns = latest.seen_ns;
      owner.from_ns = owner.seen_ns;
    } else if (is_open) {  // its end went unseen
      latest.until_ns = owner.from_ns;
    }
    holders.former = std::move(latest);
  }
  latest = std::move(owner);
  make_room();
}

void SocketOwners::end(const SocketKey& key, std::uint64_t network_namespace, std::uint64_t time_ns) {
  Holders& holders = make_holders(key);
  SocketOwner& latest = holders.latest;
  if (time_ns < latest.seen_ns) return;  // of another before
  if (latest.until_ns != UINT64_MAX) {   // nobody read from this one
    holders.former = std::exchange(latest, {.until_ns = time_ns, .network_namespace = network_namespace});
    latest.from_ns = holders.former.until_ns;
    make_room();
  } else if (latest.is_ambiguous ? --latest.open == 0 : latest.network_namespace == network_namespace) {
    latest.until_ns = time_ns;
  }
}

void SocketOwners::describe(const SocketKey& key, std::uint64_t from_ns,
                            const std::shared_ptr<const flowtable::Process>& process) {
  Holders* const holders = holders_of(key);
  if (holders == nullptr) return;
  for (SocketOwner* const owner : {&holders->former, &holders->latest})
    if (owner->process && owner->from_ns == from_ns) owner->process = process;
}

std::shared_ptr<const flowtable::Process> SocketOwners::at(const SocketKey& key, const SocketUse& use) {
  Holders* const holders = holders_of(key);
  if (holders == nullptr) return nullptr;
  for (SocketOwner* const owner : {&holders->former, &holders->latest}) {
    if (use.connection && owner->connection) {
      if (*use.connection == *owner->connection) return owner->is_ambiguous ? nullptr : owner->process;
      continue;
    }
    if (owner->is_none() || owner->until_ns < use.from_ns) continue;
    if (owner->is_ambiguous || use.until_ns < owner->from_ns) return nullptr;
    if (use.connection) owner->connection = use.connection;
    return owner->process;
  }
  return nullptr;
}

}  // namespace hoptap::appliance
