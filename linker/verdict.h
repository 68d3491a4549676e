// Verdicts: which part of a path a request's time was lost in, how certain that is, or why it cannot be told.
// Judge looks at one trace against the baseline of its run. Read-only; may be shared by threads.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "linker/baseline.h"
#include "linker/stretches.h"
#include "linker/trace.h"

namespace hoptap::linker {

enum class VerdictKind : std::uint8_t {
  kNone,          ///< nothing took longer than usual
  kSlowSegment,   ///< round trips over a segment did
  kLoss,          ///< copies lost in a segment had to be sent again
  kGatewaySlow,   ///< a gateway that ends the connection did, asking on and passing the answer back
  kServerSlow,    ///< the server's process took its time
  kServerKernel,  ///< the server's kernel did, before its process had the request
  kDelayedAck,    ///< the sender held data back for an ACK that the receiver held back
  kClientSlow,    ///< the client paused while sending, or did not read
  kTransfer,      ///< moving the bytes took the time
  kReset,         ///< the connection was reset instead of an answer
  kDominant,      ///< nothing to compare with: all requests spend most of their time in one place
  kCannotTell,
};

/// "none", "slow_segment", "loss", "gateway_slow", "server_slow", "server_kernel", "delayed_ack", "client_slow",
/// "transfer", "reset", "dominant", "cannot_tell".
const char* verdict_name(VerdictKind kind);

/// What can be blamed. A segment, a delayed ACK and a reset by a middlebox have two points; else `to` equals `from`.
struct Place {
  VerdictKind kind = VerdictKind::kNone;
  std::string from;
  std::string to;

  bool operator==(const Place& other) const { return key() == other.key(); }
  bool operator<(const Place& other) const { return key() < other.key(); }
  bool is_segment() const { return kind == VerdictKind::kSlowSegment || kind == VerdictKind::kLoss; }
  bool has_two_points() const { return is_segment() || kind == VerdictKind::kDelayedAck || from != to; }
  bool is_server() const { return kind == VerdictKind::kServerSlow || kind == VerdictKind::kServerKernel; }

 private:
  std::tuple<VerdictKind, const std::string&, const std::string&> key() const { return {kind, from, to}; }
};

struct Verdict {
  VerdictKind kind = VerdictKind::kNone;
  std::string from;  ///< the segment's points, client side first; of a delayed ACK: who waited, for whom
  std::string to;
  std::string at;                ///< the point, when the place is not a segment
  std::int64_t excess_ns = 0;    ///< over what the place usually takes; of the run: the median of the slow requests
  std::int64_t baseline_ns = 0;  ///< what the place usually takes
  double contribution = 0;       ///< of the place to the response time (of the run: of all slow requests), 0..1
  double confidence = 0;         ///< that the place is right, 0..1; 0 where none is named
  std::string text;              ///< one sentence for the person
};

/// Writes the place's points into the verdict.
void set_place(const Place& place, Verdict& verdict);

/// part / whole, within 0..1; 0 of nothing.
double share_of(std::int64_t part_ns, std::int64_t whole_ns);

/// One place's part in the excess of one trace.
struct Blame {
  Place place;
  std::int64_t excess_ns = 0;  ///< never negative; of a segment with the sending that its round trips paced
  std::int64_t time_ns = 0;    ///< the same way
  std::int64_t baseline_ns = 0;
  std::int64_t spread_ns = 0;
  std::int64_t paced_ns = 0;  ///< of a segment's excess, the sending that waited for its round trips or repeats
  bool known = false;         ///< the baseline is
  std::uint32_t request_copies_lost = 0;
  std::uint32_t response_copies_lost = 0;
  bool spans_missing = false;  ///< a segment with points inside that did not see this request whole, any of whose
                               ///< parts may be meant
  double certainty = 1;        ///< that the place is the right one within the part, 0..1
  bool unordered = false;      ///< a segment between points of no known order

  std::uint32_t copies_lost() const { return request_copies_lost + response_copies_lost; }
  /// How far the excess is outside of what the part does by itself, in nats: minus the logarithm of the chance of so
  /// much, if its times above the usual one fall off as its quick times do.
  double surprise() const;
  /// Once in fifty times or less the part does so by itself.
  bool is_unusual() const { return surprise() >= 4; }
};

struct Judgement {
  Verdict verdict;
  std::vector<Blame> blames;     ///< one per part, in the parts' order
  std::size_t culprit = 0;       ///< index of the blame that stands out most
  std::int64_t excess_ns = 0;    ///< of all parts that are out of the ordinary
  bool slow = false;             ///< the excess is material and mostly the culprit's
  std::int64_t server_ns = 0;    ///< kernel and process of the server
  std::int64_t paced_ns = 0;     ///< sending that took several round trips of the main segment
  std::size_t main_segment = 0;  ///< the segment that takes longest; blames.size(): there is none
};

class Judge {
 public:
  /// `baseline` must outlive the judge and hold the whole run.
  explicit Judge(const Baseline& baseline) : baseline_(baseline) {}

  Judgement judge(const Trace& trace) const;

 private:
  Blame blame_of(const Trace& trace, const Part& part) const;
  void place_within(const Trace& trace, const Part& part, const std::vector<Stretch>& stretches, Blame& blame) const;

  const Baseline& baseline_;
};

/// True when the server's parts may hold network time: the last point is not at the server, or it is the only one.
bool server_is_hidden(const Trace& trace);

}  // namespace hoptap::linker
