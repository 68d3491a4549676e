#include "flowtable/flow_update.h"

#include <algorithm>

#include "base/hash.h"
#include "flowtable/half_stream.h"
#include "flowtable/retransmission.h"
#include "flowtable/session.h"

namespace hoptap::flowtable {

using decode::Outcome;
namespace tcp_flag = decode::tcp_flag;

namespace {

constexpr std::uint16_t kMssDefault = 536;          // RFC 9293 section 3.7.1
constexpr std::uint8_t kEcnMask = 3, kCongestion = 3;  // RFC 3168 section 5

void add_time_since(std::uint64_t& since_ns, std::uint64_t now_ns, std::uint64_t& sum_ns) {
  if (since_ns == 0) return;
  sum_ns += now_ns - std::min(now_ns, since_ns);
  since_ns = 0;
}

}  // namespace

void settle_windows(LedgerSide& state, std::uint64_t now_ns) {
  add_time_since(state.zero_window_since_ns, now_ns, state.metrics.zero_window_ns);
  add_time_since(state.limited_since_ns, now_ns, state.metrics.window_limited_ns);
}

void FlowUpdate::run() {
  if (own_.packets++ == 0) own_.ttl = packet_.ttl;
  own_.payload_bytes += packet_.payload_wire_bytes;
  flow_.last_ns = std::max(flow_.last_ns, packet_.time_ns);
  if (ledger_ != nullptr) count();
  if (packet_.outcome == Outcome::kTcp) [[likely]] {
    add_tcp();
  } else if (ledger_ != nullptr) {
    add_udp();
  }
}

void FlowUpdate::count() {
  LedgerSide& state = sent();
  DirectionMetrics& metrics = state.metrics;
  if (ledger_->first_ns == 0) ledger_->first_ns = packet_.time_ns;
  ++metrics.packets;
  metrics.bytes += packet_.ip_bytes;
  metrics.payload_bytes += packet_.payload_wire_bytes;
  if ((packet_.traffic_class & kEcnMask) == kCongestion) ++metrics.ecn_congestion;
  if (packet_.ttl != state.ttl) {
    if (state.ttl != 0) ++metrics.ttl_changes;
    state.ttl = packet_.ttl;
  }
}

Session* FlowUpdate::session() {
  if (ledger_->session == nullptr && context_.config.l7 && !flow_.opaque) {
    void* block = context_.memory.allocate(sizeof(Session), alignof(Session));
    ledger_->session = new (block) Session(flow_, *ledger_, context_);
  }
  return ledger_->session;
}

void FlowUpdate::add_tcp() {
  constexpr std::uint8_t kNoted = tcp_flag::kSyn | tcp_flag::kFin | tcp_flag::kRst | tcp_flag::kEce;
  if ((tcp_.flags & kNoted) != 0) note_flags();
  if (tcp_.has(tcp_flag::kAck)) note_acknowledgment();
  if (!tcp_.has(tcp_flag::kRst)) {
    if (ledger_ != nullptr) note_window();
    own_.window = tcp_.window;
    if (ledger_ != nullptr && packet_.payload_wire_bytes > 0) note_data();
    if (ledger_ != nullptr) note_limit();
  }
  if (ledger_ != nullptr && (ledger_->sides[0].hole_since_ns | ledger_->sides[1].hole_since_ns) != 0)
    for (const Direction each : {Direction::kToServer, Direction::kToClient})
      HalfStream(each, flow_, *ledger_, context_).give_up_holes(packet_.time_ns, false);
  if (tcp_.has(tcp_flag::kFin) || tcp_.has(tcp_flag::kRst) || own_.fin_seen || other_.fin_seen) note_close();
}

/// Flags that few segments have.
void FlowUpdate::note_flags() {
  if (ledger_ != nullptr) {
    DirectionMetrics& metrics = sent().metrics;
    metrics.syn += tcp_.has(tcp_flag::kSyn) ? 1 : 0;
    metrics.fin += tcp_.has(tcp_flag::kFin) ? 1 : 0;
    metrics.rst += tcp_.has(tcp_flag::kRst) ? 1 : 0;
    metrics.ecn_echo += tcp_.has(tcp_flag::kEce) && !tcp_.has(tcp_flag::kSyn) ? 1 : 0;
  }
  if (tcp_.has(tcp_flag::kSyn)) note_handshake();
}

void FlowUpdate::note_handshake() {
  const bool is_answer = tcp_.has(tcp_flag::kAck);
  if (is_answer != (direction_ == Direction::kToClient)) return;  // a simultaneous open (RFC 9293 section 3.5)
  ShortTime& seen = is_answer ? flow_.syn_ack : flow_.syn;
  if (seen.known()) {
    if (ledger_ == nullptr) return;
    ++sent().syn_copies;
    ++sent().metrics.syn_retransmissions;
    if (is_answer && flow_.ack.known()) ledger_->overflown = true;
    return;
  }
  flow_.direction_known = true;
  seen = ShortTime::of(packet_.time_ns - std::min(packet_.time_ns, flow_.first_ns));
  own_.start = tcp_.sequence + 1;
  own_.isn_known = true;
  own_.mss = tcp_.mss;
  own_.window_scale = tcp_.has_window_scale ? tcp_.window_scale : 0;
  if (!is_answer) flow_.syn_fingerprint = static_cast<std::uint32_t>(base::hash_bytes(tcp_.options));
  if (!own_.started) {
    own_.started = true;
    own_.next = own_.start;
  }
  if (!flow_.syn.known() || !flow_.syn_ack.known()) return;
  flow_.flags |= record_flag::kHandshakeSeen;
  if (is_answer && ledger_ != nullptr) ledger_->handshake_server.add(flow_.syn_ack.ns() - flow_.syn.ns());
}

/// The client's first plain acknowledgment of the SYN-ACK ends the handshake.
void FlowUpdate::note_client_ack() {
  if (tcp_.acknowledgment != other_.start) return;
  flow_.ack = ShortTime::of(packet_.time_ns - std::min(packet_.time_ns, flow_.first_ns));
  if (ledger_ == nullptr) return;
  ledger_->overflown = false;
  ledger_->handshake_client.add(flow_.ack.ns() - std::min(flow_.ack.ns(), flow_.syn_ack.ns()));
  if (flow_.syn.known()) ledger_->handshake.add(flow_.ack.ns() - flow_.syn.ns());
}

void FlowUpdate::note_acknowledgment() {
  constexpr std::uint8_t kNotPlain = tcp_flag::kSyn | tcp_flag::kFin | tcp_flag::kRst;
  const bool plain = (tcp_.flags & kNotPlain) == 0;
  if (!flow_.ack.known() && plain && direction_ == Direction::kToServer && flow_.syn_ack.known()) note_client_ack();
  if (tcp_.has(tcp_flag::kRst)) return;
  const Direction data = opposite(direction_);
  const std::uint32_t ack = tcp_.acknowledgment;
  if (ledger_ == nullptr) {
    if (!other_.ack_seen && !other_.isn_known) {
      other_.ack_seen = true;
      other_.acked = other_.start = ack;
    }
    return;
  }
  Session* session = ledger_->session;
  if (session != nullptr && own_.started && sequence_distance(tcp_.sequence, own_.next) <= 0)
    session->had_received(direction_, ack);
  const bool pure = packet_.payload_wire_bytes == 0 && plain;
  LedgerSide& state = answered();
  const bool advanced = other_.ack_seen && sequence_distance(ack, other_.acked) > 0;
  if (!advanced) note_duplicate_ack(pure);
  if (tcp_.sack_blocks > 0) {
    state.metrics.sack_blocks += tcp_.sack_blocks;
    state.hole_told = true;
  }
  state.last_window = tcp_.window;
  HalfStream(data, flow_, *ledger_, context_).acknowledged(ack, packet_.time_ns);
  if (advanced) {
    state.duplicate_acks = 0;
    state.hole_told = tcp_.sack_blocks > 0;
  }
  note_round_trips(advanced);
  if (session != nullptr) session->acknowledged(data, ack, packet_.time_ns, pure);
}

/// RFC 5681 section 2: nothing new acknowledged, no data, same window, while data is outstanding.
void FlowUpdate::note_duplicate_ack(bool pure) {
  LedgerSide& state = answered();
  if (!pure || !other_.ack_seen || tcp_.acknowledgment != other_.acked || tcp_.window != state.last_window ||
      !other_.started)
    return;
  if (sequence_distance(HalfStream(opposite(direction_), flow_, *ledger_, context_).highest(), tcp_.acknowledgment) <= 0)
    return;
  ++state.metrics.duplicate_acks;
  if (state.duplicate_acks < UINT8_MAX) ++state.duplicate_acks;
}

void FlowUpdate::note_round_trips(bool advanced) {
  LedgerSide& state = answered();
  const std::uint64_t now_ns = packet_.time_ns;
  if (state.timed_ns != 0 && sequence_distance(tcp_.acknowledgment, state.timed_end) >= 0) {
    const std::uint64_t ns = now_ns - std::min(now_ns, state.timed_ns);
    state.metrics.rtt.add(ns);
    note_round_trip(ns, state);
    state.timed_ns = 0;
  }
  if (tcp_.has_timestamps) {
    if (state.stamped_ns != 0 && sequence_distance(tcp_.tsecr, state.stamped) >= 0) {
      if (tcp_.tsecr == state.stamped && advanced)
        state.metrics.rtt_timestamps.add(now_ns - std::min(now_ns, state.stamped_ns));
      state.stamped_ns = 0;
    }
    LedgerSide& own = sent();
    if (own.stamped_ns == 0 && packet_.payload_wire_bytes > 0 && own.stamped != tcp_.tsval) {
      own.stamped = tcp_.tsval;
      own.stamped_ns = now_ns;
    }
  }
  if (state.answer_due && advanced && sequence_distance(tcp_.acknowledgment, other_.next) >= 0) {
    state.answer_due = false;
    if (direction_ == Direction::kToClient)
      ledger_->server_response.add(now_ns - std::min(now_ns, state.last_data_ns));
  }
}

/// Is the window that this packet announces zero?
void FlowUpdate::note_window() {
  LedgerSide& state = answered();
  const bool closed = tcp_.window == 0 && !tcp_.has(tcp_flag::kSyn);
  if (!closed) {
    add_time_since(state.zero_window_since_ns, packet_.time_ns, state.metrics.zero_window_ns);
  } else if (state.zero_window_since_ns == 0) {
    state.zero_window_since_ns = packet_.time_ns;
    ++state.metrics.zero_windows;
  }
}

/// The window that `receiver` announced last, in bytes; as large as can be when the scale is not known.
std::uint32_t FlowUpdate::receive_window(const FlowSide& receiver, const FlowSide& sender) const {
  if (receiver.window_scale == FlowSide::kNoScale || sender.window_scale == FlowSide::kNoScale) return UINT32_MAX;
  const bool scaled = receiver.window_scale != 0 || sender.window_scale != 0;
  return std::uint32_t{receiver.window} << (scaled ? receiver.window_scale : 0);
}

/// Is less than one segment of the receiver's window free? Asked of the direction whose data or window has changed.
void FlowUpdate::note_limit() {
  const Direction data = packet_.payload_wire_bytes > 0 ? direction_ : opposite(direction_);
  const FlowSide& sender = flow_.side(data);
  const FlowSide& receiver = flow_.side(opposite(data));
  if (!sender.ack_seen || !sender.started) return;
  LedgerSide& state = ledger_->side(data);
  const std::int32_t in_flight = sequence_distance(sender.next, sender.acked);
  if (in_flight <= 0) {
    if (state.limited_since_ns != 0)
      add_time_since(state.limited_since_ns, packet_.time_ns, state.metrics.window_limited_ns);
    return;
  }
  const auto flying = static_cast<std::uint32_t>(in_flight);
  state.metrics.in_flight_bytes_max = std::max(state.metrics.in_flight_bytes_max, flying);
  const std::uint32_t segment = receiver.mss != 0 ? receiver.mss : kMssDefault;
  const std::uint32_t window = receive_window(receiver, sender);
  const bool limited = window < UINT32_MAX && window < flying + segment;
  if (!limited) {
    add_time_since(state.limited_since_ns, packet_.time_ns, state.metrics.window_limited_ns);
  } else if (state.limited_since_ns == 0) {
    state.limited_since_ns = packet_.time_ns;
  }
}

void FlowUpdate::note_data() {
  session();
  const std::uint32_t sequence = tcp_.sequence + (tcp_.has(tcp_flag::kSyn) ? 1 : 0);
  const std::uint32_t end = sequence + packet_.payload_wire_bytes;
  LedgerSide& state = sent();
  HalfStream half(direction_, flow_, *ledger_, context_);
  const bool is_new = !own_.started || sequence_distance(end, half.highest()) > 0;
  half.add({sequence, packet_.payload_wire_bytes, packet_.payload, Stamp::of_segment(packet_)});
  if (!is_new) return;
  note_turn();
  state.last_data_ns = packet_.time_ns;
  state.answer_due = true;
  if (state.timed_ns == 0) {
    state.timed_ns = packet_.time_ns;
    state.timed_end = end;
  }
}

/// The side that speaks has changed (data to data).
void FlowUpdate::note_turn() {
  if (ledger_->spoken && ledger_->spoke == direction_) return;
  const std::uint64_t before_ns = answered().last_data_ns;
  if (ledger_->spoken && before_ns != 0) {
    Times& times = direction_ == Direction::kToClient ? ledger_->application_response : ledger_->client_idle;
    times.add(packet_.time_ns - std::min(packet_.time_ns, before_ns));
  }
  ledger_->spoken = true;
  ledger_->spoke = direction_;
}

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
  LedgerSide& other = answered();
  if (direction_ == Direction::kToClient && ledger_->spoken && ledger_->spoke != direction_)
    ledger_->reply.add(packet_.time_ns - std::min(packet_.time_ns, other.last_data_ns));
  ledger_->spoken = true;
  ledger_->spoke = direction_;
  sent().last_data_ns = packet_.time_ns;
  if (Session* session = this->session()) session->datagram(direction_, packet_.payload, Stamp::of_datagram(packet_));
}

}  // namespace hoptap::flowtable
