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

/// Is it such a packet? Needs flow.calm. Asks that the packet looks as the one before on its way did, acknowledges,
/// carries no more than timestamps, and, if it has data, goes on where the data ended.
[[gnu::always_inline]] inline bool is_plain(const decode::Decoded& packet, const FlowSide& own,
                                            const LedgerSide& sent) {
  constexpr std::uint32_t kControl = 0xff'ff'ff & ~std::uint32_t{decode::tcp_flag::kPsh};  // no SACK block, no scale
  const PacketWords words(packet);
  return (words.control() & kControl) == decode::tcp_flag::kAck && words.looks() == sent.looks &&
         is_same_wire(packet, own, sent) &&
         (packet.payload_wire_bytes == 0 ||
          (packet.tcp.sequence == own.next && packet.payload.size() == packet.payload_wire_bytes));
}

/// Needs is_plain().
[[gnu::noinline]] inline void add_plain(const decode::Decoded& packet, Direction direction, Flow& flow, FlowSide& own,
                                        FlowSide& other, Ledger& ledger, LedgerSide& sent, LedgerSide& answered,
                                        TableContext& context) {
  const auto whole = [&]() { return FlowUpdate(packet, direction, flow, &ledger, context); };  // for what is rare
  const decode::Tcp& tcp = packet.tcp;
  const std::uint32_t payload_bytes = packet.payload_wire_bytes, ack = tcp.acknowledgment;
  const std::uint64_t now_ns = packet.time_ns;
  Session* const session = ledger.session;
  ++own.packets;
  own.payload_bytes += payload_bytes;
  sent.metrics.bytes += packet.ip_bytes;
  flow.last_ns = std::max(flow.last_ns, now_ns);
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
  if (session != nullptr && (further > 0 || payload_bytes == 0)) {
    if (sequence_distance(tcp.sequence, own.next) <= 0) session->had_received(direction, ack);
    session->acknowledged(opposite(direction), ack, now_ns, payload_bytes == 0);
  }
  if (tcp.window != own.window) [[unlikely]]
    whole().note_window();
  if (payload_bytes == 0) return;
  if (tcp.has_timestamps) note_stamp(packet, sent);
  own.next += payload_bytes;
  if (session != nullptr && session->passes_over(direction, payload_bytes)) {
    session->pass_over(direction, payload_bytes, tcp.sequence, now_ns);
  } else if (session != nullptr) {
    session->deliver(direction, packet.payload, tcp.sequence, Stamp::of_segment(packet));
  } else if (!flow.opaque) [[unlikely]] {
    whole().open_session();
    ledger.session->deliver(direction, packet.payload, tcp.sequence, Stamp::of_segment(packet));
  }
  if (ledger.spoke != index_of(direction)) [[unlikely]]
    whole().note_turn();
  time_data(now_ns, own.next, sent);
  const std::uint32_t flying = own.next - own.acked;
  if (flying > sent.metrics.in_flight_bytes_max) sent.metrics.in_flight_bytes_max = flying;
  if (flying > sent.room) [[unlikely]]
    whole().note_limit_of(own, sent);
}

}  // namespace hoptap::flowtable
