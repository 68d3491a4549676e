#include "linker/trace.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/hash.h"
#include "linker/losses.h"
#include "linker/streams.h"

namespace hoptap::linker {
namespace {

using flowtable::HopRecord;
using flowtable::MessageRecord;

// A receiver holds an ACK back for 40 ms (Linux) to 500 ms (RFC 9293 section 3.8.6.3) to let it ride on data.
constexpr std::int64_t kAckTimerMinNs = 30'000'000;
constexpr std::int64_t kHeldDataMinNs = 10'000'000;  // a wait for an ACK shorter than this is a round trip
constexpr std::int64_t kReleaseMaxNs = 5'000'000;    // data released by an ACK follows it this soon

/// The end of the request as far as the response waited for it: an early response does not.
std::uint64_t request_end(const HopRecord& record) { return std::min(record.request.last_ns, record.response.last_ns); }

/// later - earlier at one hop, in the time of the first timed hop's clock, ns.
std::int64_t time_between(const Hop& hop, std::uint64_t later, std::uint64_t earlier) {
  const std::int64_t time_ns = difference_ns(later, earlier);
  return time_ns + std::llround(static_cast<double>(time_ns) * (hop.rate - 1));
}

/// From the end of the request to the end of the response.
std::int64_t rest_ns(const Hop& hop) { return time_between(hop, hop.record.response.last_ns, request_end(hop.record)); }

void number_streams(std::vector<Hop>& hops) {
  for (std::size_t at = 1; at < hops.size(); ++at) {
    const bool same = std::any_of(hops.begin(), hops.begin() + static_cast<std::ptrdiff_t>(at), [&](const Hop& before) {
      return before.stream == hops[at - 1].stream && same_stream(before.record, hops[at].record);
    });
    hops[at].stream = hops[at - 1].stream + (same ? 0 : 1);
  }
}

/// Times compare only between sightings of the same bytes: where boundaries differ, the most common ones count.
void mark_timed(std::span<Hop> hops) {
  using Extent = std::pair<std::uint64_t, std::uint64_t>;
  std::map<Extent, std::size_t> seen;
  const auto extent = [](const Hop& hop) { return Extent(hop.record.request.bytes, hop.record.response.bytes); };
  for (Hop& hop : hops) {
    hop.timed = hop.timed && complete(hop.record);
    if (hop.timed) ++seen[extent(hop)];
  }
  if (seen.empty()) return;
  const auto common = std::max_element(seen.begin(), seen.end(),
                                       [](const auto& left, const auto& right) { return left.second < right.second; });
  for (Hop& hop : hops) hop.timed = hop.timed && extent(hop) == common->first;
}

std::vector<std::size_t> timed_hops(const Trace& trace) {
  std::vector<std::size_t> timed;
  for (std::size_t at = 0; at < trace.hops.size(); ++at) {
    if (trace.hops[at].timed) timed.push_back(at);
  }
  return timed;
}

/// Time that the sender of `sent` sat on a small piece until an ACK came that the receiver delayed, ns; 0: none.
/// The receiver's own point sees the pure delay, the sender's point sees that data followed at once.
std::int64_t held_back_ns(const MessageRecord& sent, const MessageRecord& received, std::int64_t sending_ns) {
  const auto wait = static_cast<std::int64_t>(received.ack_wait_ns);
  const auto release = static_cast<std::int64_t>(sent.ack_release_ns);
  if (sent.copies > 0 || sent.retransmissions > 0) return 0;  // waited for a repeat, then
  if (wait < kHeldDataMinNs || release > kReleaseMaxNs || sending_ns < kHeldDataMinNs) return 0;
  return std::min(wait, sending_ns);
}

/// The hops of each stream on their own: a gateway asks in its own words.
void mark_timed_by_stream(std::vector<Hop>& hops) {
  for (std::size_t first = 0; first < hops.size();) {
    std::size_t end = first;
    while (end < hops.size() && hops[end].stream == hops[first].stream) ++end;
    mark_timed(std::span(hops).subspan(first, end - first));
    first = end;
  }
}

/// Hops and missing points in the order of the path.
void add_stops(Trace& trace) {
  const auto add_missing_behind = [&](const std::string& point) {
    for (const MissingPoint& missing : trace.missing) {
      const std::uint32_t stream = trace.stops.empty() ? 0 : trace.stops.back().stream;
      if (missing.after == point) trace.stops.push_back({missing.node, missing.point, Stop::kMissing, stream});
    }
  };
  add_missing_behind("");
  for (std::size_t at = 0; at < trace.hops.size(); ++at) {
    trace.stops.push_back({trace.hops[at].node, trace.hops[at].point, at, trace.hops[at].stream});
    add_missing_behind(trace.hops[at].point);
  }
}

void add_client_parts(Trace& trace, std::size_t first, std::size_t last) {
  const MessageRecord& request = trace.hops[first].record.request;
  std::int64_t sending = difference_ns(request_end(trace.hops[first].record), request.first_ns);
  const std::int64_t held = held_back_ns(request, trace.hops[last].record.request, sending);
  trace.parts.push_back({PartKind::kClientSend, first, first, sending - held});
  if (held > 0) trace.parts.push_back({PartKind::kDelayedAck, first, last, held});
}

void add_segments(Trace& trace, const std::vector<std::size_t>& timed) {
  for (std::size_t at = 0; at + 1 < timed.size(); ++at) {
    const Hop& near = trace.hops[timed[at]];
    const Hop& far = trace.hops[timed[at + 1]];
    const std::int64_t time = rest_ns(near) - rest_ns(far);
    if (time < 0) trace.flags |= trace_flag::kNegativeSegment;
    const bool gateway = trace.hops[timed[at]].stream != trace.hops[timed[at + 1]].stream;
    const PartKind kind = gateway ? PartKind::kGateway : PartKind::kSegment;
    Part& part = trace.parts.emplace_back(Part{kind, timed[at], timed[at + 1], time});
    const std::size_t from = stop_of(trace, timed[at]), to = stop_of(trace, timed[at + 1]);
    for (const Loss& loss : trace.losses) {
      if (loss.from < from || loss.from >= to) continue;
      part.request_copies_lost += loss.what == Lost::kRequest ? 1 : 0;
      part.response_copies_lost += loss.what == Lost::kResponse ? 1 : 0;
    }
  }
}

void add_server_parts(Trace& trace, std::size_t first, std::size_t last) {
  const Hop& hop = trace.hops[last];
  const HopRecord& record = hop.record;
  const MessageRecord& request = record.request;
  const MessageRecord& response = record.response;
  const std::uint64_t asked = request_end(record);
  const std::uint64_t answered = std::min(std::max(response.first_ns, asked), response.last_ns);
  if (response.first_ns < request.last_ns) trace.flags |= trace_flag::kEarlyResponse;

  std::int64_t kernel = 0;
  if (request.ack_ns < asked || request.ack_ns >= answered) {
    trace.flags |= trace_flag::kAckOnResponse;
  } else if (difference_ns(request.ack_ns, asked) >= kAckTimerMinNs) {
    trace.flags |= trace_flag::kAckDelayed;
  } else {
    kernel = time_between(hop, request.ack_ns, asked);
  }
  const std::int64_t sending = time_between(hop, response.last_ns, answered);
  const std::int64_t held = held_back_ns(response, trace.hops[first].record.response, sending);
  trace.parts.push_back({PartKind::kServerKernel, last, last, kernel});
  trace.parts.push_back({PartKind::kServerProcess, last, last, rest_ns(hop) - sending - kernel});
  if (held > 0) trace.parts.push_back({PartKind::kDelayedAck, last, first, held});
  trace.parts.push_back({PartKind::kServerSend, last, last, sending - held});
}

/// Hosts send with a TTL of 32, 64, 128 or 255; routers make it anything else.
bool is_initial_ttl(std::uint8_t ttl) { return ttl == 32 || ttl == 64 || ttl == 128 || ttl == 255; }

FarEnd far_end_of(const Trace& trace, std::size_t timed_count) {
  const Hop& last = trace.server_end();
  const std::uint8_t response_ttl = last.record.response.ttl;
  if (response_ttl != 0 && !is_initial_ttl(response_ttl)) return FarEnd::kBeyond;
  const bool at_host = last.role == "pod" || last.role == "host";
  if (!at_host) return FarEnd::kUnknown;
  // A lone point may just as well be at the client; then its requests have not been routed yet.
  const std::uint8_t request_ttl = last.record.request.ttl;
  const bool requests_routed = request_ttl != 0 && !is_initial_ttl(request_ttl);
  return timed_count > 1 || requests_routed ? FarEnd::kServer : FarEnd::kUnknown;
}

bool saw_reset(const HopRecord& record) { return record.to_server_reset.seen() || record.to_client_reset.seen(); }

/// Did a reset come instead of the response? The client's side must lack the response and see a reset, and not have
/// acknowledged what its capture lacks; where other points saw the response pass, the reset must have passed there too.
bool was_reset(const Trace& trace) {
  bool without = false, passed = false, passed_with_reset = false, at_client_side = true;
  for (const Hop& hop : trace.hops) {
    const bool whole = complete(hop.record);
    at_client_side = at_client_side && !whole;
    without |= at_client_side && saw_reset(hop.record) && hop.record.response.unseen_bytes == 0;
    passed |= whole;
    passed_with_reset |= whole && saw_reset(hop.record);
  }
  return without && (!passed || passed_with_reset);
}

std::uint64_t trace_id(const HopRecord& first) {
  return base::hash_values(first.transport, first.request.sequence, first.response.sequence, first.key,
                           base::hash_bytes(first.client.address.bytes), first.client.port,
                           base::hash_bytes(first.server.address.bytes), first.server.port, start_ns(first));
}

}  // namespace

std::uint64_t start_ns(const Trace& trace) {
  if (trace.hops.empty()) return 0;
  return start_ns(trace.first_hop().record);
}

const Hop& Trace::telling_hop() const {
  const Hop& first = first_hop();
  if ((first.record.flags & flowtable::record_flag::kTruncated) == 0) return first;
  const auto told = [](const Hop& hop) {
    const HopRecord& record = hop.record;
    return record.method.size() + record.resource.size() + record.endpoint.size() + (record.has_status ? 1 : 0);
  };
  const auto most =
      std::max_element(hops.begin(), hops.end(), [&](const Hop& a, const Hop& b) { return told(a) < told(b); });
  return told(*most) > told(first) ? *most : first;
}

std::size_t stop_of(const Trace& trace, std::size_t hop) {
  const auto found =
      std::find_if(trace.stops.begin(), trace.stops.end(), [hop](const Stop& stop) { return stop.hop == hop; });
  return static_cast<std::size_t>(found - trace.stops.begin());
}

std::span<const Stop> stops_between(const Trace& trace, const Part& part) {
  const std::size_t from = stop_of(trace, part.from), to = stop_of(trace, part.to);
  return std::span(trace.stops).subspan(from + 1, to > from ? to - from - 1 : 0);
}

Trace make_trace(Group&& group, const Path& path, const RunKnowledge& run) {
  Trace trace;
  trace.path = path.signature;
  trace.missing = path.missing;
  if (path.unordered) trace.flags |= trace_flag::kUnordered;
  for (const PathHop& hop : path.hops) {
    trace.hops.push_back(
        {std::move(group.records[hop.record]), hop.node, hop.point, hop.role, hop.detail, hop.tier, 0, 1, true});
  }
  if (!trace.hops.empty()) trace.id = trace_id(trace.hops.front().record);
  number_streams(trace.hops);
  add_stops(trace);
  find_losses(trace, run);
  mark_timed_by_stream(trace.hops);
  if (was_reset(trace)) trace.reset = run.resets.origin(trace, run.completeness);
  const std::vector<std::size_t> timed = timed_hops(trace);
  if (timed.empty() || trace.reset.by != ResetBy::kNobody) {
    trace.flags |= trace_flag::kUnanswered;
    return trace;
  }
  const HopRecord& first = trace.hops[timed.front()].record;
  for (Hop& hop : trace.hops)
    hop.rate =
        run.rates.reference_time(hop.node.point) / run.rates.reference_time(trace.hops[timed.front()].node.point);
  trace.response_time_ns = difference_ns(first.response.last_ns, first.request.first_ns);
  add_client_parts(trace, timed.front(), timed.back());
  add_segments(trace, timed);
  add_server_parts(trace, timed.front(), timed.back());
  trace.far_end = far_end_of(trace, timed.size());
  return trace;
}

const char* part_name(PartKind kind) {
  switch (kind) {
    case PartKind::kClientSend: return "client_send";
    case PartKind::kSegment: return "segment";
    case PartKind::kGateway: return "gateway";
    case PartKind::kServerKernel: return "server_kernel";
    case PartKind::kServerProcess: return "server_process";
    case PartKind::kServerSend: return "server_send";
    case PartKind::kDelayedAck: return "delayed_ack";
  }
  return "unknown";
}

}  // namespace hoptap::linker
