// Carries packets along routes, from host to host. Private to the forge; one thread. Owns the packets.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "appliance/forge/connection.h"
#include "appliance/forge/event_queue.h"

namespace hoptap::forge {

class Network : public Handler {
 public:
  explicit Network(EventQueue& queue) : queue_(queue) {}

  Time now() const { return queue_.now(); }

  /// A packet to fill in. It lives until it arrives or is dropped.
  Packet& make(Connection& connection);
  Packet& copy(const Packet& packet);
  void drop(Packet& packet);

  /// A host sends: packets of one host and connection leave one after the other. Returns when this one does.
  Time send(Packet& packet);
  /// The element that has the packet lets it go at `time`.
  void go_on(Packet& packet, Time time);
  /// Calls the wake() of the element at `place` of this connection at `time`.
  void call_back(const Connection& connection, std::int32_t place, Time time);

  void remember(Connection& connection) { connections_.push_back(&connection); }
  void forget(const Connection& connection) { connections_[connection.number()] = nullptr; }

 private:
  void happen(std::uint64_t what) override;
  void travel(Packet& packet);

  EventQueue& queue_;
  std::deque<Packet> packets_;
  std::vector<std::uint32_t> free_;
  std::vector<Connection*> connections_;  ///< by number; nullptr: over
};

}  // namespace hoptap::forge
