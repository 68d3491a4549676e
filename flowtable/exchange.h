// One exchange while its leg is alive.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <cstdint>

#include "flowtable/flow.h"
#include "flowtable/record.h"
#include "flowtable/stamp.h"

namespace hoptap::flowtable {

/// In an ObjectPool, so that its texts keep their memory.
struct Exchange : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
  HopRecord record;
  std::uint8_t hint = 0;            ///< decode::l7::Message::hint of the request
  std::uint8_t closing_before = 0;  ///< closing bits of the leg when it began
  bool request_done = false;
  bool response_done = false;
  bool given_out = false;
  bool pairable = true;             ///< false: a gap makes it unknown which response answers it
  bool after_lost_request = false;  ///< asked while requests before it may have been lost
  bool request_has_ack = false;
  std::uint32_t request_ack = 0;       ///< acknowledgment number of the request's first segment
  Exchange* next_of_bucket = nullptr;  ///< another exchange whose key has the same bucket; see ExchangeQueue
  bool reversed = false;               ///< asked by the leg's server: peers with equal roles (UDP)
  std::uint32_t response_ack = 0;      ///< acknowledgment number of the response's first segment
  std::array<DirectionHealth, 2> health_before{};

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
};

}  // namespace hoptap::flowtable
