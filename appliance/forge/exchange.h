// One request and its response: what was planned for it, and everything that happened to it. The truth file is
// written from this. Private to the forge; one thread. The traffic owns it until it is written.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "appliance/forge/instant.h"
#include "appliance/forge/packet.h"
#include "appliance/forge/scenario.h"

namespace hoptap::forge {

/// Which bytes of a message have been somewhere.
class Coverage {
 public:
  void add(std::uint64_t from, std::uint64_t end);
  bool any() const { return prefix_ > 0 || !ahead_.empty(); }
  bool holds_first() const { return prefix_ > 0; }
  bool whole(std::uint64_t bytes) const { return prefix_ >= bytes; }

 private:
  std::uint64_t prefix_ = 0;                                    ///< all before it
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ahead_;  ///< ranges behind it
};

/// A message passing one point.
struct Passing {
  Coverage passed;
  Coverage captured;
  Time first = 0;
  Time last = 0;
};

struct AtPoint {
  std::uint32_t point = 0;
  std::uint64_t request_bytes = 0;  ///< whole messages as they are here; 0: not known
  std::uint64_t response_bytes = 0;
  Passing request;
  Passing response;
};

enum class Cause : std::uint8_t { kNew, kRto, kFast, kProbe, kWindowProbe };

struct Lost {
  enum class What : std::uint8_t { kRequest, kResponse, kAcknowledgment };
  What what{};
  const std::string* from = nullptr;  ///< names of points; empty: the host
  const std::string* to = nullptr;
  Time time = 0;
};

struct Resent {
  const Connection* connection = nullptr;
  bool is_request = false;
  Cause cause{};
  Time time = 0;
  std::uint64_t from = 0;
  std::uint64_t end = 0;
  std::uint32_t transmission = 0;
  bool came_before = false;  ///< an earlier copy arrived
  bool was_needed = false;   ///< this copy or a later one brought bytes that no earlier one had

  bool spurious() const { return came_before && !was_needed; }
};

struct Exchange {
  // Planned.
  std::uint32_t number = 0;
  std::string id;
  std::uint64_t request_bytes = 0;
  std::uint64_t response_bytes = 0;
  Time service = 0;
  std::string header_lines;  ///< with header ids
  const FaultPlan* fault = nullptr;
  double fault_at = 0;  ///< which share of a message's bytes the fault hits

  // What happened.
  bool started = false;
  bool over = false;
  Time start = 0;
  Time end = 0;
  std::uint64_t connection = 0;
  Address client;
  Address server;
  int status = 0;
  Time served = 0;  ///< what the process took
  bool fault_done = false;
  bool resent_after_ack_loss = false;
  const std::string* fault_from = nullptr;
  const std::string* fault_to = nullptr;
  const std::string* fault_point = nullptr;
  std::vector<AtPoint> points;
  std::vector<Lost> lost;
  std::vector<Resent> resent;
  Time zero_window = 0;
  Culprit reset_by = Culprit::kNone;
  const std::string* reset_from = nullptr;
  const std::string* reset_to = nullptr;
  std::vector<Connection*> connections;  ///< that carried it, client first

  bool has_fault(FaultKind kind) const { return fault != nullptr && fault->kind == kind; }
  bool resets(Culprit by) const { return has_fault(FaultKind::kReset) && fault->by == by; }
  /// Where the message is at a point, made when the request first comes there.
  AtPoint& at(std::uint32_t point);
};

}  // namespace hoptap::forge
