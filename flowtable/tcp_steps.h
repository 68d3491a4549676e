// The steps that both the short way of plain packets (plain_packet.h) and the long way of all others (flow_update.h)
// take. Definitions of what they measure: docs/metrics.md.
#pragma once

#include <algorithm>
#include <cstdint>

#include "decode/decoded.h"
#include "flowtable/ledger.h"
#include "flowtable/retransmission.h"

namespace hoptap::flowtable {

/// From an earlier moment to now; 0 when the clock has gone backwards.
inline std::uint64_t time_between(std::uint64_t earlier_ns, std::uint64_t now_ns) {
  return now_ns - std::min(now_ns, earlier_ns);
}

/// Adds the time since `since_ns`, if there is any, and ends it.
inline void add_time_since(std::uint64_t& since_ns, std::uint64_t now_ns, std::uint64_t& sum_ns) {
  if (since_ns == 0) return;
  sum_ns += time_between(since_ns, now_ns);
  since_ns = 0;
}

/// How many bytes of `sender` may be in flight before less than one segment of `receiver`'s window is free; UINT32_MAX
/// when the window's scale is not known (RFC 7323 section 2.2).
inline std::uint32_t room_of(const FlowSide& receiver, const FlowSide& sender) {
  constexpr std::uint32_t kMssDefault = 536;  // RFC 9293 section 3.7.1
  if (receiver.window_scale == FlowSide::kNoScale || sender.window_scale == FlowSide::kNoScale) return UINT32_MAX;
  const bool scaled = receiver.scales && sender.scales;  // RFC 7323 section 2.2
  const std::uint32_t window = std::uint32_t{receiver.window} << (scaled ? receiver.window_scale : 0);
  const std::uint32_t segment = receiver.mss != 0 ? receiver.mss : kMssDefault;
  return window - std::min(window, segment);
}

/// A new highest acknowledgment of what `side` sends; needs ack_seen.
inline void advance_acknowledgment(FlowSide& side, std::uint32_t ack) {
  const std::uint32_t before = side.acked - side.start;
  side.acked = ack;
  if (ack - side.start < before && side.ack_wraps < UINT8_MAX) [[unlikely]]
    ++side.ack_wraps;
}

/// The acknowledgment of what `side` sends has moved on: round trips, and the kernel's answer to a request.
inline void note_answer(std::uint32_t ack, std::uint64_t now_ns, const FlowSide& side, LedgerSide& state,
                        Ledger& ledger) {
  state.duplicate_acks = 0;
  state.hole_told = false;
  if (state.timed_ns != 0 && sequence_distance(ack, state.timed_end) >= 0) {
    const std::uint64_t ns = time_between(state.timed_ns, now_ns);
    state.metrics.rtt.add(ns);
    note_round_trip(ns, state);
    state.timed_ns = 0;
  }
  if (state.answer_due && sequence_distance(ack, side.next) >= 0) {
    state.answer_due = false;
    if (&state == &ledger.side(Direction::kToServer))
      ledger.server_response.add(time_between(state.last_data_ns, now_ns));
  }
}

/// Round trips by timestamps (RFC 7323 section 4): from the first segment of data with a TSval to its echo.
inline void note_echo(const decode::Decoded& packet, bool advanced, LedgerSide& answered) {
  if (answered.stamped_ns == 0 || sequence_distance(packet.tcp.tsecr, answered.stamped) < 0) return;
  if (packet.tcp.tsecr == answered.stamped && advanced)
    answered.metrics.rtt_timestamps.add(time_between(answered.stamped_ns, packet.time_ns));
  answered.stamped_ns = 0;
}
inline void note_stamp(const decode::Decoded& packet, LedgerSide& sent) {
  if (sent.stamped_ns != 0 || sent.stamped == packet.tcp.tsval) return;
  sent.stamped = packet.tcp.tsval;
  sent.stamped_ns = packet.time_ns;
}

/// Data goes the other way than before: the end of a wait for the application, or of the client's silence.
inline void note_turn(std::uint64_t now_ns, Ledger& ledger, LedgerSide& sent, LedgerSide& answered) {
  if (answered.spoke_last && answered.last_data_ns != 0) {
    Times& times = &sent == &ledger.side(Direction::kToClient) ? ledger.application_response : ledger.client_idle;
    times.add(time_between(answered.last_data_ns, now_ns));
  }
  answered.spoke_last = false;
  sent.spoke_last = true;
}

/// Bytes have been sent, up to `end`, that were not sent before.
inline void time_data(std::uint64_t now_ns, std::uint32_t end, LedgerSide& sent) {
  sent.last_data_ns = now_ns;
  sent.answer_due = true;
  if (sent.timed_ns != 0) return;
  sent.timed_ns = now_ns;
  sent.timed_end = end;
}

}  // namespace hoptap::flowtable
