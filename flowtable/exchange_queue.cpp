#include "flowtable/exchange_queue.h"

#include <algorithm>

#include "flowtable/fill_record.h"
#include "flowtable/leg_record.h"

namespace hoptap::flowtable {
namespace {

constexpr std::uint64_t kRetryNs = 30'000'000'000;  // resolvers give up sooner; later, the same question is asked anew

using decode::l7::Pairing;

}  // namespace

/// What is the same of requests and responses.
Exchange* ExchangeQueue::has_begun(Exchange& exchange, const Parser& parser, const Message& message,
                                   const MessageStart& start) {
  note_message(exchange, message, context_);
  if (parser.pairing == Pairing::kTurn && &exchange == &exchanges_.back()) {  // else it is late: turns have gone on
    last_turn_ = start.direction;
    has_turn_ = true;
  }
  return &exchange;
}

Exchange* ExchangeQueue::begin_interim(const MessageStart& start) {
  if (Exchange* exchange = find_in_order(start)) exchange->record.flags |= record_flag::kInterim;
  return nullptr;
}

/// A new exchange at the end of the queue; null when a limit is reached and nothing can go.
Exchange* ExchangeQueue::add(const Parser& parser, const Message& message) {
  const bool full = exchanges_.size() >= context_.config.exchanges_flow_max ||
                    context_.exchanges.in_use() >= context_.config.exchanges_max;
  if (full && !make_room(parser)) {
    request_place_lost_ = true;
    return nullptr;
  }
  if (pairing_ != parser.pairing) {
    look_at_all_ = look_at_all_ || in_order();
    pairing_ = parser.pairing;
  }
  Exchange& exchange = context_.exchanges.take();
  exchange.renew();
  exchanges_.push_back(exchange);
  if (open_ == exchanges_.end()) --open_;
  exchange.hint = message.hint;
  hints_ += message.hint != 0 ? 1 : 0;
  exchange.health_before = {ledger_.health(Direction::kToServer), ledger_.health(Direction::kToClient)};
  exchange.closing_before = flow_.closing;
  fill_application(exchange, parser, message, context_);
  return &exchange;
}

/// The client goes on talking, if its last message was the last turn.
[[gnu::noinline]] Exchange* ExchangeQueue::continue_turn(const Message& message, const MessageStart& start) {
  if (!has_turn_ || last_turn_ != Direction::kToServer || exchanges_.empty()) return nullptr;
  Exchange& turn = exchanges_.back();
  if (misses_turn(turn.request_ack, start, response_place_lost_)) {
    turn.pairable = false;
    return nullptr;
  }
  if (!message.handshake) turn.record.flags &= ~record_flag::kHandshake;
  turn.request_done = false;
  return &turn;
}

/// Is it the same datagram as one that awaits an answer?
[[gnu::noinline]] bool ExchangeQueue::is_asked_again(const Message& message, const MessageStart& start) {
  Exchange* earlier = find_by_key(message.key, start.direction == Direction::kToClient, false);
  if (earlier == nullptr || earlier->record.canonical_hash != canonical_hash(message)) return false;
  if (start.stamp.time_ns - earlier->record.request.first_ns > kRetryNs) return false;
  add_copy(earlier->record.request, start.stamp);
  return true;
}

Exchange* ExchangeQueue::begin_request(const Parser& parser, const Message& message, const MessageStart& start) {
  if (parser.pairing == Pairing::kTurn)
    if (Exchange* turn = continue_turn(message, start)) return has_begun(*turn, parser, message, start);
  if (parser.datagram && is_asked_again(message, start)) return nullptr;
  if (parser.pairing != Pairing::kKey) quiesce(start);
  Exchange* orphan = parser.pairing == Pairing::kOrder ? orphan_after(start) : nullptr;
  if (orphan != nullptr && !request_place_lost_ && orphan->record.response.sequence == start.stamp.ack) {
    adopt(*orphan, parser, message, start);
    return has_begun(*orphan, parser, message, start);
  }
  Exchange* exchange = add(parser, message);
  if (exchange == nullptr) return nullptr;
  exchange->reversed = start.direction == Direction::kToClient;
  exchange->pairable = parser.pairing != Pairing::kOrder || (!request_place_lost_ && orphan == nullptr);
  exchange->after_lost_request = request_place_lost_;
  exchange->request_ack = start.stamp.ack;
  exchange->request_has_ack = start.stamp.has_ack;
  if (message.handshake) exchange->record.flags |= record_flag::kHandshake;
  fill_message(exchange->record.request, start);
  if (request_place_lost_) ++unanswered_after_loss_;
  if (parser.pairing == Pairing::kKey) by_key_.insert(*exchange);
  return has_begun(*exchange, parser, message, start);
}

/// A response whose request was not seen, or cannot be told; null for a copy of one, and over the limit.
[[gnu::noinline]] Exchange* ExchangeQueue::begin_orphan(const Parser& parser, const Message& message,
                                                        const MessageStart& start) {
  const bool reversed = start.direction == Direction::kToServer;
  if (parser.datagram) {
    if (Exchange* answered = find_by_key(message.key, reversed, true)) {
      add_copy(answered->record.response, start.stamp);
      return nullptr;
    }
  }
  ++context_.counters.orphan_responses;
  Exchange* exchange = add(parser, message);
  if (exchange == nullptr) return nullptr;
  exchange->reversed = reversed;
  exchange->record.flags |= record_flag::kRequestMissing;
  exchange->request_done = true;
  exchange->pairable = false;
  if (parser.pairing == Pairing::kOrder) note_orphan(*exchange);
  return exchange;
}

/// Its place among the keys is another once it is answered.
[[gnu::noinline]] void ExchangeQueue::answer_keyed(Exchange& exchange, const MessageStart& start) {
  by_key_.erase(by_key_.iterator_to(exchange));
  fill_message(exchange.record.response, start);
  by_key_.insert(exchange);
}

Exchange* ExchangeQueue::begin_response(const Parser& parser, const Message& message, const MessageStart& start) {
  Exchange* exchange = nullptr;
  switch (parser.pairing) {
    case Pairing::kTurn:
      if (is_late(start)) {
        exchange = find_late_turn(start);
        if (exchange != nullptr) break;
        ++context_.counters.orphan_responses;
        return nullptr;
      }
      exchange = find_by_turn(start);
      break;
    case Pairing::kKey: exchange = find_by_key(message.key, start.direction == Direction::kToServer, false); break;
    case Pairing::kOrder: exchange = find_in_order(start); break;
  }
  if (exchange != nullptr && exchange->answered()) {  // only a turn finds an answered exchange
    exchange->response_done = false;
    return has_begun(*exchange, parser, message, start);
  }
  if (exchange == nullptr) exchange = begin_orphan(parser, message, start);
  if (exchange == nullptr) return nullptr;
  if (exchange->after_lost_request) --unanswered_after_loss_;
  exchange->response_ack = start.stamp.ack;
  if (exchange->by_key.is_linked()) {
    answer_keyed(*exchange, start);
  } else {
    fill_message(exchange->record.response, start);
  }
  return has_begun(*exchange, parser, message, start);
}

/// Did the other side take a turn that was not seen? Then the sender has received of it, since its own turn began with
/// an acknowledgment of `ack_before`, what was lost here (`place_lost`) or has not come yet. One byte may be a FIN.
bool ExchangeQueue::misses_turn(std::uint32_t ack_before, const MessageStart& start, bool place_lost) {
  const std::uint32_t ack = start.stamp.ack;
  return start.stamp.has_ack && sequence_distance(ack, ack_before) > 1 &&
         (place_lost || sequence_distance(ack, start.answered_to) > 1);
}

/// Did the last turn begin after this response was sent? It has waited behind a hole, then, until other packets came.
bool ExchangeQueue::is_late(const MessageStart& response) const {
  if (exchanges_.empty() || !response.stamp.has_ack) return false;
  const MessageRecord& request = exchanges_.back().record.request;
  return request.seen() && sequence_distance(response.stamp.ack, request.sequence) <= 0;
}

/// The turn before the last one, when the late response answers it or goes on with its answer.
Exchange* ExchangeQueue::find_late_turn(const MessageStart& response) {
  if (exchanges_.size() < 2) return nullptr;
  Exchange& turn = *std::prev(exchanges_.end(), 2);
  if (turn.given_out) return nullptr;
  if (turn.answered()) return turn.record.response.end_sequence == response.sequence ? &turn : nullptr;
  const bool received = sequence_distance(response.stamp.ack, turn.record.request.sequence) > 0;
  return turn.pairable && turn.record.request.seen() && received ? &turn : nullptr;
}

/// The turn that this response answers or goes on with; null when turns of both sides may have been lost since.
Exchange* ExchangeQueue::find_by_turn(const MessageStart& response) {
  if (!has_turn_ || exchanges_.empty()) return nullptr;
  Exchange& turn = exchanges_.back();
  if (last_turn_ == Direction::kToClient)
    return misses_turn(turn.response_ack, response, request_place_lost_) ? nullptr : &turn;
  if (!response_place_lost_ || !misses_turn(turn.record.request.sequence, response, request_place_lost_)) return &turn;
  turn.pairable = false;
  return nullptr;
}

/// A response that was captured before its request: sent when the server had received this request, and
/// when the client, sending it, had received nothing of the response.
Exchange* ExchangeQueue::orphan_after(const MessageStart& request) {
  if (!request.stamp.has_ack) return nullptr;
  for (const ExchangeLink& link : orphaned_) {
    Exchange& e = *link.exchange;
    if (sequence_distance(e.response_ack, request.sequence) > 0 &&
        sequence_distance(e.record.response.sequence, request.stamp.ack) >= 0)
      return &e;
  }
  return nullptr;
}

void ExchangeQueue::note_orphan(Exchange& orphan) {
  constexpr std::size_t kOrphansMax = 16;  // a request that is captured later than so many answers comes no more
  if (orphans_ == kOrphansMax) forget_orphan(*orphaned_.front().exchange);
  orphaned_.push_back(orphan.orphaned);
  ++orphans_;
}

void ExchangeQueue::forget_orphan(Exchange& exchange) {
  if (!exchange.orphaned.is_linked()) return;
  exchange.orphaned.unlink();
  --orphans_;
}

/// The orphan's request has come after all.
void ExchangeQueue::adopt(Exchange& orphan, const Parser& parser, const Message& message, const MessageStart& start) {
  --context_.counters.orphan_responses;
  orphan.record.flags &= ~record_flag::kRequestMissing;
  orphan.request_done = false;
  forget_orphan(orphan);
  fill_application(orphan, parser, message, context_);
  fill_message(orphan.record.request, start);
}

/// The latest exchange with this key.
Exchange* ExchangeQueue::find_by_key(std::uint64_t key, bool reversed, bool answered) {
  const ExchangeKey wanted{key, reversed, answered};
  const auto behind = by_key_.upper_bound(wanted);
  if (behind == by_key_.begin()) return nullptr;
  Exchange& latest = *std::prev(behind);
  return KeyOfExchange{}(latest) == wanted ? &latest : nullptr;
}

ExchangeQueue::~ExchangeQueue() {
  while (!exchanges_.empty()) forget(exchanges_.front());
}

/// The oldest request that may still be answered by the next response.
boost::intrusive::list<Exchange>::iterator ExchangeQueue::first_open() {
  while (open_ != exchanges_.end() && (open_->answered() || !open_->pairable)) ++open_;  // neither is ever undone
  return open_;
}

/// Nothing that is unanswered can be paired with certainty any more.
void ExchangeQueue::doubt_open() {
  for (; open_ != exchanges_.end(); ++open_)
    if (!open_->answered()) open_->pairable = false;
  look_at_all_ = true;
}

/// Could this response answer that request? The server had received the request's first byte, and the
/// client, sending it, had not yet received the response.
inline bool may_answer(const MessageStart& response, const Exchange& exchange) {
  const bool received =
      !response.stamp.has_ack || sequence_distance(response.stamp.ack, exchange.record.request.sequence) > 0;
  const bool behind = !exchange.request_has_ack || sequence_distance(response.sequence, exchange.request_ack) >= 0;
  return received && behind;
}

/// The unanswered request that this response answers, when that is certain: the oldest. When messages
/// were lost it must be the first thing the client received after it had sent the request.
Exchange* ExchangeQueue::find_in_order(const MessageStart& response) {
  constexpr std::size_t kSearchedMax = 64;  // with more in flight, it cannot be told which one is meant
  if (response_place_lost_ && pipelined_) return nullptr;
  Exchange* exact = nullptr;
  std::size_t searched = 0;
  for (auto at = first_open(); at != exchanges_.end(); ++at) {
    if (++searched > kSearchedMax) return nullptr;
    if (at->answered() || !at->pairable) continue;
    if (!may_answer(response, *at)) break;
    if (!response_place_lost_) return &*at;
    if (!at->request_has_ack || at->request_ack != response.sequence) continue;
    if (exact != nullptr) return nullptr;  // pipelined: either may be meant
    exact = &*at;
  }
  if (exact == nullptr) return nullptr;
  for (auto at = first_open(); &*at != exact; ++at)  // what was asked before was answered in the gap
    if (!at->answered()) at->pairable = false;
  look_at_all_ = true;
  response_place_lost_ = false;
  return exact;
}

std::uint8_t ExchangeQueue::next_hint(const MessageStart& response) {
  const Exchange* exchange = find_in_order(response);
  return exchange == nullptr ? std::uint8_t{0} : exchange->hint;
}

/// A client that had received all we know of when it sent this request ends every doubt that a gap left.
void ExchangeQueue::quiesce(const MessageStart& request) {
  if (!request.stamp.has_ack || !request.answered_known) return;
  const bool caught_up = sequence_distance(request.stamp.ack, request.answered_to) >= 0;
  if (!request_place_lost_ && !response_place_lost_) {
    if (request.stamp.ack == request.answered_to && first_open() != exchanges_.end()) pipelined_ = true;
    return;
  }
  if (!caught_up) return;
  if (pipelined_) return doubt_open();  // what was asked before has been answered, or will be
  if (request_place_lost_) {
    // Requests that we did not see may be owed answers: the client must have received something since,
    // and have sent nothing else meanwhile.
    const bool answered_since = sequence_distance(request.stamp.ack, owed_from_) > 0;
    if (!answered_since || unanswered_after_loss_ > 0) return;
  }
  doubt_open();
  request_place_lost_ = response_place_lost_ = false;
}

/// A response that is still to come has lost its request: which of those in flight it is cannot be told.
void ExchangeQueue::doubt_all() {
  doubt_open();
  request_place_lost_ = true;
}

/// Lets the oldest exchange go, answered or not. False when there is none that can.
bool ExchangeQueue::make_room(const Parser& parser) {
  const auto refused = [this](bool made) {
    ++context_.counters.exchanges_refused;
    return made;
  };
  if (exchanges_.empty()) return refused(false);
  Exchange& oldest = exchanges_.front();
  const bool open =
      (oldest.record.request.seen() && !oldest.request_done) || (oldest.answered() && !oldest.response_done);
  if (open) return refused(false);
  if (!oldest.given_out && !oldest.answered()) refused(true);
  if (!oldest.answered() && oldest.pairable && parser.pairing == Pairing::kOrder) doubt_all();
  if (!oldest.given_out) give_out(oldest);
  forget(oldest);
  return true;
}

void ExchangeQueue::end(Exchange& exchange, Direction direction, std::uint64_t time_ns, std::uint32_t end_sequence) {
  MessageRecord& message = exchange.message(direction);
  message.last_ns = std::max(message.first_ns, time_ns);
  const std::uint32_t further = end_sequence - message.end_sequence;
  if (further > 0) message.ack_ns = 0;
  message.bytes += further;
  message.end_sequence = end_sequence;
  exchange.done(direction) = true;
  if (message.ack_ns == 0 && flow_.key.protocol() == kTcp) {
    ExchangeLink& link = exchange.unacknowledged[index_of(direction)];
    ExchangeLinks& links = unacknowledged_[index_of(direction)];
    if (!link.is_linked()) {
      links.push_back(link);
    } else if (&links.back() != &link) {
      link.unlink();
      links.push_back(link);
    }
  }
  if (!in_order()) note_end(exchange);
}

/// Not in order: is there nothing more to come of it?
[[gnu::noinline]] void ExchangeQueue::note_end(Exchange& exchange) {
  const bool ended = exchange.request_done && (exchange.response_done || !(exchange.answered() || exchange.pairable));
  if (ended && !exchange.ended.is_linked() && !exchange.given_out) ended_.push_back(exchange.ended);
}

void ExchangeQueue::lost_place(Direction direction, std::uint32_t answered_to) {
  if (direction == Direction::kToClient) {
    response_place_lost_ = true;
    return;
  }
  if (!request_place_lost_) owed_from_ = answered_to;
  request_place_lost_ = true;
}

void ExchangeQueue::restart() {
  has_turn_ = false;
  doubt_open();
  response_place_lost_ = true;
}

void ExchangeQueue::copied(Direction direction, std::uint32_t sequence, std::uint32_t end, bool whole,
                           const Stamp& stamp) {
  constexpr std::size_t kSearchedMax = 64;  // of older ones copies are not told
  std::size_t searched = 0;
  for (auto at = exchanges_.rbegin(); at != exchanges_.rend() && searched < kSearchedMax; ++at, ++searched) {
    MessageRecord& message = at->message(direction);
    if (!message.seen() || sequence_distance(message.sequence, end) >= 0) continue;
    if (at->done(direction) && sequence_distance(sequence, message.end_sequence) >= 0) continue;
    if (whole) ++message.retransmissions;
    message.last_copy_ns = stamp.time_ns;
    if (sequence_distance(sequence, message.sequence) <= 0) add_copy(message, stamp);
  }
}

void ExchangeQueue::take_acknowledged(Direction direction, std::uint32_t ack, std::uint64_t time_ns) {
  ExchangeLinks& links = unacknowledged_[index_of(direction)];
  while (!links.empty()) {
    Exchange& exchange = *links.front().exchange;
    MessageRecord& message = exchange.message(direction);
    if (message.ack_ns == 0 && exchange.done(direction)) {
      if (sequence_distance(ack, message.end_sequence) < 0) break;
      message.ack_ns = time_ns;
    }
    links.pop_front();
  }
}

void ExchangeQueue::give_out(Exchange& exchange) {
  exchange.given_out = true;
  exchange.ended.unlink();
  forget_orphan(exchange);
  HopRecord& record = exchange.record;
  ++given_out_;
  identify(record, flow_, context_);
  record.record_id = context_.next_record_id++;
  if (exchange.reversed) {
    std::swap(record.client, record.server);
    std::swap(record.vantage.link.source, record.vantage.link.target);
  }
  record.closing = static_cast<std::uint8_t>(flow_.closing & ~exchange.closing_before);
  const bool client_reset = (record.closing & closing::kClientReset) != 0;
  const bool server_reset = (record.closing & closing::kServerReset) != 0;
  if (client_reset) (exchange.reversed ? record.to_client_reset : record.to_server_reset) = ledger_.resets[0];
  if (server_reset) (exchange.reversed ? record.to_server_reset : record.to_client_reset) = ledger_.resets[1];
  record.flags |= flow_.flags;
  if (!record.response.seen() && !exchange.response_done) record.flags |= record_flag::kResponseMissing;
  if ((record.request.seen() && !exchange.request_done) || (record.response.seen() && !exchange.response_done))
    record.flags |= record_flag::kIncomplete;
  fill_health(record.request, exchange.health_before[0], ledger_.health(Direction::kToServer));
  fill_health(record.response, exchange.health_before[1], ledger_.health(Direction::kToClient));
  ++context_.counters.exchanges;
  context_.sink.hop(record);
}

void ExchangeQueue::forget(Exchange& exchange) {
  if (open_ == exchanges_.iterator_to(exchange)) ++open_;
  if (!exchange.answered() && exchange.after_lost_request) --unanswered_after_loss_;
  forget_orphan(exchange);
  hints_ -= exchange.hint != 0 ? 1 : 0;
  exchange.unlink();
  give_back_texts(exchange, context_);
  exchanges_.erase(exchanges_.iterator_to(exchange));
  context_.exchanges.give_back(exchange);
}

/// Nothing more is expected of it: both messages have passed and the response has been acknowledged.
bool ExchangeQueue::finished(const Exchange& exchange) const {
  constexpr std::size_t kAwaitingAckMax = 64;
  if (!exchange.request_done) return false;
  if (!exchange.answered()) return exchange.response_done || !exchange.pairable;
  const bool acked = flow_.key.protocol() != kTcp || exchange.record.response.ack_ns != 0;
  return exchange.response_done && (acked || exchanges_.size() > kAwaitingAckMax);
}

void ExchangeQueue::give_out_finished(bool settled) {
  // The newest waits for late copies; in a protocol of turns it may go on whenever it likes.
  const std::size_t waiting = settled && pairing_ != Pairing::kTurn ? 0 : 1;
  if (!in_order() && !look_at_all_) {
    take_ended(settled, waiting > 0);
  } else {
    std::size_t left = exchanges_.size();
    for (auto at = exchanges_.begin(); left > waiting; ++at, --left) {
      Exchange& exchange = *at;
      if (finished(exchange) || (settled && exchange.request_done && exchange.response_done)) {
        if (!exchange.given_out) give_out(exchange);
      } else if (in_order()) {
        break;
      } else {
        note_end(exchange);
      }
    }
    if (!in_order()) look_at_all_ = false;
  }
  while (!exchanges_.empty() && exchanges_.front().given_out) forget(exchanges_.front());
}

/// Not in order: only what has ended can be finished, and few of those wait for an acknowledgment.
void ExchangeQueue::take_ended(bool settled, bool newest_waits) {
  for (auto at = ended_.begin(); at != ended_.end();) {
    Exchange& exchange = *(at++)->exchange;
    if (newest_waits && &exchange == &exchanges_.back()) continue;
    if (finished(exchange) || (settled && exchange.request_done && exchange.response_done)) give_out(exchange);
  }
}

void ExchangeQueue::close() {
  for (Exchange& exchange : exchanges_)
    if (!exchange.given_out) give_out(exchange);
  while (!exchanges_.empty()) forget(exchanges_.front());
}

}  // namespace hoptap::flowtable
