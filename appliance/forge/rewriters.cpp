#include "appliance/forge/rewriters.h"

#include <utility>

#include "appliance/forge/network.h"

namespace hoptap::forge {
namespace {

constexpr std::uint16_t kWindowFirst = 64240;
constexpr std::uint16_t kWindow = 502;

/// A packet that a box makes itself where it stands, in answer to `packet` or in its place.
Packet& make_own(const Packet& packet, Toward toward, std::uint8_t flags, Network& network) {
  Packet& made = network.copy(packet);
  made.toward = toward;
  if (toward != packet.toward) std::swap(made.source, made.target);
  made.flags = flags;
  made.ttl = 64;
  made.ip_id = 0;
  made.bytes = 0;
  made.sack_count = 0;
  return made;
}

}  // namespace

void shift_sequence(Packet& packet, const ElementMemory& memory) {
  packet.sequence += memory.shift[index_of(packet.toward)];
  const std::uint32_t back = memory.shift[index_of(opposite(packet.toward))];
  if (packet.has(kAck)) packet.acknowledgment -= back;
  for (std::size_t i = 0; i < packet.sack_count; ++i) packet.sacks[i].sequence -= back;
}

bool FullNat::pass(Packet& packet, ElementMemory& memory, Network&) {
  --packet.ttl;
  if (memory.translated.port == 0) {
    memory.translated = pool_.take();
    memory.original = packet.source;
    memory.shift[index_of(Toward::kServer)] = static_cast<std::uint32_t>(memory.random.next());
  }
  if (packet.has(kSyn)) packet.timestamps = false;
  shift_sequence(packet, memory);
  if (packet.toward == Toward::kServer) {
    packet.source = memory.translated;
    packet.target = target_behind(packet);
  } else {
    packet.source = service_;
    packet.target = memory.original;
  }
  return true;
}

bool Firewall::pass(Packet& packet, ElementMemory& memory, Network&) {
  --packet.ttl;
  if (memory.shift[0] == 0)
    for (std::uint32_t& shift : memory.shift) shift = static_cast<std::uint32_t>(memory.random.next()) | 1U;
  shift_sequence(packet, memory);
  return true;
}

bool SynProxy::pass(Packet& packet, ElementMemory& memory, Network& network) {
  const bool goes_on =
      packet.toward == Toward::kServer ? from_client(packet, memory, network) : from_server(packet, memory, network);
  if (!goes_on) {
    network.drop(packet);
    return false;
  }
  --packet.ttl;
  shift_sequence(packet, memory);
  if (packet.toward == Toward::kServer) {
    packet.tsecr -= packet.timestamps ? memory.timestamp_shift : 0;
  } else {
    packet.tsval += packet.timestamps ? memory.timestamp_shift : 0;
  }
  return true;
}

bool SynProxy::from_client(Packet& packet, ElementMemory& memory, Network& network) const {
  if (packet.has(kRst)) return memory.stage == kOpen;
  if (packet.has(kSyn)) {
    if (memory.stage == kIdle) {
      // Until the server has chosen its own, these hold the proxy's sequence number and clock.
      memory.shift[index_of(Toward::kClient)] = static_cast<std::uint32_t>(memory.random.next());
      memory.timestamp_shift = static_cast<std::uint32_t>(memory.random.next());
      memory.syn = std::make_unique<Packet>(packet);
      memory.stage = kAnswered;
    }
    Packet& answer = make_own(packet, Toward::kClient, kSyn | kAck, network);
    answer.sequence = memory.shift[index_of(Toward::kClient)];
    answer.acknowledgment = packet.sequence + 1;
    answer.acknowledged = 0;
    answer.window = 0;  // no data before the server is there
    answer.tsecr = packet.tsval;
    answer.tsval = memory.timestamp_shift + static_cast<std::uint32_t>(network.now() / kMillisecond);
    network.go_on(answer, network.now());
    return false;
  }
  if (memory.stage == kOpen) return true;
  if (memory.stage == kIdle) return false;
  Packet& syn = make_own(*memory.syn, Toward::kServer, kSyn, network);  // also when the client asks again
  syn.place = packet.place;
  syn.acknowledgment = memory.shift[index_of(Toward::kClient)];
  syn.window = kWindowFirst;
  syn.tsval = packet.tsval;
  syn.tsecr = 0;
  memory.stage = kAsked;
  network.go_on(syn, network.now());
  return false;
}

bool SynProxy::from_server(Packet& packet, ElementMemory& memory, Network& network) const {
  if (!packet.has(kSyn)) return memory.stage == kOpen;
  const auto finish = [&](Toward toward) -> Packet& {
    Packet& made = make_own(packet, toward, kAck, network);
    made.mss = 0;
    made.sack_permitted = false;
    made.window_scale = 0;
    made.window = kWindow;
    return made;
  };
  const bool first = memory.stage == kAsked;
  if (!first && memory.stage != kOpen) return false;
  Packet& to_server = finish(Toward::kServer);
  to_server.from = 0;
  to_server.acknowledged = 0;
  to_server.sequence = packet.acknowledgment;
  to_server.acknowledgment = packet.sequence + 1;
  to_server.tsval = packet.tsecr;
  to_server.tsecr = packet.tsval;
  network.go_on(to_server, network.now());
  if (!first) return false;
  memory.stage = kOpen;
  const std::uint32_t proxy_sequence = memory.shift[index_of(Toward::kClient)];
  memory.shift[index_of(Toward::kClient)] = proxy_sequence - packet.sequence;
  const std::uint32_t proxy_clock = memory.timestamp_shift + static_cast<std::uint32_t>(network.now() / kMillisecond);
  memory.timestamp_shift = proxy_clock - packet.tsval;
  Packet& to_client = finish(Toward::kClient);  // opens the window
  to_client.sequence = proxy_sequence + 1;
  to_client.acknowledgment = packet.acknowledgment;
  to_client.acknowledged = 0;
  to_client.tsval = proxy_clock;
  to_client.tsecr = packet.tsecr;
  network.go_on(to_client, network.now());
  return false;
}

}  // namespace hoptap::forge
