#include "flowtable/session.h"

#include <algorithm>

#include "base/hash.h"

namespace hoptap::flowtable {

using base::Bytes;
using decode::l7::kOpaqueParser;
using decode::l7::kToTheTurn;
using decode::l7::Message;
using decode::l7::Pairing;
using decode::l7::Parser;
using decode::l7::parsers;
using decode::l7::ParserState;
using decode::l7::ParseStep;
using decode::l7::Probe;
using decode::l7::Step;

namespace {
constexpr std::size_t kProbeBytesMax = 4096;  // a protocol that cannot be told from so many is opaque
constexpr std::uint8_t kTurnsProbedMax = 64;  // turns of an opaque leg at which detection is tried again
constexpr std::size_t kHashedHeadBytes = 256;
constexpr std::size_t kMarksMax = 1024;  // segments that one message head may come in

/// The protocol that makes a message of these first bytes, behind which nothing was captured.
const Parser* probe_cut(Bytes first, Direction direction, std::uint16_t server_port, bool is_segment,
                        Message& message) {
  for (const Parser* parser : parsers()) {
    if (parser->datagram || parser->probe(first, direction, server_port) == Probe::kNo) continue;
    message.renew();
    ParserState state{.is_cut = true, .is_segment = is_segment};
    if (parser->parse(first, direction, state, message).step == Step::kMessage) return parser;
  }
  return nullptr;
}

/// The protocol that recognises these first bytes; `maybe` tells that more bytes might decide it.
const Parser* probe_all(Bytes first, Direction direction, std::uint16_t server_port, bool datagram, bool& maybe) {
  maybe = false;
  for (const Parser* parser : parsers()) {
    if (parser->datagram != datagram) continue;
    const Probe answer = parser->probe(first, direction, server_port);
    if (answer == Probe::kYes) return parser;
    maybe = maybe || answer == Probe::kMaybe;
  }
  return nullptr;
}
}  // namespace

Session::Session(Flow& flow, Ledger& ledger, TableContext& context)
    : flow_(flow),
      context_(context),
      exchanges_(flow, ledger, context),
      sides_({Side(Direction::kToServer, &context.memory), Side(Direction::kToClient, &context.memory)}) {
  sides_[0].other = &sides_[1];
  sides_[1].other = &sides_[0];
}

Session::~Session() {
  for (Side& side : sides_) {
    release_held(side, side.held.size());
    drop_marks(side);
  }
}

std::optional<Direction> Session::spoken_direction(Bytes first, std::uint16_t source_port, std::uint16_t target_port) {
  bool maybe = false;
  const bool as_client = probe_all(first, Direction::kToServer, target_port, false, maybe) != nullptr;
  const bool as_server = probe_all(first, Direction::kToClient, source_port, false, maybe) != nullptr;
  if (as_client == as_server) return std::nullopt;
  return as_client ? Direction::kToServer : Direction::kToClient;
}

void Session::deliver(Direction direction, Bytes bytes, std::uint32_t sequence, const Stamp& stamp) {
  take(side(direction), bytes, sequence, stamp);
}

/// A plain packet with data. advances: it acknowledges more than any did before.
[[gnu::noinline]] void Session::deliver_segment(const decode::Decoded& packet, Side& sent, bool advances) {
  if (advances) {
    Side& answered = *sent.other;
    sent.own_ack = packet.tcp.acknowledgment;
    sent.own_ack_known = true;
    answered.acked = packet.tcp.acknowledgment;
    answered.acked_ns = packet.time_ns;
    exchanges_.acknowledged(answered.direction, packet.tcp.acknowledgment, packet.time_ns);
  }
  take(sent, packet.payload, packet.tcp.sequence, Stamp::of_segment(packet));
}

void Session::take(Side& side, Bytes bytes, std::uint32_t sequence, const Stamp& stamp) {
  if (busy_) begin_turn(side, bytes, stamp);
  side.seen = true;
  note_data(side, stamp.time_ns);
  side.latest_ns = std::max(side.latest_ns, stamp.time_ns);
  if (busy_ && !side.held.empty()) {
    take_behind_held(side, bytes, sequence, stamp);
  } else {
    side.sequence = sequence;
    side.mark = {sequence, stamp, side.latest_ns};
    if (!side.more_marks.empty()) [[unlikely]]
      drop_marks(side);
    bytes = bytes.subspan(skip(side, bytes.size()));
    if (bytes.empty()) return;
    const std::size_t used = parse(side, bytes);
    if (used < bytes.size()) hold(side, bytes.subspan(used));
  }
  if (busy_) rest(side);
  exchanges_.take_finished(false);
}

[[gnu::noinline]] void Session::take_behind_held(Side& side, Bytes bytes, std::uint32_t sequence, const Stamp& stamp) {
  forget_marks(side);
  side.more_marks.push_back({sequence, stamp, side.latest_ns});
  count_marks(side);
  hold(side, bytes);
  pump(side);
}

/// What this side has brought may be what bytes of the other have waited for.
[[gnu::noinline]] void Session::rest(Side& side) {
  if (!side.other->held.empty()) pump(*side.other);
  if (side.held.empty() && !side.more_marks.empty()) {
    side.mark = side.more_marks.back();
    drop_marks(side);
  }
  const auto waits = [](const Side& each) { return !each.held.empty() || each.to_skip == kToTheTurn; };
  busy_ = is_opaque() || waits(sides_[0]) || waits(sides_[1]);
}

/// A plain packet without data.
[[gnu::noinline]] void Session::add_acknowledgment(const decode::Decoded& packet, Side& sent) {
  const std::uint32_t ack = packet.tcp.acknowledgment;
  if (sequence_distance(packet.tcp.sequence, flow_.side(sent.direction).next) <= 0) note_received(sent, ack);
  acknowledged(*sent.other, ack, packet.time_ns, true);
}

/// They count among what is held: a head that comes byte by byte has more of them than bytes.
void Session::count_marks(Side& side) {
  const std::size_t bytes = side.more_marks.capacity() * sizeof(Mark);
  context_.held_bytes += bytes - side.mark_bytes;
  side.mark_bytes = static_cast<std::uint32_t>(bytes);
}

void Session::drop_marks(Side& side) {
  side.more_marks = std::pmr::vector<Mark>(side.more_marks.get_allocator());
  count_marks(side);
}

/// Forgets the segments all of whose bytes have been taken.
void Session::forget_marks(Side& side) {
  auto& more = side.more_marks;
  const auto current = first_mark_from(side, side.sequence + 1);
  if (current == more.begin()) return;
  side.mark = *std::prev(current);
  const bool many = 2 * (current - more.begin()) >= std::ssize(more);  // few are left to be moved
  if (many || more.size() >= kMarksMax) more.erase(more.begin(), current);
}

/// Gives the held bytes to the parser once more.
void Session::pump(Side& side) {
  if (side.pumping || side.held.empty()) return;
  side.pumping = true;
  const std::size_t used = parse(side, side.held.bytes());
  side.pumping = false;
  release_held(side, used);
}

void Session::hold(Side& side, Bytes bytes) {
  busy_ = true;
  const std::size_t limit = std::min(context_.config.head_bytes_max, context_.config.held_bytes_flow_max);
  const bool fits = side.held.size() + bytes.size() <= limit && side.more_marks.size() < kMarksMax &&
                    context_.held_bytes + bytes.size() <= context_.config.held_bytes_max;
  if (!fits) {  // longer than any message head we wait for
    context_.counters.held_refused_bytes += bytes.size();
    drop_held(side, side.held.size());
    advance(side, bytes.size());
    lose_place(side);
    return;
  }
  side.held.append(bytes);
  context_.held_bytes += bytes.size();
}

/// Forgets held bytes that were never parsed.
void Session::drop_held(Side& side, std::size_t count) {
  context_.counters.unparsed_bytes += count;
  advance(side, count);
  release_held(side, count);
}

/// Behind what is held the segment was cut: the parser tells what it can.
void Session::pump_cut(Side& side) {
  state_.is_cut = true;
  state_.is_segment = begins_segment(side);
  pump(side);
  state_.is_cut = false;
  if (side.to_skip == kToTheTurn) doubt_place(side);
}

void Session::release_held(Side& side, std::size_t count) {
  side.held.take(count);
  context_.held_bytes -= count;
}

std::size_t Session::skip(Side& side, std::size_t available) {
  if (side.to_skip == 0) return 0;
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(side.to_skip, available));
  advance(side, count);
  if (side.to_skip >= kToTheTurn) return count;
  side.to_skip -= count;
  if (side.to_skip == 0 && !side.more) finish(side);
  return count;
}

