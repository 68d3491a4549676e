// One TCP connection of the simulation: two ends, two streams, the way between. Private to the forge; one thread. The
// world owns it; it owns its ends and streams.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "appliance/forge/endpoint.h"
#include "appliance/forge/route.h"
#include "appliance/forge/stream.h"

namespace hoptap::forge {

class Connection {
 public:
  Connection(std::uint64_t number, const Route& route) : number_(number), route_(route) {}

  std::uint64_t number() const { return number_; }
  const Route& route() const { return route_; }
  Stream& stream(Toward toward) { return streams_[index_of(toward)]; }
  const Stream& stream(Toward toward) const { return streams_[index_of(toward)]; }
  /// The end that sends towards `toward`.
  Endpoint& sender(Toward toward) { return toward == Toward::kServer ? *client : *server; }
  Endpoint& receiver(Toward toward) { return sender(opposite(toward)); }

  /// Drops all that points to an exchange that is over, or goes over another connection.
  void forget(const Exchange& exchange);

  /// Both ends are done, and nothing is left on its way, planned or known that could touch it again.
  bool is_over() const;

  Address client_address;       ///< as at the client
  Address target_address;       ///< what the client sends to
  Address server_address;       ///< as at the server
  Address peer_seen_by_server;  ///< who the server believes its client to be
  std::unique_ptr<Endpoint> client;
  std::unique_ptr<Endpoint> server;
  std::vector<ElementMemory> memories;  ///< of each place on the route
  std::array<Time, 2> last_departure{-1, -1};
  std::uint32_t client_device = 0;  ///< which client host it is, for its MAC address
  bool quiet = false;               ///< the captures have not begun for it
  std::uint32_t packets = 0;        ///< on their way; the network counts them

  // What the two programs keep about it.
  std::uint64_t server_read = 0;      ///< of the stream to the server: requests taken so far
  Exchange* serving = nullptr;        ///< what the server works on
  std::uint64_t client_read = 0;      ///< of the stream to the client: responses taken so far
  std::deque<Exchange*> outstanding;  ///< requests without their whole answer, in order
  std::uint32_t slot = 0;             ///< the client program's
  std::uint32_t requests_left = 0;
  Connection* upstream = nullptr;    ///< where the gateway that it ends at asks on for it
  Connection* downstream = nullptr;  ///< for whom the gateway that it begins at asks on
  Exchange* ack_loss = nullptr;      ///< the acknowledgments of its response are being lost
  Time ack_loss_since = 0;           ///< waiting for that since then; 0: not yet
  std::uint64_t body_after = 0;      ///< the rest of a request is written when this is acknowledged; 0: nothing

 private:
  std::uint64_t number_;
  const Route& route_;
  std::array<Stream, 2> streams_;
};

}  // namespace hoptap::forge
