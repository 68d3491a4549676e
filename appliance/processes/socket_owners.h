// Which process holds which socket, for as long as is known: a table of bounded size that forgets what was not heard of
// for longest. Values; one thread at a time.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

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
  std::shared_ptr<const flowtable::Process> process;  ///< null: not known, nor will it be
  std::uint64_t from_ns = 0;                          ///< it is known to be the holder from then, by the host's clock,
  std::uint64_t until_ns = UINT64_MAX;                ///< to then; UINT64_MAX: the socket is open
  std::uint64_t network_namespace = 0;                ///< inode; 0: not known
  std::uint64_t inode = 0;                            ///< of the socket, by /proc
  std::uint64_t seen_ns = 0;                          ///< by /proc, where the rest of the time is a guess
  /// Of the connection that records named it for: the client's initial sequence number, which SYN proxies leave alone.
  std::optional<std::uint32_t> connection;
  std::uint32_t open = 1;     ///< sockets with these addresses and ports, in so many namespaces
  bool is_ambiguous = false;  ///< there were several at once: none is named

  bool is_none() const { return until_ns == 0; }
};

/// When, and which connection.
struct SocketUse {
  std::uint64_t from_ns = 0;
  std::uint64_t until_ns = 0;
  std::optional<std::uint32_t> connection;  ///< as in SocketOwner
};

class SocketOwners {
 public:
  static constexpr std::size_t kSocketsMax = 1u << 16;  ///< at least half as many are kept; about 360 bytes each

  explicit SocketOwners(std::size_t sockets_max = kSocketsMax) : half_(sockets_max / 2) {}

  /// Of another socket than the latest known with this key, which is closed by then, or in another namespace; or of the
  /// same one, by its inode.
  void put(const SocketKey& key, SocketOwner owner);

  /// The socket was closed. One that was not known is from now on.
  void end(const SocketKey& key, std::uint64_t network_namespace, std::uint64_t time_ns);

  /// The holder that put() was told of with this `from_ns` is better known by now.
  void describe(const SocketKey& key, std::uint64_t from_ns, const std::shared_ptr<const flowtable::Process>& process);

  /// Who held the socket that was open when the use began; null: not known. Remembers whose connection it is.
  std::shared_ptr<const flowtable::Process> at(const SocketKey& key, const SocketUse& use);

  std::size_t size() const { return young_.size() + old_.size(); }  ///< some may count twice, and some are closed
  std::uint64_t evicted() const { return evicted_; }                ///< for want of room, while they were open

 private:
  /// Addresses and ports are soon used again, and records come up to a second late.
  struct Holders {
    SocketOwner former{.until_ns = 0};
    SocketOwner latest{.until_ns = 0};
  };
  using Map = boost::unordered_flat_map<SocketKey, Holders, HashSocketKey>;

  Holders* holders_of(const SocketKey& key);
  Holders& make_holders(const SocketKey& key);
  void make_room();

  std::size_t half_;
  Map young_;  ///< put since there were half_ of them last
  Map old_;
  std::uint64_t evicted_ = 0;
};

}  // namespace hoptap::appliance