/// Parses as far as the bytes allow; none of them is to be passed over. @return how many were taken
std::size_t Session::parse(Side& side, Bytes bytes) {
  std::size_t used = 0;
  while (used < bytes.size()) {
    const Bytes rest = bytes.subspan(used);
    if (parser_ == nullptr && !detect(side, rest)) break;
    if (is_opaque() && !redetect_turn(side, rest)) break;
    if (!side.placed) {
      used += find_place(side, rest);
      if (!side.placed) break;
      continue;
    }
    Message& message = context_.message;
    message.renew();
    state_.hint = 0;
    if (exchanges_.has_hints() && side.direction == Direction::kToClient && parser_->pairing == Pairing::kOrder &&
        !side.in_message)
      state_.hint = exchanges_.next_hint(
          {.direction = side.direction, .sequence = side.sequence, .stamp = stamp_at(side, side.sequence)});
    const ParseStep step = parser_->parse(rest, side.direction, state_, message);
    if (step.step == Step::kNeedMore) break;
    if (step.step == Step::kInvalid || step.consumed == 0) {
      used += resume(side);
      continue;
    }
    if (step.step == Step::kMessage) begin(side, message, rest);
    if (step.step == Step::kEnd) side.more = false;
    side.to_skip = step.consumed;  // of which some may not be at hand yet
    used += skip(side, rest.size());
  }
  return used;
}

