// What one packet does to its flow: TCP state, metrics, data to the session. Definitions: docs/metrics.md.
//
// What nearly every packet does is inline and does as little as it can; the rest is in flow_update.cpp.
#pragma once

#include <algorithm>

#include "decode/decoded.h"
#include "flowtable/half_stream.h"
#include "flowtable/retransmission.h"
#include "flowtable/session.h"
#include "flowtable/table_context.h"

namespace hoptap::flowtable {

/// How many bytes of `sender` may be in flight before less than one segment of `receiver`'s window is free; UINT32_MAX
/// when the window's scale is not known (RFC 7323 section 2.2).
inline std::uint32_t room_of(const FlowSide& receiver, const FlowSide& sender) {
  constexpr std::uint32_t kMssDefault = 536;  // RFC 9293 section 3.7.1
  if (receiver.window_scale == FlowSide::kNoScale || sender.window_scale == FlowSide::kNoScale) return UINT32_MAX;
  const std::uint32_t window = std::uint32_t{receiver.window} << receiver.window_scale;
  const std::uint32_t segment = receiver.mss != 0 ? receiver.mss : kMssDefault;
  return window - std::min(window, segment);
}

/// Adds the time since `since_ns`, if there is any, and ends it.
inline void add_time_since(std::uint64_t& since_ns, std::uint64_t now_ns, std::uint64_t& sum_ns) {
  if (since_ns == 0) return;
  sum_ns += now_ns - std::min(now_ns, since_ns);
  since_ns = 0;
}

/// Made for one packet; keeps nothing.
class FlowUpdate {
 public:
  /// @param ledger  of the flow; null when it has none (yet)
  FlowUpdate(const decode::Decoded& packet, Direction direction, Flow& flow, Ledger* ledger, TableContext& context)
      : packet_(packet),
        tcp_(packet.tcp),
        direction_(direction),
        flow_(flow),
        own_(flow.side(direction)),
        other_(flow.side(opposite(direction))),
        ledger_(ledger),
        sent_(ledger == nullptr ? nullptr : &ledger->side(direction)),
        answered_(ledger == nullptr ? nullptr : &ledger->side(opposite(direction))),
        context_(context) {}

  /// Is this the packet that nearly every packet of a calm flow is: a segment in order that acknowledges, with nothing
  /// that would have to be looked at?
  bool is_plain() const {
    using namespace decode::tcp_flag;
    constexpr std::uint8_t kEcnMask = 3, kCongestion = 3;  // RFC 3168 section 5
    return (tcp_.flags & static_cast<std::uint8_t>(~kPsh)) == kAck && tcp_.sack_blocks == 0 &&
           packet_.ttl == sent_->ttl && (packet_.traffic_class & kEcnMask) != kCongestion &&
           (packet_.payload_wire_bytes == 0 ||
            (tcp_.sequence == own_.next && packet_.payload.size() == packet_.payload_wire_bytes));
  }

  /// Whatever the packet is.
  void add_any();

  /// After add_any(): may the flow be calm? A TCP flow, both ends of which have sent and acknowledged, none has closed,
  /// nothing waits behind a hole, and that one feed shows on one wire.
  bool leaves_calm() const;

  /// What add_any() does, of a plain packet of a calm flow.
  void add_plain() {
    count();
    const std::uint32_t ack = tcp_.acknowledgment;
    const std::uint32_t payload_bytes = packet_.payload_wire_bytes;
    const std::int32_t further = sequence_distance(ack, other_.acked);
    Session* session = ledger_->session;
    if (session != nullptr && sequence_distance(tcp_.sequence, own_.next) <= 0) session->had_received(direction_, ack);
    if (further > 0 && sequence_distance(ack, other_.next) <= 0) {
      advance(ack);
    } else if (further != 0 || payload_bytes == 0) [[unlikely]] {
      note_odd_acknowledgment(ack);
    }
    if (tcp_.has_timestamps) note_stamps(further > 0);
    if (session != nullptr) session->acknowledged(opposite(direction_), ack, packet_.time_ns, payload_bytes == 0);
    if (tcp_.window != own_.window) note_window();
    if (payload_bytes > 0) {
      if (ledger_->session == nullptr && !flow_.opaque) [[unlikely]] open_session();
      pass_data(tcp_.sequence);
      note_new_data(own_.next);
      note_flight();
    } else if (answered_->limited_since_ns != 0) [[unlikely]] {
      note_limit_of(other_, *answered_);
    }
  }

