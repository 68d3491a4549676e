// What all programs of the simulation share: time, network, path, connections. Private to the forge; one thread. Owns
// the connections.
#pragma once

#include <deque>
#include <memory>

#include "appliance/forge/network.h"
#include "appliance/forge/path_model.h"

namespace hoptap::forge {

inline constexpr Address kServerAddress{0x0ac8000a, 8080};  ///< 10.200.0.10
constexpr Address gateway_address(std::size_t gateway) {    ///< 10.100.n.1
  return {0x0a640001U + (static_cast<std::uint32_t>(gateway) << 8), 80};
}

/// Ephemeral ports of one host, in turn; a port comes again when its connection has been gone for a while.
class Ports {
 public:
  explicit Ports(std::uint32_t count) : free_at_(count, 0) {}
  /// Throws YamlError when all that a host has are taken or resting.
  std::uint16_t take(Time now);
  void give_back(std::uint16_t port, Time now);

 private:
  static constexpr std::uint16_t kFirst = 32768;
  static constexpr std::size_t kCountMax = 65536 - std::size_t{kFirst};
  static constexpr Time kInUse = INT64_MAX;
  static constexpr Time kRest = kSecond;  ///< Linux reuses a port after a second when timestamps are on

  std::vector<Time> free_at_;
  std::size_t next_ = 0;
};

struct World {
  World(const Scenario& the_scenario, PathModel& the_path, std::uint64_t the_seed)
      : scenario(the_scenario), path(the_path), seed(the_seed) {}

  const Scenario& scenario;
  PathModel& path;
  std::uint64_t seed;
  EventQueue queue;
  Network network{queue};
  std::deque<std::unique_ptr<Connection>> connections;  ///< by number; empty: over

  /// A new connection of a client host to the server of a span. It still has to be told to connect().
  Connection& open(std::size_t span, Address client, std::uint32_t client_device, Program& client_program,
                   Program& server_program);
  /// Frees connections to which nothing can happen any more. Call often, between events; looks at some of them.
  void free_some();
  bool is_last(std::size_t span) const { return span + 1 == path.spans(); }
  const std::string* first_point(const Connection& connection) const;  ///< on its route; nullptr: none
  const std::string* last_point(const Connection& connection) const;

 private:
  std::vector<std::uint64_t> live_;  ///< numbers of the connections that are not over
  std::size_t next_look_ = 0;
};

}  // namespace hoptap::forge
