// One exchange while its leg is alive.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>

#include "flowtable/flow.h"
#include "flowtable/record.h"
#include "flowtable/stamp.h"

namespace hoptap::flowtable {

/// What texts up to this length take they keep for the next record.
inline constexpr std::size_t kSmallTextBytes = 256;

struct Exchange;

/// A place in one of the further lists of an ExchangeQueue. Unlinks itself.
struct ExchangeLink : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  Exchange* exchange = nullptr;
};
using ExchangeLinks = boost::intrusive::list<ExchangeLink, boost::intrusive::constant_time_size<false>>;

/// In an ObjectPool, so that its texts keep their memory.
struct Exchange : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
  HopRecord record;
  const decode::l7::Parser* parser = nullptr;  ///< whose name record.protocol is
  std::uint8_t hint = 0;                       ///< decode::l7::Message::hint of the request
  std::uint8_t closing_before = 0;             ///< closing bits of the leg when it began
  bool request_done = false;
  bool response_done = false;
  bool given_out = false;
  bool pairable = true;             ///< false: a gap makes it unknown which response answers it
  bool after_lost_request = false;  ///< asked while requests before it may have been lost
  bool request_has_ack = false;
  std::uint32_t request_ack = 0;   ///< acknowledgment number of the request's first segment
  bool reversed = false;           ///< asked by the leg's server: peers with equal roles (UDP)
  std::uint32_t response_ack = 0;  ///< acknowledgment number of the response's first segment
  std::uint32_t text_bytes = 0;    ///< of the record, in TableContext::text_bytes
  std::array<DirectionHealth, 2> health_before{};
  std::array<ExchangeLink, 2> unacknowledged;  ///< by direction: its message has ended and awaits its ACK
  ExchangeLink ended;                          ///< both messages have ended; of protocols that pair by key
  ExchangeLink orphaned;                       ///< its request may still come; of protocols that pair in order
  boost::intrusive::set_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> by_key;

  Exchange() { unacknowledged[0].exchange = unacknowledged[1].exchange = ended.exchange = orphaned.exchange = this; }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// As newly made, but for what every exchange sets: application fields and identity.
  void renew() {
    record.flags = 0;
    record.request = record.response = {};
    record.to_server_reset = record.to_client_reset = {};
    record.status = 0;
    record.has_status = false;
    hint = closing_before = 0;
    request_done = response_done = given_out = after_lost_request = request_has_ack = reversed = false;
    pairable = true;
    request_ack = response_ack = 0;
  }

  MessageRecord& message(Direction d) { return asks(d) ? record.request : record.response; }
  bool& done(Direction d) { return asks(d) ? request_done : response_done; }
  bool asks(Direction d) const { return (d == Direction::kToServer) != reversed; }
  bool answered() const { return record.response.seen(); }

  /// Takes it out of all lists but the queue.
  void unlink() {
    for (ExchangeLink* link : {&unacknowledged[0], &unacknowledged[1], &ended, &orphaned}) link->unlink();
    if (by_key.is_linked()) unlink_key();
  }

 private:
  [[gnu::noinline]] void unlink_key() { by_key.unlink(); }
};

/// What exchanges are found by where they are paired by key.
struct ExchangeKey {
  std::uint64_t key;
  bool reversed;
  bool answered;
  auto operator<=>(const ExchangeKey&) const = default;
};
struct KeyOfExchange {
  using type = ExchangeKey;
  type operator()(const Exchange& exchange) const {
    return {exchange.record.key, exchange.reversed, exchange.answered()};
  }
};
using ExchangesByKey =
    boost::intrusive::multiset<Exchange, boost::intrusive::key_of_value<KeyOfExchange>,
                               boost::intrusive::member_hook<Exchange, decltype(Exchange::by_key), &Exchange::by_key>,
                               boost::intrusive::constant_time_size<false>>;

}  // namespace hoptap::flowtable
