// A trace: one request's hops in order, and its response time split into parts that add up exactly. No clock of one
// point is ever compared with another's. Plain values that own what they hold.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "linker/clock_rates.h"
#include "linker/completeness.h"
#include "linker/group.h"
#include "linker/loss_model.h"
#include "linker/path_model.h"
#include "linker/reset_model.h"

namespace hoptap::linker {

struct Hop {
  flowtable::HopRecord record;
  NodeId node;
  std::string point;
  std::string role;
  std::string detail;        ///< of a virtual point, see PathHop
  std::uint32_t tier = 0;    ///< equal for hops whose order is not known
  std::uint32_t stream = 0;  ///< counts the gateways before it that ended the connection and asked on
  double rate = 1;           ///< how much of the first timed hop's clock passes while this one's counts one
  bool timed = false;        ///< both messages seen whole, and the same ones as at the other hops
};

/// What a stretch of the response time was spent on. A segment's is a round trip: there and back.
/// kGateway is the same between two points around a gateway that ends the connection.
enum class PartKind : std::uint8_t {
  kClientSend,
  kSegment,
  kGateway,
  kServerKernel,
  kServerProcess,
  kServerSend,
  kDelayedAck
};

constexpr bool is_sending(PartKind kind) { return kind == PartKind::kClientSend || kind == PartKind::kServerSend; }
constexpr bool is_serving(PartKind kind) { return kind == PartKind::kServerKernel || kind == PartKind::kServerProcess; }

struct Part {
  PartKind kind{};
  std::size_t from = 0;                   ///< hop; of kDelayedAck: the sender that held data back
  std::size_t to = 0;                     ///< hop; of kDelayedAck: the receiver whose acknowledgment it waited for
  std::int64_t time_ns = 0;               ///< may be slightly negative for a segment: noise of the stamps
  std::uint32_t request_copies_lost = 0;  ///< packets of the request that were lost between `from` and `to`
  std::uint32_t response_copies_lost = 0;
};

/// A point of the path, whether it saw this request or not.
struct Stop {
  static constexpr std::size_t kMissing = SIZE_MAX;

  NodeId node;
  std::string point;
  std::size_t hop = kMissing;  ///< index into Trace::hops
  std::uint32_t stream = 0;    ///< of the hop; of a missing point, of the one before it
};

/// What was lost: a copy of a packet of a message, or the acknowledgments of one, so that it was sent again in vain.
enum class Lost : std::uint8_t { kRequest, kResponse, kRequestAck, kResponseAck };

/// One loss and where it most likely was. `from` and `to` are neighbours on the path, client side first; the first has
/// index `from` among the stops, the second follows it.
struct Loss {
  Lost what{};
  std::size_t from = 0;
  double probability = 0;  ///< that it was there, 0..1
};

/// What is known of the far end of a trace.
enum class FarEnd : std::uint8_t {
  kServer,   ///< the last point is at the server
  kUnknown,  ///< it may be
  kBeyond,   ///< it is not: routers follow
};

namespace trace_flag {
inline constexpr std::uint32_t kUnordered = 1u << 0;        ///< two hops have no known order
inline constexpr std::uint32_t kAckOnResponse = 1u << 1;    ///< no ACK before the response: kernel time unknown
inline constexpr std::uint32_t kAckDelayed = 1u << 2;       ///< the ACK waited for its timer: kernel time unknown
inline constexpr std::uint32_t kEarlyResponse = 1u << 3;    ///< the response began before the request had ended
inline constexpr std::uint32_t kNegativeSegment = 1u << 4;  ///< stamping noise exceeds a segment's time
inline constexpr std::uint32_t kUnanswered = 1u << 5;       ///< no point saw both messages whole: there are no parts
}  // namespace trace_flag

struct Trace {
  std::uint64_t id = 0;      ///< of the request's position in its stream and its time at the first hop
  std::uint64_t path = 0;    ///< signature of the ordered points
  std::vector<Hop> hops;     ///< client first
  std::vector<Stop> stops;   ///< the hops and the missing points, client first
  std::vector<Loss> losses;  ///< between stops
  std::vector<Part> parts;
  std::int64_t response_time_ns = 0;  ///< first request byte to last response byte at the first timed hop
  std::uint32_t flags = 0;            ///< trace_flag
  FarEnd far_end = FarEnd::kUnknown;
  ResetOrigin reset;  ///< of a request that got no whole response
  std::vector<MissingPoint> missing;

  /// The timed hops nearest the client and the server; need at least one part.
  const Hop& client_end() const { return hops[parts.front().from]; }
  const Hop& server_end() const { return hops[parts.back().to]; }

  /// The timed hop nearest the client, else the first; needs a hop.
  const Hop& first_hop() const { return parts.empty() ? hops.front() : client_end(); }

  /// The hop whose record says what was asked and answered: first_hop(), or when its packets were cut the one that says
  /// most; needs a hop.
  const Hop& telling_hop() const;
};

/// What is known of the captures and the losses of the whole run. Borrows.
struct RunKnowledge {
  const Completeness& completeness;
  const LossModel& losses;
  const ResetModel& resets;
  const ClockRates& rates;
};

/// Takes the group's records into a trace along `path` (of the same group).
Trace make_trace(Group&& group, const Path& path, const RunKnowledge& run);

/// Teaches the model which copies this trace's messages lost.
void learn_losses(const Trace& trace, const Completeness& completeness, LossModel& model);

/// When the request was first seen, at the first timed hop, else at the first hop; ns of that point's clock. 0 of a
/// trace without hops.
std::uint64_t start_ns(const Trace& trace);

/// Index among trace.stops of a hop.
std::size_t stop_of(const Trace& trace, std::size_t hop);

/// The stops strictly between the ends of a segment: points that did not see this request whole.
std::span<const Stop> stops_between(const Trace& trace, const Part& part);

/// "client_send", "segment", "gateway", "server_kernel", "server_process", "server_send", "delayed_ack".
const char* part_name(PartKind kind);

}  // namespace hoptap::linker