 private:
  void count() {
    ++own_.packets;
    own_.payload_bytes += packet_.payload_wire_bytes;
    flow_.last_ns = std::max(flow_.last_ns, packet_.time_ns);
    if (ledger_ != nullptr) sent_->metrics.bytes += packet_.ip_bytes;
  }

  /// The acknowledgment has moved on, within what was sent.
  void advance(std::uint32_t ack) {
    HalfStream(opposite(direction_), flow_, *ledger_, context_).advance_to(ack);
    note_answer(ack);
  }

  /// The acknowledgment has moved on: round trips, and the kernel's answer to a request.
  void note_answer(std::uint32_t ack) {
    LedgerSide& state = *answered_;
    const std::uint64_t now_ns = packet_.time_ns;
    state.duplicate_acks = 0;
    state.hole_told = false;
    if (state.timed_ns != 0 && sequence_distance(ack, state.timed_end) >= 0) {
      const std::uint64_t ns = now_ns - std::min(now_ns, state.timed_ns);
      state.metrics.rtt.add(ns);
      note_round_trip(ns, state);
      state.timed_ns = 0;
    }
    if (state.answer_due && sequence_distance(ack, other_.next) >= 0) {
      state.answer_due = false;
      if (direction_ == Direction::kToClient)
        ledger_->server_response.add(now_ns - std::min(now_ns, state.last_data_ns));
    }
  }

  /// Round trips by timestamps (RFC 7323 section 4): the first segment of data with a TSval, to its echo.
  void note_stamps(bool advanced) {
    LedgerSide& state = *answered_;
    if (state.stamped_ns != 0 && sequence_distance(tcp_.tsecr, state.stamped) >= 0) {
      if (tcp_.tsecr == state.stamped && advanced)
        state.metrics.rtt_timestamps.add(packet_.time_ns - std::min(packet_.time_ns, state.stamped_ns));
      state.stamped_ns = 0;
    }
    if (sent_->stamped_ns == 0 && packet_.payload_wire_bytes > 0 && sent_->stamped != tcp_.tsval) {
      sent_->stamped = tcp_.tsval;
      sent_->stamped_ns = packet_.time_ns;
    }
  }

  /// In order and captured whole.
  void pass_data(std::uint32_t sequence) {
    own_.next = sequence + packet_.payload_wire_bytes;
    if (ledger_->session != nullptr)
      ledger_->session->deliver(direction_, packet_.payload, sequence, Stamp::of_segment(packet_));
  }

  /// Bytes have been sent, up to `end`, that were not sent before.
  void note_new_data(std::uint32_t end) {
    if (ledger_->spoke != index_of(direction_)) note_turn();
    sent_->last_data_ns = packet_.time_ns;
    sent_->answer_due = true;
    if (sent_->timed_ns == 0) {
      sent_->timed_ns = packet_.time_ns;
      sent_->timed_end = end;
    }
  }

  /// How much is in flight, and is the receiver's window the limit?
  void note_flight() {
    const std::uint32_t flying = own_.next - own_.acked;
    if (flying > sent_->metrics.in_flight_bytes_max) sent_->metrics.in_flight_bytes_max = flying;
    if (flying > sent_->room || sent_->limited_since_ns != 0) [[unlikely]] note_limit_of(own_, *sent_);
  }

  bool is_pure() const {
    constexpr std::uint8_t kNotPlain = decode::tcp_flag::kSyn | decode::tcp_flag::kFin | decode::tcp_flag::kRst;
    return packet_.payload_wire_bytes == 0 && (tcp_.flags & kNotPlain) == 0;
  }

  void add_without_ledger();
  void add_tcp();
  void note_acknowledgment();
  void note_odd_acknowledgment(std::uint32_t ack);
  void note_data();
  void add_udp();
  void note_ttl();
  void note_flags();
  void note_handshake();
  void note_client_ack();
  void note_duplicate_ack();
  void note_window();
  void note_limit_of(const FlowSide& sender, LedgerSide& state);
  void note_turn();
  void note_close();
  void open_session();

  const decode::Decoded& packet_;
  const decode::Tcp& tcp_;
  Direction direction_;
  Flow& flow_;
  FlowSide& own_;
  FlowSide& other_;
  Ledger* ledger_;
  LedgerSide* sent_;      ///< of the data that goes as this packet
  LedgerSide* answered_;  ///< of the data that it acknowledges
  TableContext& context_;
};

}  // namespace hoptap::flowtable
