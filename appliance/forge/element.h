// What stands on a path. A packet is handed from element to element; each may change it, keep it or send others.
// Private to the forge; one thread. The path owns elements, the network packets.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "appliance/forge/packet.h"
#include "appliance/forge/random.h"

namespace hoptap::forge {

class Network;

/// What an element remembers of one connection. Each kind of element uses what it needs.
struct ElementMemory {
  explicit ElementMemory(std::uint64_t seed) : random(seed, "element") {}

  Random random;
  std::array<Time, 2> last_arrival{};    ///< segment, each way
  Address translated;                    ///< snat, fullnat: who the server talks to
  Address original;                      ///< ... and who that is before it
  std::array<std::uint32_t, 2> shift{};  ///< rewrite: added to sequence numbers each way
  std::uint32_t timestamp_shift = 0;     ///< synproxy: added to the server's TSval
  int stage = 0;                         ///< synproxy: how far the handshake is
  std::unique_ptr<Packet> syn;           ///< synproxy: the client's
  Packet* held = nullptr;                ///< tso: being joined
  Time held_since = 0;
};

class Element {
 public:
  explicit Element(std::uint32_t number) : number_(number) {}
  virtual ~Element() = default;
  Element(const Element&) = delete;
  Element& operator=(const Element&) = delete;

  /// A packet arrives. True: it goes on at once. False: the element has dropped it, or keeps it and has planned
  /// what happens to it.
  virtual bool pass(Packet& packet, ElementMemory& memory, Network& network) = 0;
  /// A packet that network.call_back() was asked for.
  virtual void wake(Connection&, ElementMemory&, Network&) {}

  /// Ends a link layer: packets leave it with other MAC addresses.
  virtual bool ends_link() const { return false; }
  /// Plus 1: packets towards the server get a layer of encapsulation; minus 1: they lose it.
  virtual int tunnel_step() const { return 0; }
  /// Where clients have to send packets for them to come through here to the server; port 0: does not matter.
  virtual Address service() const { return {}; }

  std::uint32_t number() const { return number_; }  ///< over the whole path, from 1

 private:
  std::uint32_t number_;
};

}  // namespace hoptap::forge