/// What is at hand is not of the protocol: a leg that never spoke it is opaque, another has lost its place.
/// @return bytes passed over
[[gnu::noinline]] std::size_t Session::resume(Side& side) {
  if (messages_ == 0) {
    use(kOpaqueParser);
    turns_probed_ = kTurnsProbedMax;  // what looked like a protocol and was none will look like it again
    settle_turn(*side.other, stamp_at(side, side.sequence).time_ns);
    return 0;
  }
  ++context_.counters.resyncs;
  abandon(side);
  ++context_.counters.unparsed_bytes;
  advance(side, 1);
  lose_place(side);
  return 1;
}

/// Looks for the next message start. @return bytes passed over
std::size_t Session::find_place(Side& side, Bytes bytes) {
  if (side.turn_goes_on) return find_place_in_turn(side, bytes);
  const std::size_t offset = std::min(parser_->resync(bytes, side.direction, state_), bytes.size());
  context_.counters.unparsed_bytes += offset;
  advance(side, offset);
  side.placed = offset < bytes.size();
  return offset;
}

/// The same in a turn whose messages nobody can count: only where a segment begins, else bytes that look like the
/// beginning of a message would end it.
std::size_t Session::find_place_in_turn(Side& side, Bytes bytes) {
  side.placed = begins_segment(side) && parser_->probe(bytes, side.direction, server_port()) == Probe::kYes;
  side.turn_goes_on = !side.placed;
  if (side.placed) return 0;
  pass_unread(side, bytes.size());
  return bytes.size();
}

/// The protocol of these first bytes of a message, null when it is none; nothing when more bytes might tell.
std::optional<const Parser*> Session::recognise(const Side& side, Bytes first) {
  bool maybe = false;
  const Parser* found = probe_all(first, side.direction, server_port(), false, maybe);
  if (found != nullptr || !maybe || undetectable_ || first.size() >= kProbeBytesMax) return found;
  if (state_.is_cut) return probe_cut(first, side.direction, server_port(), state_.is_segment, context_.message);
  return std::nullopt;
}

/// Chooses the protocol. @return false when more bytes are needed
bool Session::detect(Side& side, Bytes first) {
  const auto found = recognise(side, first);
  if (!found) return false;
  use(*found != nullptr ? **found : kOpaqueParser);
  if (is_opaque()) settle_turn(*side.other, stamp_at(side, side.sequence).time_ns);
  return true;
}

/// An opaque leg picked up in the middle, or one that changed its protocol, may become known when a turn
/// begins. @return false when more bytes of the turn might tell
bool Session::redetect_turn(Side& side, Bytes first) {
  if (settling_) return true;
  if (messages_ == 0 || turn_ != side.direction) {
    turn_ = side.direction;
    const bool hides_question = was_cut_ && side.direction == Direction::kToClient;  // which would lose its answer
    turn_settled_ = turns_probed_ >= kTurnsProbedMax || hides_question;
    if (!turn_settled_) ++turns_probed_;
  }
  if (turn_settled_) return true;
  const auto found = recognise(side, first);
  if (!found) return false;
  turn_settled_ = true;
  if (*found == nullptr) return true;
  use(**found);
  exchanges_.restart();
  for (Side& each : sides_) each.placed = true;
  return true;
}

