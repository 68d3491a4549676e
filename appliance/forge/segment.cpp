#include "appliance/forge/segment.h"

#include <algorithm>

#include "appliance/forge/network.h"

namespace hoptap::forge {
namespace {

constexpr double kWireNanosecondsPerByte = 0.8;  ///< 10 Gbit/s
constexpr Time kSecondCopyAfter = 5 * kMicrosecond;

const Place& place_of(const Packet& packet) {
  return packet.connection->route().places[static_cast<std::size_t>(packet.place)];
}

/// Writes down a packet that the wire loses.
void note_loss(const Packet& packet, Time now) {
  const Place& place = place_of(packet);
  const auto add = [&](Exchange& exchange, Lost::What what) {
    exchange.lost.push_back({.what = what, .from = place.point_before, .to = place.point_behind, .time = now});
  };
  Connection& connection = *packet.connection;
  if (packet.bytes > 0) {
    connection.stream(packet.toward)
        .each(packet.from, packet.from + packet.bytes, [&](const Message& message, auto, auto) {
          add(*message.exchange, message.is_request ? Lost::What::kRequest : Lost::What::kResponse);
        });
  } else if (packet.has(kAck) && packet.acknowledged > 0 && !packet.has(kSyn | kRst | kFin)) {
    const Message* message = connection.stream(opposite(packet.toward)).find(packet.acknowledged - 1);
    if (message != nullptr && message->exchange != nullptr) add(*message->exchange, Lost::What::kAcknowledgment);
  }
}

void mark_done(Exchange& exchange, const Packet& packet) {
  exchange.fault_done = true;
  exchange.fault_from = place_of(packet).point_before;
  exchange.fault_to = place_of(packet).point_behind;
}

/// A middlebox tells both ends that the other has reset the connection; the server hears it behind the packet.
void inject_resets(const Packet& packet, Network& network, Time packet_arrives) {
  const auto reset = [&](Toward toward) -> Packet& {
    Packet& made = network.copy(packet);
    made.toward = toward;
    made.flags = kRst | kAck;
    made.ttl = 64;
    made.ip_id = 0;
    made.window = 0;
    made.timestamps = false;
    made.sack_count = 0;
    made.bytes = 0;
    for (OuterHeader& tunnel : made.tunnels) tunnel.ttl = 64;
    return made;
  };
  Packet& to_server = reset(Toward::kServer);
  to_server.sequence = packet.sequence + packet.bytes;
  to_server.from = packet.from + packet.bytes;
  network.go_on(to_server, packet_arrives + kMicrosecond);
  Packet& to_client = reset(Toward::kClient);
  std::swap(to_client.source, to_client.target);
  for (OuterHeader& tunnel : to_client.tunnels) std::swap(tunnel.source, tunnel.target);
  to_client.sequence = packet.acknowledgment;
  to_client.acknowledgment = packet.sequence + packet.bytes;
  network.go_on(to_client, network.now() + kMicrosecond);
}

}  // namespace

bool Segment::owns(const FaultPlan* fault) const {
  return fault != nullptr && std::find(faults_.begin(), faults_.end(), fault) != faults_.end();
}

bool Segment::pass(Packet& packet, ElementMemory& memory, Network& network) {
  const Time now = network.now();
  const Harm harmed = faults_.empty() ? Harm{} : harm(packet);
  if (harmed.lost || memory.random.chance(plan_.loss)) {
    note_loss(packet, now);
    network.drop(packet);
    return false;
  }
  const Distribution& delay_us = packet.toward == Toward::kServer ? plan_.delay_us : plan_.back_us;
  const Time delay = static_cast<Time>(delay_us.sample(memory.random) * kMicrosecond) + harmed.delay;
  const auto wire = static_cast<Time>(kWireNanosecondsPerByte * (78 + static_cast<double>(packet.bytes)));
  Time& last = memory.last_arrival[index_of(packet.toward)];
  Time arrival = std::max(now + delay, last + wire);
  if (memory.random.chance(plan_.reorder)) {
    arrival += 20 * kMicrosecond + delay;  // what follows it may overtake it
  } else {
    last = arrival;
  }
  if (memory.random.chance(plan_.duplicate)) {
    Packet& twin = network.copy(packet);
    network.go_on(twin, arrival + kSecondCopyAfter);
    last = std::max(last, arrival + kSecondCopyAfter);
  }
  network.go_on(packet, arrival);
  if (harmed.reset) inject_resets(packet, network, arrival);
  return false;
}

Segment::Harm Segment::harm(const Packet& packet) const {
  Harm harm;
  if (packet.bytes == 0) {
    harm.lost = loses_ack(packet);
    return harm;
  }
  const auto visit = [&](const Message& message, std::uint64_t from, std::uint64_t end) {
    Exchange& exchange = *message.exchange;
    if (!owns(exchange.fault)) return;
    const FaultPlan& fault = *exchange.fault;
    const bool is_request = message.is_request;
    if (fault.kind == FaultKind::kDelay && fault.on_response != is_request) {
      harm.delay = std::max(harm.delay, fault.add);
      mark_done(exchange, packet);
    }
    const FaultKind losing = is_request ? FaultKind::kLoseRequest : FaultKind::kLoseResponse;
    const auto bytes = message.end - message.from;
    const std::uint64_t hit =
        message.from + std::min(bytes - 1, static_cast<std::uint64_t>(exchange.fault_at * static_cast<double>(bytes)));
    if (fault.kind == losing && !exchange.fault_done && from <= hit && hit < end) {
      mark_done(exchange, packet);
      harm.lost = true;
    }
    if (exchange.resets(Culprit::kMiddlebox) && is_request && !exchange.fault_done && end == message.end) {
      mark_done(exchange, packet);
      exchange.reset_by = Culprit::kMiddlebox;
      exchange.reset_from = exchange.fault_from;
      exchange.reset_to = exchange.fault_to;
      harm.reset = true;
    }
  };
  packet.connection->stream(packet.toward).each(packet.from, packet.from + packet.bytes, visit);
  return harm;
}

bool Segment::loses_ack(const Packet& packet) const {
  Exchange* exchange = packet.connection->ack_loss;
  if (exchange == nullptr || packet.toward != Toward::kServer || !owns(exchange->fault) ||
      exchange->resent_after_ack_loss || packet.has(kSyn | kFin | kRst))
    return false;
  bool acknowledges = false;
  packet.connection->stream(Toward::kClient).each(0, packet.acknowledged, [&](const Message& message, auto, auto) {
    acknowledges = acknowledges || message.exchange == exchange;
  });
  if (acknowledges) mark_done(*exchange, packet);
  return acknowledges;
}

}  // namespace hoptap::forge
