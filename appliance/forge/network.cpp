#include "appliance/forge/network.h"

#include <algorithm>

namespace hoptap::forge {
namespace {

// What an event is for, in its lowest bit: a packet's number, or a place and a connection.
constexpr std::uint64_t kWake = 1;
constexpr int kPlaceBits = 12;
constexpr std::uint64_t kPlaceMask = (1U << kPlaceBits) - 1;
constexpr Time kBetweenPackets = 200;  ///< how fast a host can send one after the other

}  // namespace

Packet& Network::make(Connection& connection) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(packets_.size()));
    packets_.emplace_back();
  }
  const std::uint32_t number = free_.back();
  free_.pop_back();
  Packet& packet = packets_[number] = Packet{};
  packet.number = number;
  packet.connection = &connection;
  ++connection.packets;
  return packet;
}

Packet& Network::copy(const Packet& packet) {
  Packet& twin = make(*packet.connection);
  const std::uint32_t number = twin.number;
  twin = packet;
  twin.number = number;
  return twin;
}

void Network::drop(Packet& packet) {
  --packet.connection->packets;
  free_.push_back(packet.number);
}

Time Network::send(Packet& packet) {
  Time& last = packet.connection->last_departure[index_of(packet.toward)];
  last = last < 0 ? now() : std::max(now(), last + kBetweenPackets);
  packet.place = packet.toward == Toward::kServer ? -1 : packet.connection->route().size();
  go_on(packet, last);
  return last;
}

void Network::go_on(Packet& packet, Time time) { queue_.at(time, *this, std::uint64_t{packet.number} << 1); }

void Network::call_back(const Connection& connection, std::int32_t place, Time time) {
  queue_.at(time, *this, (connection.number() << kPlaceBits | static_cast<std::uint64_t>(place)) << 1 | kWake);
}

void Network::happen(std::uint64_t what) {
  if ((what & kWake) == 0) return travel(packets_[what >> 1]);
  what >>= 1;
  Connection* connection = connections_[what >> kPlaceBits];
  if (connection == nullptr) return;
  const auto place = static_cast<std::size_t>(what & kPlaceMask);
  connection->route().places[place].element->wake(*connection, connection->memories[place], *this);
}

void Network::travel(Packet& packet) {
  Connection& connection = *packet.connection;
  const Route& route = connection.route();
  const std::int32_t step = packet.toward == Toward::kServer ? 1 : -1;
  for (;;) {
    packet.place += step;
    if (packet.place < 0 || packet.place >= route.size()) {
      connection.receiver(packet.toward).receive(packet);
      return drop(packet);
    }
    const auto at = static_cast<std::size_t>(packet.place);
    if (!route.places[at].element->pass(packet, connection.memories[at], *this)) return;
  }
}

}  // namespace hoptap::forge
