// The way of a connection: elements in order, one branch of each ecmp. Private to the forge; one thread. Borrows its
// elements.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "appliance/forge/element.h"

namespace hoptap::forge {

/// Numbers of the devices at the two ends of a link layer: 0 is the client's host, kServerDevice the server's.
struct Link {
  static constexpr std::uint32_t kServerDevice = 0xffff;
  std::uint32_t client_side = 0;
  std::uint32_t server_side = kServerDevice;
};

/// One place on a route, just where its element stands.
struct Place {
  Element* element = nullptr;
  /// Link layers here: [0] of the packet itself, [n] of the frame that n tunnels have wrapped around it.
  std::array<Link, Packet::kTunnelsMax + 1> links{};
  const std::string* point_before = nullptr;  ///< nearest point towards the client; empty: the host
  const std::string* point_behind = nullptr;  ///< towards the server; at a point: itself
};

struct Route {
  std::vector<Place> places;
  std::vector<std::uint32_t> points;  ///< indexes of its points, in order
  Address service;                    ///< where the client sends to; port 0: to the host at the other end

  std::int32_t size() const { return static_cast<std::int32_t>(places.size()); }
};

/// Computes what follows from the elements alone. `point_names[i]` is the name of the point at place i, or nullptr.
Route make_route(const std::vector<Element*>& elements, const std::vector<const std::string*>& point_names);

}  // namespace hoptap::forge