/// Bytes of an opaque turn that waited for more and came before `time_ns`: the turn is over, they are a message.
void Session::settle_turn(Side& side, std::uint64_t time_ns) {
  if (side.held.empty() || stamp_at(side, side.sequence).time_ns > time_ns) return;
  settling_ = true;
  pump(side);
  settling_ = false;
}

/// This side speaks: the other one's turn is over. So is a message of its own that was left to the turn, when it has
/// heard of an answer meanwhile, or when it begins another one (pipelined).
[[gnu::noinline]] void Session::begin_turn(Side& side, Bytes bytes, const Stamp& stamp) {
  Side& other = *side.other;
  if (is_opaque()) settle_turn(other, stamp.time_ns);
  if (other.to_skip == kToTheTurn) finish_at_turn(other);
  if (side.to_skip != kToTheTurn || side.direction != Direction::kToServer) return;
  const bool has_heard = stamp.has_ack && sequence_distance(stamp.ack, side.begin_ack) > 0;
  const bool pipelines =
      !has_heard && side.is_head && parser_->probe(bytes, side.direction, server_port()) == Probe::kYes;
  if (pipelines) exchanges_.pipelines();
  if (has_heard || pipelines) finish_at_turn(side);
}

/// Should more of the message come, for the other side has spoken early, it is no message start.
void Session::finish_at_turn(Side& side) {
  finish(side);
  side.placed = parser_ == nullptr;  // behind an upgrade
}

/// What tells where the open message ends was not captured.
void Session::leave_end_to_turn(Side& side) {
  parser_->resync({}, side.direction, state_);
  side.more = false;
  side.to_skip = kToTheTurn;
  busy_ = true;
  doubt_place(side);
}

/// What passed unseen on `side` may be the end of its own turn and of the other's.
void Session::end_turns_at_hole(Side& side) {
  if (side.to_skip == kToTheTurn) {
    side.in_gap = true;
    finish(side);
    side.in_gap = false;
  }
  if (side.other->to_skip == kToTheTurn) finish_at_turn(*side.other);
}

void Session::settle() { exchanges_.take_finished(true); }

/// Sequence number up to which a direction was received, parsed or not.
std::uint32_t Session::received(const Side& side) const {
  if (side.seen) return side.sequence + static_cast<std::uint32_t>(side.held.size());
  return flow_.side(side.direction).isn() + 1;
}

void Session::use(const Parser& parser) {
  parser_ = &parser;
  state_ = ParserState{.is_cut = state_.is_cut, .is_segment = state_.is_segment};
  messages_ = 0;
  encrypted_ = handshake_ = false;
  protocol_ = parser.name;
  busy_ = busy_ || is_opaque();
}

void Session::begin(Side& side, const Message& message, Bytes bytes) {
  ++messages_;
  MessageStart start{.direction = side.direction,
                     .sequence = side.sequence,
                     .answered_to = received(*side.other),
                     .answered_known = side.other->seen || handshake_seen(),
                     .head_hash = 0,
                     .stamp = stamp_at(side, side.sequence)};
  const std::size_t hashed_bytes = std::min(message.head_bytes, kHashedHeadBytes);
  if (hashed_bytes <= bytes.size()) start.head_hash = base::hash_bytes(bytes.first(hashed_bytes));
  side.open = exchanges_.begin(*parser_, message, start);
  side.begin_ack = start.stamp.ack;
  side.in_message = true;
  side.more = message.more;
  side.upgrades = message.upgrades;
  side.is_head = message.is_head;
  encrypted_ = message.encrypted;
  handshake_ = message.handshake;
}

/// The open message has ended at side.sequence.
void Session::finish(Side& side) {
  side.to_skip = 0;
  side.more = false;
  if (!side.in_message) return;
  side.in_message = false;
  if (Exchange* exchange = side.open) {
    exchanges_.end(*exchange, side.direction, passed_ns(side), side.sequence);
    if (side.in_gap)
      exchange->record.flags |=
          exchange->asks(side.direction) ? record_flag::kRequestEndUnseen : record_flag::kResponseEndUnseen;
    MessageRecord& message = exchange->message(side.direction);
    if (side.wait.longest_ns > message.ack_wait_ns) {
      message.ack_wait_ns = side.wait.longest_ns;
      message.ack_release_ns = side.wait.release_ns;
    }
    // A message that lasts to the close may have been acknowledged before it was known to have ended.
    if (side.acked_ns != 0 && message.ack_ns == 0 && sequence_distance(side.acked, side.sequence) >= 0)
      message.ack_ns = std::max(side.acked_ns, message.last_ns);
  }
  side.open = nullptr;
  side.wait = {side.wait.last_data_ns};
  if (side.upgrades) upgrade();
}

