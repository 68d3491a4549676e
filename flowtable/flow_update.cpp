#include "flowtable/flow_update.h"

#include <algorithm>

#include "base/hash.h"
#include "flowtable/half_stream.h"
#include "flowtable/packet_words.h"
#include "flowtable/session.h"
#include "flowtable/tcp_steps.h"

namespace hoptap::flowtable {

namespace tcp_flag = decode::tcp_flag;

namespace {

/// Bytes sent and not acknowledged, those behind a hole too; below 0 when acknowledged bytes were not captured.
std::int32_t flying(const FlowSide& sender, const LedgerSide& state) {
  return sequence_distance(state.pieces.empty() ? sender.next : state.pieces.rbegin()->end(), sender.acked);
}

}  // namespace

bool FlowUpdate::leaves_calm() const {
  if (ledger_ == nullptr || packet_.outcome != decode::Outcome::kTcp) return false;
  const bool started = own_.started && other_.started && own_.ack_seen && other_.ack_seen;
  const bool whole =
      sent_->pieces.empty() && answered_->pieces.empty() && (sent_->hole_since_ns | answered_->hole_since_ns) == 0;
  const bool single = flow_.twin == kNoIndex && flow_.twin_number == 0;
  return started && whole && single && flow_.direction_known && !flow_.awaits_client_ack && flow_.closing == 0 &&
         flow_.stage == FlowStage::kActive;
}

void FlowUpdate::add_any() {
  if (own_.packets == 0) {
    own_.ttl = packet_.ttl;
    if (packet_.outcome == decode::Outcome::kTcp) own_.window = static_cast<std::uint16_t>(~tcp_.window);
  }
  ++own_.packets;
  own_.payload_bytes += packet_.payload_wire_bytes;
  flow_.last_ns = std::max(flow_.last_ns, packet_.time_ns);
  if (ledger_ == nullptr) return add_without_ledger();
  sent_->metrics.bytes += packet_.ip_bytes;
  note_looks();
  if (packet_.outcome != decode::Outcome::kTcp) return add_udp();
  add_tcp();
}

void FlowUpdate::add_tcp() {
  constexpr std::uint8_t kNoted = tcp_flag::kSyn | tcp_flag::kFin | tcp_flag::kRst | tcp_flag::kEce;
  if ((tcp_.flags & kNoted) != 0) note_flags();
  if (!tcp_.has(tcp_flag::kRst)) {
    if (tcp_.has(tcp_flag::kAck)) note_acknowledgment();
    if (tcp_.window != own_.window || tcp_.window == 0) note_window();
    if (packet_.payload_wire_bytes > 0) note_data();
    if (answered_->limited_since_ns != 0) note_limit_of(other_, *answered_);
  }
  if ((sent_->hole_since_ns | answered_->hole_since_ns) != 0)
    for (const Direction each : {Direction::kToServer, Direction::kToClient})
      HalfStream(each, flow_, *ledger_, context_).give_up_holes(packet_.time_ns, false);
  if (((tcp_.flags & (tcp_flag::kFin | tcp_flag::kRst)) | flow_.closing) != 0) note_close();
}

void FlowUpdate::note_acknowledgment() {
  const std::uint32_t ack = tcp_.acknowledgment;
  Session* session = ledger_->session;
  if (flow_.awaits_client_ack) note_client_ack();
  if (session != nullptr && own_.started && sequence_distance(tcp_.sequence, own_.next) <= 0)
    session->had_received(direction_, ack);
  const bool advanced = other_.ack_seen && sequence_distance(ack, other_.acked) > 0;
  if (advanced && other_.started && !other_.fin_seen && sequence_distance(ack, other_.next) <= 0) {
    advance_acknowledgment(other_, ack);
    note_answer(ack, packet_.time_ns, other_, *answered_, *ledger_);
  } else {
    note_odd_acknowledgment(ack);
  }
  if (tcp_.sack_blocks > 0) {
    answered_->metrics.sack_blocks += tcp_.sack_blocks;
    const bool of_duplicate = sequence_distance(tcp_.sack_right, ack) <= 0;  // RFC 2883 section 4
    if (!of_duplicate || tcp_.sack_blocks > 1) answered_->hole_told = true;
  }
  if (tcp_.has_timestamps) note_echo(packet_, advanced, *answered_);
  if (session != nullptr) session->acknowledged(opposite(direction_), ack, packet_.time_ns, is_pure());
}

/// One that is the first, repeats another, comes late, or is of bytes that were not seen.
void FlowUpdate::note_odd_acknowledgment(std::uint32_t ack) {
  const bool of_fin = other_.fin_seen && ack == other_.fin_sequence + 1;
  const bool repeats = other_.ack_seen && (of_fin ? other_.fin_sequence : ack) == other_.acked;
  if (!repeats) {
    const bool advances = other_.ack_seen && sequence_distance(ack, other_.acked) > 0;
    HalfStream(opposite(direction_), flow_, *ledger_, context_).acknowledged(ack, packet_.time_ns);
    if (advances) note_answer(ack, packet_.time_ns, other_, *answered_, *ledger_);
    return;
  }
  if (packet_.payload_wire_bytes != 0) return;
  const bool placed = own_.started || own_.ack_seen;  // where its bytes end is known, were any captured or not
  const std::uint32_t end = own_.started ? own_.next : own_.acked;
  const bool keep_alive = is_pure() && placed && tcp_.sequence + 1 == end;  // RFC 9293 section 3.8.4
  if (keep_alive) {
    ++sent_->metrics.keep_alives;
  } else if (!of_fin) {
    note_duplicate_ack();
  }
}

void FlowUpdate::note_data() {
  if (ledger_->session == nullptr && !flow_.opaque) open_session();
  const std::uint32_t sequence = tcp_.sequence + (tcp_.has(tcp_flag::kSyn) ? 1 : 0);
  if (sequence == own_.next && own_.started && sent_->pieces.empty() &&
      packet_.payload.size() == packet_.payload_wire_bytes) {
    own_.next = sequence + packet_.payload_wire_bytes;
    if (ledger_->session != nullptr)
      ledger_->session->deliver(direction_, packet_.payload, sequence, Stamp::of_segment(packet_));
  } else {
    const Segment segment{sequence, packet_.payload_wire_bytes, packet_.payload, Stamp::of_segment(packet_)};
    if (!HalfStream(direction_, flow_, *ledger_, context_).add(segment)) return;
  }
  if (own_.fin_seen && sequence_distance(sequence, own_.fin_sequence) < 0) ++sent_->metrics.out_of_order;
  if (tcp_.has_timestamps) note_stamp(packet_, *sent_);
  if (!sent_->spoke_last) note_turn(packet_.time_ns, *ledger_, *sent_, *answered_);
  const std::uint32_t end = sequence + packet_.payload_wire_bytes;
  if (sequence_distance(end, own_.next) <= 0) {
    time_data(packet_.time_ns, end, *sent_);
  } else {  // behind a hole: its acknowledgment waits until that is repaired, and tells no round trip
    sent_->last_data_ns = packet_.time_ns;
    sent_->answer_due = false;
  }
  const std::int32_t bytes = flying(own_, *sent_);
  if (!own_.ack_seen || bytes <= 0) return;
  sent_->metrics.in_flight_bytes_max = std::max(sent_->metrics.in_flight_bytes_max, static_cast<std::uint32_t>(bytes));
  note_limit_of(own_, *sent_);
}

/// A flow that is no more than this packet, or one that was refused a ledger.
void FlowUpdate::add_without_ledger() {
  if (flow_.reported) {
    ++context_.counters.unreported_packets;
    context_.counters.unreported_bytes += packet_.payload_wire_bytes;
  }
  if (packet_.outcome != decode::Outcome::kTcp) return;
  if (tcp_.has(tcp_flag::kSyn)) note_handshake();
  if (!tcp_.has(tcp_flag::kRst)) {
    if (!tcp_.has(tcp_flag::kSyn)) own_.window = tcp_.window;
    const std::uint32_t end = tcp_.sequence + (tcp_.has(tcp_flag::kSyn) ? 1 : 0) + packet_.payload_wire_bytes;
    if (own_.started && sequence_distance(end, own_.next) > 0) own_.next = end;
    if (flow_.awaits_client_ack && tcp_.has(tcp_flag::kAck)) note_client_ack();
    if (tcp_.has(tcp_flag::kAck) && !other_.ack_seen && !other_.isn_known) {
      other_.ack_seen = true;
      other_.acked = other_.start = tcp_.acknowledgment;
    }
  }
  if (((tcp_.flags & (tcp_flag::kFin | tcp_flag::kRst)) | flow_.closing) != 0) note_close();
}

/// Congestion marks and changes of the TTL.
void FlowUpdate::note_looks() {
  constexpr std::uint8_t kEcnMask = 3, kCongestion = 3;  // RFC 3168 section 5
  const auto ttl = static_cast<std::uint8_t>(sent_->looks);
  if (ttl != 0 && ttl != packet_.ttl) ++sent_->metrics.ttl_changes;
  const PacketWords words(packet_);
  sent_->looks = words.looks();
  sent_->link[0] = words.link(0);
  sent_->link[1] = words.link(1);
  sent_->link[2] = words.link(2);
  if ((packet_.traffic_class & kEcnMask) != kCongestion) return;
  ++sent_->metrics.ecn_congestion;
  sent_->looks = packet_.ttl | 0xffffff00;  // no packet looks so: the next one is looked at again
}

void FlowUpdate::open_session() {
  void* block = context_.memory.allocate(sizeof(Session), alignof(Session));
  ledger_->session = new (block) Session(flow_, *ledger_, context_);
}

/// Flags that few segments have.
void FlowUpdate::note_flags() {
  DirectionMetrics& metrics = sent_->metrics;
  metrics.syn += tcp_.has(tcp_flag::kSyn) ? 1 : 0;
  metrics.fin += tcp_.has(tcp_flag::kFin) ? 1 : 0;
  metrics.rst += tcp_.has(tcp_flag::kRst) ? 1 : 0;
  metrics.ecn_echo += tcp_.has(tcp_flag::kEce) && !tcp_.has(tcp_flag::kSyn) ? 1 : 0;
  if (tcp_.has(tcp_flag::kSyn)) note_handshake();
}

void FlowUpdate::note_handshake() {
  const bool is_answer = tcp_.has(tcp_flag::kAck);
  if (is_answer != (direction_ == Direction::kToClient)) return;  // a simultaneous open (RFC 9293 section 3.5)
  ShortTime& seen = is_answer ? flow_.syn_ack : flow_.syn;
  if (seen.known()) {
    if (ledger_ == nullptr) return;
    ++sent_->syn_copies;
    ++sent_->metrics.syn_retransmissions;
    if (is_answer && flow_.ack.known()) ledger_->overflown = true;
    return;
  }
  flow_.direction_known = true;
  flow_.awaits_client_ack = is_answer;
  seen = ShortTime::of(time_between(flow_.first_ns, packet_.time_ns));
  own_.start = tcp_.sequence + 1;
  own_.isn_known = true;
  own_.mss = tcp_.mss;
  own_.window_scale = tcp_.has_window_scale ? tcp_.window_scale : 0;
  own_.scales = tcp_.has_window_scale;
  if (!is_answer) flow_.syn_fingerprint = static_cast<std::uint32_t>(base::hash_bytes(tcp_.options));
  if (!own_.started) {
    own_.started = true;
    own_.next = own_.start;
  }
  if (!flow_.syn.known() || !flow_.syn_ack.known()) return;
  flow_.flags |= record_flag::kHandshakeSeen;
  if (is_answer && ledger_ != nullptr) ledger_->handshake_server.add(time_between(flow_.syn.ns(), flow_.syn_ack.ns()));
}

/// The client's first plain acknowledgment of the SYN-ACK ends the handshake.
void FlowUpdate::note_client_ack() {
  const bool plain = (tcp_.flags & (tcp_flag::kSyn | tcp_flag::kFin | tcp_flag::kRst)) == 0;
  if (direction_ != Direction::kToServer || !plain || tcp_.acknowledgment != other_.start) return;
  flow_.awaits_client_ack = false;
  flow_.ack = ShortTime::of(time_between(flow_.first_ns, packet_.time_ns));
  if (ledger_ == nullptr) return;
  ledger_->overflown = false;
  ledger_->handshake_client.add(time_between(flow_.syn_ack.ns(), flow_.ack.ns()));
  if (flow_.syn.known()) ledger_->handshake.add(time_between(flow_.syn.ns(), flow_.ack.ns()));
}

/// RFC 5681 section 2: nothing new acknowledged, no data, same window, while data is outstanding.
void FlowUpdate::note_duplicate_ack() {
  LedgerSide& state = *answered_;
  if (!is_pure() || tcp_.window != own_.window || !other_.started) return;
  const bool outstanding = sequence_distance(other_.next, tcp_.acknowledgment) > 0 || !state.pieces.empty();
  if (!outstanding) return;
  ++state.metrics.duplicate_acks;
  if (state.duplicate_acks < UINT8_MAX) ++state.duplicate_acks;
}

/// This end has announced another window.
void FlowUpdate::note_window() {
  if (tcp_.has(tcp_flag::kSyn)) return;  // that window is never scaled (RFC 7323 section 2.2)
  LedgerSide& state = *answered_;
  own_.window = tcp_.window;
  state.room = room_of(own_, other_);
  if (tcp_.window != 0) {
    add_time_since(state.zero_window_since_ns, packet_.time_ns, state.metrics.zero_window_ns);
  } else if (state.zero_window_since_ns == 0) {
    state.zero_window_since_ns = packet_.time_ns;
    ++state.metrics.zero_windows;
  }
  if (other_.ack_seen) note_limit_of(other_, state);
}

void FlowUpdate::note_limit_of(const FlowSide& sender, LedgerSide& state) {
  const std::int32_t bytes = flying(sender, state);
  const bool limited = bytes > 0 && sender.started && static_cast<std::uint32_t>(bytes) > state.room;
  if (!limited) {
    add_time_since(state.limited_since_ns, packet_.time_ns, state.metrics.window_limited_ns);
  } else if (state.limited_since_ns == 0) {
    state.limited_since_ns = packet_.time_ns;
  }
}

/// The side that speaks has changed (data to data).
void FlowUpdate::note_close() {
  const bool from_client = direction_ == Direction::kToServer;
  if (tcp_.has(tcp_flag::kRst)) {
    flow_.closing |= from_client ? closing::kClientReset : closing::kServerReset;
    flow_.ended = true;
    if (ledger_ == nullptr) return;
    Reset& reset = ledger_->resets[index_of(direction_)];
    if (!reset.seen())
      reset = {packet_.time_ns, packet_.ip_id, packet_.ttl, own_.packets > 1 ? own_.ttl : std::uint8_t{0}};
    return;
  }
  if (tcp_.has(tcp_flag::kFin)) {
    flow_.closing |= from_client ? closing::kClientFin : closing::kServerFin;
    own_.fin_seen = true;
    own_.fin_sequence = tcp_.sequence + packet_.payload_wire_bytes;
    if (!own_.started) {
      own_.started = true;
      own_.next = own_.fin_sequence;
      if (!own_.ack_seen && !own_.isn_known) own_.start = own_.next;
    }
  }
  if (ledger_ != nullptr && ledger_->session != nullptr)
    for (const Direction each : {Direction::kToServer, Direction::kToClient})
      if (flow_.side(each).finished()) ledger_->session->end_of_stream(each);
  if (own_.finished() && other_.finished()) flow_.ended = true;
}

void FlowUpdate::add_udp() {
  if (direction_ == Direction::kToClient && answered_->spoke_last)
    ledger_->reply.add(time_between(answered_->last_data_ns, packet_.time_ns));
  answered_->spoke_last = false;
  sent_->spoke_last = true;
  sent_->last_data_ns = packet_.time_ns;
  if (ledger_->session == nullptr && !flow_.opaque) open_session();
  if (packet_.payload.size() < packet_.payload_wire_bytes) flow_.flags |= record_flag::kTruncated;
  if (ledger_->session == nullptr) return;
  ledger_->session->datagram(direction_, packet_.payload, packet_.payload_wire_bytes, Stamp::of_datagram(packet_));
}

}  // namespace hoptap::flowtable
