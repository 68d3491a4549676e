// Which process holds which socket, for as long as is known: a table of bounded size that forgets what was not heard of
// for longest. Values; one thread at a time.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/address.h"
#include "flowtable/record.h"

namespace hoptap::appliance {

/// A connected socket, from its own side. Addresses are told apart by network namespace only where each has the same
/// ones: on its loopback interface.
struct SocketKey {
  std::uint8_t transport = 6;  ///< IP protocol number
  base::Endpoint local;
  base::Endpoint remote;
  std::uint64_t network_namespace = 0;  ///< inode; 0: the addresses are not of loopback

  bool operator==(const SocketKey&) const = default;
};

/// 127.0.0.0/8, as IPv4 or within IPv6, or ::1.
bool is_loopback(const base::IpAddress& address);

struct HashSocketKey {
  std::size_t operator()(const SocketKey& key) const;
};

struct SocketOwner {
  std::shared_ptr<const flowtable::Process> process;
  std::uint64_t from_ns = 0;            ///< it is known to be the holder from then, by the host's clock,
  std::uint64_t until_ns = UINT64_MAX;  ///< to then
  std::uint64_t network_namespace = 0;  ///< inode; 0: not known
  bool is_ambiguous = false;            ///< two namespaces have such a socket: none is named
};

class SocketOwners {
 public:
  static constexpr std::size_t kSocketsMax = 1u << 16;  ///< at least half as many are kept; about 120 bytes each

  explicit SocketOwners(std::size_t sockets_max = kSocketsMax) : half_(sockets_max / 2) {}

  /// In place of what was known of the socket.
  void put(const SocketKey& key, SocketOwner owner);

  /// Null when nothing is known. Valid until the next put().
  const SocketOwner* find(const SocketKey& key) const;

  /// Who held the socket at some time from `from_ns` to `until_ns`; null: not known.
  std::shared_ptr<const flowtable::Process> at(const SocketKey& key, std::uint64_t from_ns,
                                               std::uint64_t until_ns) const;

  std::size_t size() const { return young_.size() + old_.size(); }  ///< some may count twice
  std::uint64_t evicted() const { return evicted_; }                ///< for want of room

 private:
  using Map = boost::unordered_flat_map<SocketKey, SocketOwner, HashSocketKey>;

  std::size_t half_;
  Map young_;  ///< put since there were half_ of them last
  Map old_;
  std::uint64_t evicted_ = 0;
};

}  // namespace hoptap::appliance
