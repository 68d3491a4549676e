#include "appliance/forge/endpoint.h"

#include <algorithm>
#include <utility>

#include "appliance/forge/connection.h"
#include "appliance/forge/network.h"

namespace hoptap::forge {
namespace {

constexpr std::uint16_t kWindowFirst = 64240;  ///< Linux's, not scaled
constexpr std::uint16_t kWindow = 502;         ///< scaled: 64,256 bytes
constexpr std::uint8_t kWindowScale = 7;
constexpr std::uint32_t kTimestampBytes = 12;
constexpr int kHandshakeTriesMax = 6;

}  // namespace

Endpoint::Endpoint(EventQueue& queue, Network& network, Connection& connection, Program& program,
                   const EndpointConfig& config)
    : queue_(queue),
      network_(network),
      connection_(connection),
      program_(program),
      config_(config),
      resend_(queue, *this, kResend),
      delayed_ack_(queue, *this, kDelayedAck),
      handshake_(queue, *this, kHandshake),
      reopen_(queue, *this, kReopen) {}

Stream& Endpoint::stream_out() { return connection_.stream(config_.toward); }
Stream& Endpoint::stream_in() { return connection_.stream(opposite(config_.toward)); }
Endpoint& Endpoint::peer() { return connection_.receiver(config_.toward); }

// ---- what the program asks for ----

void Endpoint::connect() {
  state_ = State::kSynSent;
  send_syn();
}

void Endpoint::write(std::uint64_t upto) {
  if (state_ != State::kEstablished) return;
  sender_.write(queue_.now(), upto);
  set_alarm();
}

void Endpoint::close() {
  if (state_ != State::kEstablished || closing_) return;
  closing_ = true;
  sender_.close(queue_.now());
  set_alarm();
}

void Endpoint::abort() {
  if (!alive()) return;
  Packet& packet = make(kRst | kAck);
  packet.from = sender_.next();
  packet.sequence = config_.initial_sequence + 1 + static_cast<std::uint32_t>(packet.from);
  send(packet);
  end_by_reset();
}

void Endpoint::close_window(Time closed_for) {
  window_closed_ = true;
  closed_for_ = closed_for;
}

// ---- packets out ----

Packet& Endpoint::make(std::uint8_t flags) {
  Packet& packet = network_.make(connection_);
  packet.toward = config_.toward;
  packet.quiet = connection_.quiet;
  const bool is_client = config_.toward == Toward::kServer;
  packet.source = is_client ? connection_.client_address : connection_.server_address;
  packet.target = is_client ? connection_.target_address : connection_.peer_seen_by_server;
  packet.flags = flags;
  packet.ip_id = config_.ip_id++;
  packet.from = sender_.next();
  packet.sequence = config_.initial_sequence + 1 + static_cast<std::uint32_t>(packet.from);
  packet.transmission = ++transmissions_;
  packet.window = window_closed_ ? 0 : kWindow;
  if (packet.has(kAck)) {
    packet.acknowledged = receiver_.next();
    packet.acknowledgment = peer_initial_sequence_ + 1 + static_cast<std::uint32_t>(packet.acknowledged);
  }
  packet.timestamps = timestamps_;
  if (timestamps_) {
    packet.tsval = config_.timestamp_offset + static_cast<std::uint32_t>(queue_.now() / kMillisecond);
    packet.tsecr = echo_;
  }
  return packet;
}

void Endpoint::send_syn() {
  const bool is_client = state_ == State::kSynSent;
  if (is_client) timestamps_ = config_.timestamps;
  Packet& packet = make(is_client ? kSyn : kSyn | kAck);
  packet.sequence = config_.initial_sequence;
  packet.window = kWindowFirst;
  packet.mss = static_cast<std::uint16_t>(config_.mss + (config_.timestamps ? kTimestampBytes : 0));
  packet.window_scale = kWindowScale;
  packet.sack_permitted = true;
  if (!is_client) packet.ip_id = 0;
  if (handshake_tries_++ == 0) handshake_sent_ = queue_.now();
  handshake_.set(queue_.now() + (kSecond << (handshake_tries_ - 1)));
  send(packet);
}

void Endpoint::send(Packet& packet) {
  if (packet.has(kAck)) {
    receiver_.acknowledged(queue_.now(), packet.bytes > 0, config_.delayed_ack);
    last_acknowledgment_ = packet.acknowledged;
    delayed_ack_.stop();
  }
  network_.send(packet);
}

void Endpoint::send_ack() {
  Packet& packet = make(kAck);
  if (sack_) packet.sack_count = receiver_.sack_blocks(packet.sacks);
  for (std::size_t i = 0; i < packet.sack_count; ++i)
    packet.sacks[i].sequence = peer_initial_sequence_ + 1 + static_cast<std::uint32_t>(packet.sacks[i].from);
  send(packet);
}

void Endpoint::send_piece(std::uint64_t from, std::uint64_t end, Cause cause) {
  const std::uint64_t written = sender_.written();
  Packet& packet = make(kAck);
  packet.from = from;
  packet.sequence = config_.initial_sequence + 1 + static_cast<std::uint32_t>(from);
  packet.bytes = static_cast<std::uint32_t>(std::min(end, written) - from);
  if (end > written) packet.flags |= kFin;
  if (packet.bytes > 0 && end >= written) packet.flags |= kPsh;
  const std::uint32_t segments = packet.bytes == 0 ? 1 : (packet.bytes + payload_max() - 1) / payload_max();
  config_.ip_id = static_cast<std::uint16_t>(config_.ip_id + segments - 1);
  receiver_.acknowledged(queue_.now(), packet.bytes > 0, config_.delayed_ack);
  last_acknowledgment_ = packet.acknowledged;
  delayed_ack_.stop();
  const Time time = network_.send(packet);
  note_sent(packet, cause, time);
}

void Endpoint::send_window_probe() {  // Linux: an acknowledged byte's number, and no byte
  Packet& packet = make(kAck);
  packet.sequence -= 1;
  const Time time = network_.send(packet);
  end_ack_loss();
  const Message* message = stream_out().find(sender_.next());
  if (message == nullptr || message->exchange == nullptr) return;
  message->exchange->resent.push_back({.connection = &connection_,
                                       .is_request = message->is_request,
                                       .cause = Cause::kWindowProbe,
                                       .time = time,
                                       .was_needed = true});
}

/// RFC 9293 section 3.10.7.1: for a segment that belongs to no connection.
void Endpoint::answer_with_reset(const Packet& packet) {
  Packet& reset = make(kRst);
  reset.ip_id = 0;
  reset.window = 0;
  reset.timestamps = false;
  reset.sequence = packet.acknowledgment;
  network_.send(reset);
}

// ---- packets in ----

void Endpoint::receive(const Packet& packet) {
  if (packet.has(kRst)) {
    if (alive()) {
      end_by_reset();
      program_.on_reset(connection_);
    }
    return;
  }
  if (state_ == State::kReset) return answer_with_reset(packet);
  if (!take_handshake(packet)) return;
  if (timestamps_ && packet.timestamps && packet.from <= last_acknowledgment_) echo_ = packet.tsval;
  take_acknowledgment(packet);
  if (state_ == State::kEstablished) take_data(packet);
  set_alarm();
}

/// True when the packet is for an established connection.
bool Endpoint::take_handshake(const Packet& packet) {
  const bool syn = packet.has(kSyn);
  switch (state_) {
    case State::kClosed:
      if (!syn || packet.has(kAck)) return false;
      learn(packet);
      connection_.peer_seen_by_server = packet.source;
      state_ = State::kSynReceived;
      send_syn();
      return false;
    case State::kSynSent:
      if (!syn || !packet.has(kAck)) return false;
      learn(packet);
      establish();
      send_ack();
      sender_.start(queue_.now(), {.mss = payload_max(),
                                   .burst_bytes = config_.burst_bytes,
                                   .window = packet.window,
                                   .round_trip = handshake_tries_ == 1 ? queue_.now() - handshake_sent_ : 0});
      program_.on_established(connection_);
      set_alarm();
      return false;
    case State::kSynReceived:
      if (syn) {
        if (!packet.has(kAck)) send_syn();
        return false;
      }
      establish();
      sender_.start(queue_.now(), {.mss = payload_max(),
                                   .burst_bytes = config_.burst_bytes,
                                   .window = std::uint32_t{packet.window} << kWindowScale,
                                   .round_trip = handshake_tries_ == 1 ? queue_.now() - handshake_sent_ : 0});
      program_.on_established(connection_);
      return true;
    case State::kEstablished:
      if (syn) send_ack();  // the other end has not heard that we have heard
      return !syn;
    case State::kReset: return false;
  }
  return false;
}

void Endpoint::learn(const Packet& syn) {
  peer_initial_sequence_ = syn.sequence;
  peer_mss_option_ = syn.mss;
  timestamps_ = config_.timestamps && syn.timestamps;
  sack_ = syn.sack_permitted;
  echo_ = syn.tsval;
}

void Endpoint::establish() {
  state_ = State::kEstablished;
  handshake_.stop();
  receiver_.start(payload_max());
}

std::uint32_t Endpoint::payload_max() const {
  const std::uint32_t own = config_.mss + (config_.timestamps ? kTimestampBytes : 0);
  return std::min(own, peer_mss_option_) - (timestamps_ ? kTimestampBytes : 0);
}

void Endpoint::take_acknowledgment(const Packet& packet) {
  if (!packet.has(kAck)) return;
  const std::uint64_t before = sender_.acknowledged();
  sender_.acknowledge(queue_.now(), packet.acknowledged, std::uint32_t{packet.window} << kWindowScale,
                      std::span(packet.sacks).first(packet.sack_count));
  if (sender_.acknowledged() > before) program_.on_acknowledged(connection_, sender_.acknowledged());
}

void Endpoint::take_data(const Packet& packet) {
  const std::uint64_t end = packet.from + packet.bytes + (packet.has(kFin) ? 1 : 0);
  if (end == packet.from) {
    if (packet.sequence + 1 == peer_initial_sequence_ + 1 + static_cast<std::uint32_t>(packet.from)) send_ack();
    return;  // but for a window probe, nothing to say
  }
  note_delivery(packet);
  if (packet.has(kFin)) fin_at_ = packet.from + packet.bytes;
  const std::uint64_t before = receiver_.next();
  Receiver::Answer answer = receiver_.take(queue_.now(), packet.from, end);
  if (window_closed_ || packet.has(kFin)) answer = Receiver::Answer::kNow;
  if (packet.has(kFin) && receiver_.next() > fin_at_ && !peer_closed_) {
    peer_closed_ = true;
    program_.on_peer_closed(connection_);  // its FIN carries the acknowledgment
    if (last_acknowledgment_ == receiver_.next()) answer = Receiver::Answer::kNone;
  }
  if (answer == Receiver::Answer::kNow) send_ack();
  if (answer == Receiver::Answer::kDelayed && !delayed_ack_.running())
    delayed_ack_.set(queue_.now() + config_.delayed_ack);
  if (receiver_.next() > before) program_.on_received(connection_, std::min(receiver_.next(), fin_at_));
}

bool Endpoint::is_over() const {
  if (alive() && !(sender_.done() && peer_closed_)) return false;
  return !resend_.planned() && !delayed_ack_.planned() && !handshake_.planned() && !reopen_.planned();
}

void Endpoint::end_by_reset() {
  state_ = State::kReset;
  sender_.stop();
  for (Timer* timer : {&resend_, &delayed_ack_, &handshake_, &reopen_}) timer->stop();
}

// ---- time ----

void Endpoint::set_alarm() {
  if (!alive()) return;
  const Time due = sender_.deadline();
  if (due < 0) {
    resend_.stop();
  } else {
    resend_.set(due);
  }
}

void Endpoint::happen(std::uint64_t alarm) {
  switch (alarm) {
    case kResend:
      if (!resend_.rang()) return;
      sender_.expire(queue_.now());
      set_alarm();
      return;
    case kDelayedAck:
      if (!delayed_ack_.rang()) return;
      receiver_.timer_expired();
      send_ack();
      return;
    case kHandshake:
      if (!handshake_.rang()) return;
      if (handshake_tries_ > kHandshakeTriesMax) return give_up();
      send_syn();
      return;
    case kReopen:
      if (!reopen_.rang()) return;
      window_closed_ = false;
      send_ack();
      return;
    default: return;
  }
}

void Endpoint::give_up() {
  if (!alive()) return;
  end_by_reset();
  program_.on_reset(connection_);
}

void Endpoint::blocked(bool is_blocked) {
  const Time now = queue_.now();
  if (is_blocked) {
    const Message* message = stream_out().find(sender_.next());
    // Time before a request's first byte is not part of its response time.
    const bool counts =
        message != nullptr && message->exchange != nullptr && (!message->is_request || message->exchange->started);
    waiting_ = counts ? message->exchange : nullptr;
    blocked_since_ = now;
    Endpoint& other = peer();
    if (other.window_closed_ && !other.reopen_.running()) other.reopen_.set(now + other.closed_for_);
    return;
  }
  if (Exchange* exchange = std::exchange(waiting_, nullptr)) exchange->zero_window += now - blocked_since_;
}

// ---- the truth ----

/// Acknowledgments are lost until the sender has felt it.
void Endpoint::end_ack_loss() {
  Exchange* exchange = connection_.ack_loss;
  if (exchange != nullptr && exchange->fault_done && config_.toward == Toward::kClient)
    exchange->resent_after_ack_loss = true;
}

void Endpoint::note_sent(const Packet& packet, Cause cause, Time time) {
  if (cause != Cause::kNew) end_ack_loss();
  stream_out().each(packet.from, packet.from + packet.bytes,
                    [&](const Message& message, std::uint64_t from, std::uint64_t end) {
                      Exchange& exchange = *message.exchange;
                      if (cause == Cause::kNew) {
                        if (message.is_request && !exchange.started) {
                          exchange.started = true;
                          exchange.start = time;
                        }
                        return;
                      }
                      exchange.resent.push_back({.connection = &connection_,
                                                 .is_request = message.is_request,
                                                 .cause = cause,
                                                 .time = time,
                                                 .from = from,
                                                 .end = end,
                                                 .transmission = packet.transmission,
                                                 .came_before = peer().receiver_.has(from, end),
                                                 .was_needed = false});
                    });
}

void Endpoint::note_delivery(const Packet& packet) {
  stream_in().each(packet.from, packet.from + packet.bytes,
                   [&](const Message& message, std::uint64_t from, std::uint64_t end) {
                     for (Resent& resent : message.exchange->resent) {
                       const std::uint64_t first = std::max(from, resent.from);
                       const std::uint64_t last = std::min(end, resent.end);
                       if (resent.connection != &connection_ || resent.is_request != message.is_request ||
                           first >= last || receiver_.has(first, last))
                         continue;
                       (packet.transmission < resent.transmission ? resent.came_before : resent.was_needed) = true;
                     }
                   });
}

}  // namespace hoptap::forge
