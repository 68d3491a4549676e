// The short way: a segment in order of an established TCP flow that nothing is amiss with, as nearly all packets are.
// It does what FlowUpdate does of such a packet and asks nothing whose answer is known.
#pragma once

#include "decode/decoded.h"
#include "flowtable/flow_update.h"
#include "flowtable/packet_words.h"
#include "flowtable/session.h"
#include "flowtable/sighting.h"
#include "flowtable/table_context.h"
#include "flowtable/tcp_steps.h"

namespace hoptap::flowtable {

/// Does the packet's wire look as that of the packet before it on its way?
[[gnu::always_inline]] inline bool is_same_wire(const decode::Decoded& packet, const FlowSide& own,
                                                const LedgerSide& sent) {
  if (packet.tunnels.depth != 0) [[unlikely]]
    return wire_of(packet) == own.wire;
  const PacketWords words(packet);
  return words.link(0) == sent.link[0] && words.link(1) == sent.link[1] && words.link(2) == sent.link[2];
}

/// Where that is which a plain packet changes.
struct PlainPlaces {
  PlainPlaces() = default;
  PlainPlaces(Direction direction, Flow& flow_, Ledger& ledger_)
      : flow(&flow_),
        own(&flow_.side(direction)),
        other(&flow_.side(opposite(direction))),
        ledger(&ledger_),
        sent(&ledger_.side(direction)),
        answered(&ledger_.side(opposite(direction))) {}

  Direction direction() const { return own == &flow->sides[0] ? Direction::kToServer : Direction::kToClient; }

  Flow* flow;
  FlowSide* own;    ///< of what goes as the packet
  FlowSide* other;  ///< of what it acknowledges
  Ledger* ledger;
  LedgerSide* sent;  ///< as own
  LedgerSide* answered;
};

/// Does the packet acknowledge, carry no more than timestamps, and, if it has data, go on where the data ended?
[[gnu::always_inline]] inline bool goes_on(const decode::Decoded& packet, const FlowSide& own) {
  constexpr std::uint32_t kControl = 0xff'ff'ff & ~std::uint32_t{decode::tcp_flag::kPsh};  // no SACK block, no scale
  return (PacketWords(packet).control() & kControl) == decode::tcp_flag::kAck &&
         (packet.payload_wire_bytes == 0 ||
          (packet.tcp.sequence == own.next && packet.payload.size() == packet.payload_wire_bytes));
}

/// Is it such a packet? Needs flow.calm. Asks that it goes on, and looks as the one before on its way did.
[[gnu::always_inline]] inline bool is_plain(const decode::Decoded& packet, const FlowSide& own,
                                            const LedgerSide& sent) {
  return goes_on(packet, own) && PacketWords(packet).looks() == sent.looks && is_same_wire(packet, own, sent);
}

/// What a new session makes of a plain packet.
[[gnu::noinline]] inline void give_to_new_session(const decode::Decoded& packet, const PlainPlaces& places,
                                                  bool advances, TableContext& context) {
  if (packet.payload_wire_bytes == 0) return;
  FlowUpdate(packet, places.direction(), *places.flow, places.ledger, context).open_session();
  places.ledger->session->add(packet, places.direction(), advances);
}

/// Needs is_plain(), or goes_on() of one that looks alike.
[[gnu::always_inline]] inline void add_plain(const decode::Decoded& packet, const PlainPlaces& places,
                                             std::uint64_t now_ns, TableContext& context) {
  Flow& flow = *places.flow;
  Ledger& ledger = *places.ledger;
  FlowSide &own = *places.own, &other = *places.other;
  LedgerSide &sent = *places.sent, &answered = *places.answered;
  const auto whole = [&]() {
    return FlowUpdate(packet, places.direction(), flow, &ledger, context);
  };  // for what is rare
  const decode::Tcp& tcp = packet.tcp;
  const std::uint32_t payload_bytes = packet.payload_wire_bytes, ack = tcp.acknowledgment;
  ++own.packets;
  own.payload_bytes += payload_bytes;
  sent.metrics.bytes += packet.ip_bytes;
  const std::int32_t further = sequence_distance(ack, other.acked);
  if (further > 0 && sequence_distance(ack, other.next) <= 0) {
    advance_acknowledgment(other, ack);
    note_answer(ack, now_ns, other, answered, ledger);
    if (tcp.has_timestamps) note_echo(packet, true, answered);
    if (answered.limited_since_ns != 0) [[unlikely]]
      whole().note_limit_of(other, answered);
  } else if (further != 0 || payload_bytes == 0) [[unlikely]] {
    whole().note_odd_acknowledgment(ack);
    flow.calm = false;  // the next packet is looked at: there may be a hole
    note_echo(packet, further > 0, answered);
  }
  if (tcp.window != own.window) [[unlikely]]
    whole().note_window();
  own.next += payload_bytes;
  if (payload_bytes != 0) {
    if (tcp.has_timestamps) note_stamp(packet, sent);
    if (!sent.spoke_last) [[unlikely]]
      note_turn(now_ns, ledger, sent, answered);
    time_data(now_ns, own.next, sent);
    const std::uint32_t flying = own.next - own.acked;
    if (flying > sent.metrics.in_flight_bytes_max) sent.metrics.in_flight_bytes_max = flying;
    if (flying > sent.room) [[unlikely]]
      whole().note_limit_of(own, sent);
  }
  if (flow.opaque) return;
  if (ledger.session == nullptr) [[unlikely]]
    return give_to_new_session(packet, places, further > 0, context);
  ledger.session->add(packet, places.direction(), further > 0);
}

}  // namespace hoptap::flowtable
