// Pairs the requests and responses of one leg and gives them out as hop records.
#pragma once

#include <boost/intrusive/list.hpp>

#include "decode/l7/parser.h"
#include "flowtable/exchange.h"
#include "flowtable/table_context.h"

namespace hoptap::flowtable {

/// Where and when a message begins. Borrows the stamp.
struct MessageStart {
  Direction direction{};
  std::uint32_t sequence = 0;
  std::uint32_t answered_to = 0;  ///< sequence number up to which the other direction was seen
  bool answered_known = true;     ///< false: nothing of the other direction was seen
  std::uint64_t head_hash = 0;
  const Stamp& stamp;
};

/// The exchanges in flight of one leg, oldest first. An Exchange* stays valid until take_finished()
/// or close() gives it out, which happens to no exchange that has an open message.
class ExchangeQueue {
 public:
  ExchangeQueue(const Flow& flow, const Ledger& ledger, TableContext& context)
      : flow_(flow),
        ledger_(ledger),
        context_(context),
        // What was asked before is unknown of a leg picked up in the middle.
        response_place_lost_((flow.flags & record_flag::kHandshakeSeen) == 0) {}

  ~ExchangeQueue();
  ExchangeQueue(const ExchangeQueue&) = delete;
  ExchangeQueue& operator=(const ExchangeQueue&) = delete;

  /// A message begins. @return the exchange it belongs to; null for interim responses, copies, and
  /// over the limit.
  Exchange* begin(const decode::l7::Parser& parser, const decode::l7::Message& message, const MessageStart& start) {
    switch (message.kind) {
      case decode::l7::Kind::kRequest: return begin_request(parser, message, start);
      case decode::l7::Kind::kResponse: return begin_response(parser, message, start);
      case decode::l7::Kind::kInterim: return begin_interim(start);
    }
    return nullptr;
  }

  /// The message has passed up to `end_sequence`. May be called again when a turn goes on.
  void end(Exchange& exchange, Direction direction, std::uint64_t time_ns, std::uint32_t end_sequence);

  /// Bytes were lost in this direction and messages may have been among them; their sender had received all of the
  /// other direction up to `answered_to` before.
  void lost_place(Direction direction, std::uint32_t answered_to);

  /// A request begins before the last one was answered.
  void pipelines() { pipelined_ = true; }

  /// The leg goes on in another protocol, or was picked up in the middle: what is in flight gets no answer.
  void restart();

  /// Has any of the requests in flight a Message::hint?
  bool has_hints() const { return hints_ > 0; }
  /// That of the request that the next response answers.
  std::uint8_t next_hint(const MessageStart& response);

  /// [sequence, end) passed again; `whole`: in a segment that had nothing new.
  void copied(Direction direction, std::uint32_t sequence, std::uint32_t end, bool whole, const Stamp& stamp);

  /// The receiver of `direction` acknowledged everything before `ack`.
  void acknowledged(Direction direction, std::uint32_t ack, std::uint64_t time_ns) {
    if (!unacknowledged_[index_of(direction)].empty()) take_acknowledged(direction, ack, time_ns);
  }

  /// Gives out what is finished; with `settled` also the newest, else that waits for late copies.
  void take_finished(bool settled) {
    if (settled || !in_order() || exchanges_.size() > 1) give_out_finished(settled);
  }

  /// The leg has ended: gives out everything.
  void close();

  /// Exchanges given out so far.
  std::uint32_t given_out() const { return given_out_; }

 private:
  // What is declared inline is defined in exchange_queue.cpp, where alone it is called: once for every message.

  /// Do exchanges finish in the order they began?
  bool in_order() const { return pairing_ != decode::l7::Pairing::kKey; }
  using Message = decode::l7::Message;
  using Parser = decode::l7::Parser;

  Exchange* begin_request(const Parser& parser, const Message& message, const MessageStart& start);
  Exchange* begin_response(const Parser& parser, const Message& message, const MessageStart& start);
  static bool misses_turn(std::uint32_t ack_before, const MessageStart& start, bool place_lost);
  bool is_late(const MessageStart& response) const;
  Exchange* find_late_turn(const MessageStart& response);
  Exchange* find_by_turn(const MessageStart& response);
  Exchange* find_by_key(std::uint64_t key, bool reversed, bool answered);
  inline Exchange* find_in_order(const MessageStart& response);
  bool make_room(const Parser& parser);
  [[gnu::always_inline]] inline Exchange* add(const Parser& parser, const Message& message);
  void answer_keyed(Exchange& exchange, const MessageStart& start);
  Exchange* begin_interim(const MessageStart& start);
  inline Exchange* has_begun(Exchange& exchange, const Parser& parser, const Message& message,
                             const MessageStart& start);
  Exchange* continue_turn(const Message& message, const MessageStart& start);
  bool is_asked_again(const Message& message, const MessageStart& start);
  Exchange* begin_orphan(const Parser& parser, const Message& message, const MessageStart& start);
  inline Exchange* orphan_after(const MessageStart& request);
  void note_orphan(Exchange& orphan);
  inline void forget_orphan(Exchange& exchange);
  void adopt(Exchange& orphan, const Parser& parser, const Message& message, const MessageStart& start);
  inline void quiesce(const MessageStart& request);
  void doubt_all();
  inline boost::intrusive::list<Exchange>::iterator first_open();
  void doubt_open();
  inline void give_out(Exchange& exchange);
  void give_out_finished(bool settled);
  void note_end(Exchange& exchange);
  void take_ended(bool settled, bool newest_waits);
  inline bool finished(const Exchange& exchange) const;

  void take_acknowledged(Direction direction, std::uint32_t ack, std::uint64_t time_ns);
  inline void forget(Exchange& exchange);

  const Flow& flow_;
  const Ledger& ledger_;
  TableContext& context_;
  boost::intrusive::list<Exchange> exchanges_;
  // What follows finds some of them without a look at all: packets that do so cost the same however many there are.
  boost::intrusive::list<Exchange>::iterator open_ = exchanges_.end();  ///< all before it are answered or in doubt
  std::array<ExchangeLinks, 2> unacknowledged_;  ///< by direction: their messages have ended and await their ACK
  ExchangeLinks ended_;                          ///< not in order: those that may be finished, as they ended
  ExchangeLinks orphaned_;                       ///< the latest responses whose requests may still come
  std::size_t orphans_ = 0;                      ///< in orphaned_
  ExchangesByKey by_key_;
  std::size_t unanswered_after_loss_ = 0;  ///< unanswered, and after_lost_request
  bool look_at_all_ = false;               ///< others than those in ended_ may be finished
  std::uint32_t given_out_ = 0;
  std::uint32_t hints_ = 0;  ///< exchanges whose hint is not 0
  Direction last_turn_ = Direction::kToServer;
  bool has_turn_ = false;
  decode::l7::Pairing pairing_ = decode::l7::Pairing::kOrder;  ///< of the latest exchange
  bool request_place_lost_ = false;
  bool response_place_lost_;
  std::uint32_t owed_from_ = 0;  ///< answers to lost requests come from this sequence number on
  bool pipelined_ = false;       ///< the client was seen to send a request before the last one was answered
};

}  // namespace hoptap::flowtable
