#include "appliance/forge/world.h"

#include <algorithm>

#include "appliance/forge/offload.h"
#include "appliance/yaml/section.h"
#include "base/hash.h"

namespace hoptap::forge {

using appliance::YamlError;
namespace {

/// How much one end gives to its network card at once; 0: one segment.
std::uint32_t burst_bytes(const Route& route, Side side, std::uint32_t mss) {
  const bool big = std::any_of(route.places.begin(), route.places.end(), [&](const Place& place) {
    const auto* offload = dynamic_cast<const Offload*>(place.element);
    return offload != nullptr && offload->big_side() == side;
  });
  return big ? burst_bytes_of(mss) : 0;
}

}  // namespace

std::uint16_t Ports::take(Time now) {
  for (std::size_t tried = 0; tried < free_at_.size(); ++tried) {
    const std::size_t at = next_++ % free_at_.size();
    if (free_at_[at] > now) continue;
    free_at_[at] = kInUse;
    return static_cast<std::uint16_t>(kFirst + at);
  }
  if (free_at_.size() == kCountMax)
    throw YamlError(0, "a host has no port left; more clients or more requests per connection are needed");
  free_at_.push_back(kInUse);  // all are taken: one more
  return static_cast<std::uint16_t>(kFirst + free_at_.size() - 1);
}

void Ports::give_back(std::uint16_t port, Time now) { free_at_[port - std::size_t{kFirst}] = now + kRest; }

Connection& World::open(std::size_t span, Address client, std::uint32_t client_device, Program& client_program,
                        Program& server_program) {
  const Address host = is_last(span) ? kServerAddress : gateway_address(span);
  const std::uint64_t number = connections.size();
  const std::uint64_t hash = base::hash_values(seed, client.ip, client.port, host.ip, host.port);
  const Route& route = path.route(span, hash);
  connections.push_back(std::make_unique<Connection>(number, route));
  Connection& connection = *connections.back();
  network.remember(connection);
  connection.client_address = client;
  connection.client_device = client_device;
  connection.server_address = host;
  connection.target_address = route.service.port == 0 ? host : route.service;
  for (const Place& place : route.places)
    connection.memories.emplace_back(base::hash_values(seed, number, place.element->number()));

  Random random(seed, "connection", number);
  const TrafficPlan& traffic = scenario.traffic;
  const auto config = [&](Side side) {
    EndpointConfig made;
    made.toward = side == Side::kClient ? Toward::kServer : Toward::kClient;
    made.timestamps = traffic.timestamps;
    made.mss = traffic.mss;
    made.burst_bytes = burst_bytes(route, side, traffic.mss);
    made.delayed_ack = traffic.delayed_ack;
    made.initial_sequence = static_cast<std::uint32_t>(random.next());
    made.timestamp_offset = static_cast<std::uint32_t>(random.next());
    made.ip_id = static_cast<std::uint16_t>(random.next());
    return made;
  };
  connection.client = std::make_unique<Endpoint>(queue, network, connection, client_program, config(Side::kClient));
  connection.server = std::make_unique<Endpoint>(queue, network, connection, server_program, config(Side::kServer));
  connection.quiet = random.chance(traffic.mid_stream);
  live_.push_back(number);
  return connection;
}

void World::free_some() {
  constexpr std::size_t kLooks = 1024;  // over the next ones in turn
  for (std::size_t looks = 0; looks < kLooks && !live_.empty(); ++looks) {
    if (next_look_ >= live_.size()) next_look_ = 0;
    const std::size_t at = next_look_++;
    std::unique_ptr<Connection>& connection = connections[live_[at]];
    if (!connection->is_over()) continue;
    network.forget(*connection);
    connection.reset();
    live_[at] = live_.back();
    live_.pop_back();
  }
}

const std::string* World::first_point(const Connection& connection) const {
  const auto& points = connection.route().points;
  return points.empty() ? nullptr : &path.points()[points.front()]->plan().name;
}

const std::string* World::last_point(const Connection& connection) const {
  const auto& points = connection.route().points;
  return points.empty() ? nullptr : &path.points()[points.back()]->plan().name;
}

}  // namespace hoptap::forge