/// The open message is given up where it is.
void Session::abandon(Side& side) {
  if (Exchange* exchange = side.open) {
    exchanges_.end(*exchange, side.direction, passed_ns(side), side.sequence);
    exchange->record.flags |= record_flag::kIncomplete;
  }
  side.open = nullptr;
  side.in_message = side.more = side.upgrades = false;
  side.to_skip = 0;
}

void Session::lose_place(Side& side) {
  side.placed = side.turn_goes_on = false;
  doubt_place(side);
}

/// Messages of this side may have passed that nobody saw.
void Session::doubt_place(const Side& side) {
  exchanges_.lost_place(side.direction, side.own_ack_known ? side.own_ack : received(*side.other));
}

/// Both directions speak another protocol from here on.
void Session::upgrade() {
  parser_ = nullptr;
  exchanges_.restart();
  for (Side& side : sides_) {
    side.upgrades = false;
    side.placed = true;
  }
}

void Session::cut(Direction direction, std::uint64_t count) {
  Side& side = this->side(direction);
  was_cut_ = true;
  if (!side.held.empty()) pump_cut(side);
  if (parser_ == nullptr) {
    use(kOpaqueParser);
    settle_turn(*side.other, side.mark.stamp.time_ns);
  }
  if (parser_->pairing == Pairing::kTurn) {
    cut_turn(side, count);
  } else {
    cut_message(side, count);
  }
  rest(side);
  exchanges_.take_finished(false);
}

void Session::cut_message(Side& side, std::uint64_t count) {
  if (!side.held.empty() && !goes_on(side)) {
    drop_held(side, side.held.size());
    lose_place(side);
  }
  const std::uint64_t unread = side.held.size() + count;
  release_held(side, side.held.size());
  note_gap(side);
  const std::size_t skipped = skip(side, unread);
  if (skipped == unread) return;
  if (!goes_on(side)) return leave_unseen(side, unread - skipped);
  advance(side, unread - skipped);
  leave_end_to_turn(side);
}

/// A turn needs no bytes to be read: it begins or goes on with those that were not captured, and with what lies behind
/// them until a message start is found.
void Session::cut_turn(Side& side, std::uint64_t count) {
  const std::uint64_t unread = side.held.size() + count;
  release_held(side, side.held.size());
  const std::size_t skipped = skip(side, unread);
  if (skipped == unread) return;
  pass_unread(side, unread - skipped);
  side.turn_goes_on = !is_opaque();
  side.placed = is_opaque();
}

/// Bytes of a turn, whatever they are.
void Session::pass_unread(Side& side, std::uint64_t count) {
  if (is_opaque() && (messages_ == 0 || turn_ != side.direction)) {
    turn_ = side.direction;
    turn_settled_ = true;
  }
  Message& message = context_.message;
  message.renew();
  message.kind = side.direction == Direction::kToServer ? decode::l7::Kind::kRequest : decode::l7::Kind::kResponse;
  message.encrypted = encrypted_;
  message.handshake = handshake_;
  message.head_bytes = Message::kBeyond;
  begin(side, message, {});
  if (is_opaque()) forget_partial_hash(side);
  side.to_skip = count;
  skip(side, count);
}

/// That of as much of the segment as was captured is not that of its first bytes.
void Session::forget_partial_hash(const Side& side) {
  if (side.open == nullptr) return;
  MessageRecord& message = side.open->message(side.direction);
  const bool begins_here = sequence_distance(message.sequence, side.mark.sequence) >= 0;
  if (begins_here && side.sequence - message.sequence < kHashedHeadBytes) message.head_hash = 0;
}

void Session::gap(Direction direction, std::uint32_t sequence, std::uint64_t count) {
  Side& side = this->side(direction);
  if (!side.held.empty()) {
    drop_held(side, side.held.size());
    lose_place(side);
  }
  side.seen = true;
  side.sequence = sequence;
  note_gap(side);
  end_turns_at_hole(side);
  side.in_gap = true;
  const std::size_t skipped = skip(side, count);
  side.in_gap = false;
  if (skipped < count) leave_unseen(side, count - skipped);
}

