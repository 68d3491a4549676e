#include "appliance/forge/offload.h"

#include <algorithm>
#include <utility>

#include "appliance/forge/network.h"

namespace hoptap::forge {
namespace {

constexpr Time kJoinFor = 12 * kMicrosecond;  ///< how long a network card gathers packets before it hands them up

bool continues(const Packet& first, const Packet& next) {
  return first.from + first.bytes == next.from && first.acknowledgment == next.acknowledgment &&
         first.tsval == next.tsval && first.window == next.window && next.sack_count == 0;
}

}  // namespace

bool Offload::pass(Packet& packet, ElementMemory& memory, Network& network) {
  const bool towards_big = (packet.toward == Toward::kClient) == (plan_.big == Side::kClient);
  return towards_big ? join(packet, memory, network) : split(packet, network);
}

/// Cuts a big segment; each piece has the next IP identification, as a network card writes it.
bool Offload::split(Packet& packet, Network& network) const {
  if (packet.bytes <= plan_.mss) return true;
  for (std::uint32_t done = 0, n = 0; done < packet.bytes; done += plan_.mss, ++n) {
    Packet& piece = network.copy(packet);
    piece.from += done;
    piece.sequence += done;
    piece.bytes = std::min(plan_.mss, packet.bytes - done);
    piece.ip_id = static_cast<std::uint16_t>(packet.ip_id + n);
    if (done + piece.bytes < packet.bytes) piece.flags &= static_cast<std::uint8_t>(~(kPsh | kFin));
    network.go_on(piece, network.now());
  }
  network.drop(packet);
  return false;
}

/// Joins segments that follow each other closely, until one says "push".
bool Offload::join(Packet& packet, ElementMemory& memory, Network& network) const {
  const bool is_data = packet.bytes > 0 && !packet.has(kSyn | kRst | kFin) && packet.sack_count == 0;
  if (memory.held != nullptr) {
    Packet& held = *memory.held;
    if (is_data && continues(held, packet) && held.bytes + packet.bytes <= burst_bytes_of(plan_.mss)) {
      held.bytes += packet.bytes;
      held.flags |= packet.flags;
      network.drop(packet);
      if (held.has(kPsh)) network.go_on(*std::exchange(memory.held, nullptr), network.now());
      return false;
    }
    network.go_on(*std::exchange(memory.held, nullptr), network.now());
    if (!is_data || packet.has(kPsh)) {  // keeps its place behind what was held
      network.go_on(packet, network.now());
      return false;
    }
  }
  if (!is_data || packet.has(kPsh)) return true;
  memory.held = &packet;
  memory.held_since = network.now();
  network.call_back(*packet.connection, packet.place, network.now() + kJoinFor);
  return false;
}

void Offload::wake(Connection&, ElementMemory& memory, Network& network) {
  if (memory.held != nullptr && network.now() - memory.held_since >= kJoinFor)
    network.go_on(*std::exchange(memory.held, nullptr), network.now());
}

}  // namespace hoptap::forge