void Session::note_gap(Side& side) {
  if (side.open == nullptr) return;
  side.open->record.flags |=
      side.direction == Direction::kToServer ? record_flag::kRequestGap : record_flag::kResponseGap;
}

/// What was not captured reaches beyond what is known of the open message, by `count` bytes.
void Session::leave_unseen(Side& side, std::uint64_t count) {
  abandon(side);
  advance(side, count);
  lose_place(side);
  if (parser_ == nullptr) side.placed = true;  // nothing is known of message starts yet
  // An answer that the other direction waits for may have been lost.
  if (parser_ != nullptr && side.direction == Direction::kToClient) parser_->resync({}, Direction::kToServer, state_);
}

void Session::datagram(Direction direction, Bytes payload, std::uint32_t wire_bytes, const Stamp& stamp) {
  if (undetectable_) return;
  if (parser_ == nullptr) {
    bool maybe = false;
    const std::uint16_t port = std::min(flow_.key.port(0), flow_.key.port(1));
    const Parser* found = probe_all(payload, direction, port, true, maybe);
    if (found == nullptr) found = probe_all(payload, direction, server_port(), true, maybe);
    if (found == nullptr) return;
    use(*found);
  }
  Message& message = context_.message;
  message.renew();
  if (parser_->parse(payload, direction, state_, message).step != Step::kMessage) {
    context_.counters.unparsed_bytes += payload.size();
    return;
  }
  const std::size_t hashed_bytes = std::min<std::size_t>(wire_bytes, kHashedHeadBytes);
  const std::uint64_t hash = hashed_bytes <= payload.size() ? base::hash_bytes(payload.first(hashed_bytes)) : 0;
  const MessageStart start{.direction = direction, .head_hash = hash, .stamp = stamp};
  if (Exchange* exchange = exchanges_.begin(*parser_, message, start)) {
    exchanges_.end(*exchange, direction, stamp.time_ns, wire_bytes);
    exchange->message(direction).end_sequence = 0;
  }
  exchanges_.take_finished(false);
}

void Session::copied(Direction direction, std::uint32_t sequence, std::uint32_t end, bool whole, const Stamp& stamp) {
  exchanges_.copied(direction, sequence, end, whole, stamp);
}

void Session::end_of_stream(Direction direction) {
  Side& side = this->side(direction);
  if (parser_ == nullptr && !side.held.empty()) {
    undetectable_ = true;
    pump(side);
  }
  if (side.to_skip >= kToTheTurn) finish(side);
}

void Session::close() {
  undetectable_ = true;
  const std::uint64_t client_ns = sides_[0].mark.stamp.time_ns, server_ns = sides_[1].mark.stamp.time_ns;
  const bool server_first = client_ns != 0 && server_ns != 0 && server_ns < client_ns;
  pump(sides_[server_first ? 1 : 0]);
  pump(sides_[server_first ? 0 : 1]);
  for (Side& side : sides_) {
    drop_held(side, side.held.size());
    if (side.to_skip == kToTheTurn) finish(side);
    if (side.open == nullptr) continue;
    // What has not ended is given out as far as it came.
    exchanges_.end(*side.open, side.direction, passed_ns(side), side.sequence);
    side.open->done(side.direction) = false;
    side.open = nullptr;
  }
  exchanges_.close();
}

/// The first of the further marks at or behind `sequence`.
std::pmr::vector<Session::Mark>::const_iterator Session::first_mark_from(const Side& side, std::uint32_t sequence) {
  return std::lower_bound(
      side.more_marks.begin(), side.more_marks.end(), sequence,
      [](const Mark& mark, std::uint32_t wanted) { return sequence_distance(mark.sequence, wanted) < 0; });
}

/// When everything before side.sequence had passed.
std::uint64_t Session::passed_ns(const Side& side) {
  if (side.more_marks.empty()) return side.latest_ns;
  const auto behind = first_mark_from(side, side.sequence);
  if (behind != side.more_marks.begin()) return std::prev(behind)->passed_ns;
  return sequence_distance(side.mark.sequence, side.sequence) < 0 ? side.mark.passed_ns : side.latest_ns;
}

/// The segment that first carried the byte at `sequence`.
const Session::Mark& Session::marked_at(const Side& side, std::uint32_t sequence) {
  const auto behind = first_mark_from(side, sequence + 1);
  return behind == side.more_marks.begin() ? side.mark : *std::prev(behind);
}

}  // namespace hoptap::flowtable
