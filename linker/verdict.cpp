#include "linker/verdict.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "linker/verdict_text.h"

namespace hoptap::linker {
namespace {

constexpr std::int64_t kMaterialNs = 500'000;     // less is below what scheduling does to any request
constexpr std::int64_t kRoundTripNs = 1'000'000;  // of a segment that can dominate a request, or pace its sending
constexpr double kSurpriseMax = 30;
constexpr std::int64_t kNoiseNs = 200'000;  // of a part: interrupts, a cold cache
constexpr std::int64_t kTransferMinNs = 5'000'000;
constexpr std::int64_t kServerDominantNs = 5'000'000;
constexpr std::uint64_t kSmallWindowBytes = 65'536;  // a receiver without window scaling
constexpr std::uint64_t kOneFlightBytes = 14'600;    // ten segments: the initial window (RFC 6928)

const flowtable::MessageRecord& message_of(const Trace& trace, const Part& part) {
  const flowtable::HopRecord& record = trace.hops[part.from].record;
  return part.kind == PartKind::kClientSend ? record.request : record.response;
}

/// A receiver that closes its window makes the sender wait.
bool receiver_closed_window(const flowtable::MessageRecord& message, std::int64_t excess_ns) {
  return excess_ns > 0 && static_cast<std::int64_t>(message.zero_window_ns) >= excess_ns / 2;
}

Place place_of(const Trace& trace, const Part& part, std::int64_t excess_ns) {
  const std::string& from = trace.hops[part.from].point;
  const std::string& to = trace.hops[part.to].point;
  const std::string& client = trace.stops.front().point;
  const std::string& server = trace.stops.back().point;
  switch (part.kind) {
    case PartKind::kSegment: return {VerdictKind::kSlowSegment, from, to};
    case PartKind::kGateway: return {VerdictKind::kGatewaySlow, from, to};
    case PartKind::kDelayedAck: return {VerdictKind::kDelayedAck, from, to};
    case PartKind::kServerKernel: return {VerdictKind::kServerKernel, from, from};
    case PartKind::kServerProcess:  // it may have had its answer ready, and no window to send it
      if (receiver_closed_window(trace.hops[part.from].record.response, excess_ns)) {
        return {VerdictKind::kClientSlow, client, client};
      }
      return {VerdictKind::kServerSlow, from, from};
    case PartKind::kClientSend:
    case PartKind::kServerSend: break;
  }
  const bool by_client = part.kind == PartKind::kClientSend;
  const flowtable::MessageRecord& message = message_of(trace, part);
  const Place client_slow{VerdictKind::kClientSlow, client, client};
  const Place server_slow{VerdictKind::kServerSlow, server, server};
  if (receiver_closed_window(message, excess_ns)) return by_client ? server_slow : client_slow;
  if (message.bytes > kOneFlightBytes) return {VerdictKind::kTransfer, from, from};
  return by_client ? client_slow : server_slow;
}

/// Round trips that sending a message may take: slow start doubles the flight, with as many again for short windows.
std::int64_t flights_of(std::uint64_t bytes) {
  const auto doublings = static_cast<std::uint64_t>(std::bit_width(bytes / kOneFlightBytes));
  return static_cast<std::int64_t>(std::max(2 * (1 + doublings), bytes / kSmallWindowBytes));
}

/// The segment that sending in this trace waited for: the one that lost packets, else the one that is slower than
/// usual, provided that sending took round trips. Null when sending is to be judged on its own.
Blame* pacing_segment(const Trace& trace, std::size_t sending, std::vector<Blame>& blames) {
  Blame* lossy = nullptr;
  Blame* slow = nullptr;
  std::int64_t slower_by = 0;
  for (std::size_t at = 0; at < blames.size(); ++at) {
    if (trace.parts[at].kind != PartKind::kSegment) continue;
    Blame& blame = blames[at];
    slower_by += blame.excess_ns;
    if (blame.copies_lost() > (lossy != nullptr ? lossy->copies_lost() : 0)) lossy = &blame;
    if (blame.excess_ns < std::max(3 * blame.spread_ns, kNoiseNs)) continue;
    if (slow == nullptr || blame.excess_ns > slow->excess_ns) slow = &blame;
  }
  if (lossy != nullptr) return lossy;
  const std::uint64_t bytes = message_of(trace, trace.parts[sending]).bytes;
  const std::int64_t excess = blames[sending].excess_ns;
  const bool one_round_trip = excess <= slower_by + slower_by / 2 + kRoundTripNs;
  if (bytes <= kOneFlightBytes) return one_round_trip ? slow : nullptr;
  return excess <= flights_of(bytes) * slower_by ? slow : nullptr;
}

void move_sending_to_segments(const Trace& trace, std::vector<Blame>& blames) {
  for (std::size_t at = 0; at < blames.size(); ++at) {
    if (!is_sending(trace.parts[at].kind) || blames[at].excess_ns == 0) continue;
    if (receiver_closed_window(message_of(trace, trace.parts[at]), blames[at].excess_ns)) continue;
    Blame* segment = pacing_segment(trace, at, blames);
    if (segment == nullptr) continue;
    segment->excess_ns += blames[at].excess_ns;
    segment->paced_ns += blames[at].excess_ns;
    segment->time_ns += blames[at].excess_ns;
    blames[at].time_ns -= blames[at].excess_ns;
    blames[at].excess_ns = 0;
  }
}

/// Worth naming: well above what the part does by itself, not just its size again.
bool stands_out(const Blame& blame) {
  const bool segment = blame.place.is_segment();
  std::int64_t floor = std::max({3 * blame.spread_ns, kNoiseNs, blame.baseline_ns / (segment ? 4 : 2)});
  if (blame.place.kind == VerdictKind::kTransfer) floor = std::max({floor, blame.baseline_ns, kTransferMinNs});
  return blame.known && blame.excess_ns >= floor && blame.is_unusual();
}

Verdict verdict_on(const Place& place) {
  Verdict verdict;
  verdict.kind = place.kind;
  set_place(place, verdict);
  return verdict;
}

void find_main_segment(const Trace& trace, Judgement& judgement) {
  judgement.main_segment = judgement.blames.size();
  std::int64_t longest = 0;
  for (std::size_t at = 0; at < trace.parts.size(); ++at) {
    if (trace.parts[at].kind != PartKind::kSegment || trace.parts[at].time_ns <= longest) continue;
    longest = trace.parts[at].time_ns;
    judgement.main_segment = at;
  }
  for (const Part& part : trace.parts) {
    if (is_sending(part.kind) && longest >= kRoundTripNs && part.time_ns >= longest - longest / 8) {
      judgement.paced_ns += part.time_ns;
    }
  }
}

/// With nothing to compare with, one place may still hold most of the time.
bool find_dominant(const Trace& trace, const Judgement& judgement, Verdict& verdict) {
  std::int64_t others = 0;
  for (std::size_t at = 0; at < trace.parts.size(); ++at) {
    if (trace.parts[at].kind == PartKind::kSegment && at != judgement.main_segment) {
      others += std::max<std::int64_t>(trace.parts[at].time_ns, 0);
    }
  }
  const std::int64_t whole = trace.response_time_ns;
  if (judgement.main_segment < trace.parts.size()) {
    const Blame& blame = judgement.blames[judgement.main_segment];
    const std::int64_t round_trip = trace.parts[judgement.main_segment].time_ns;
    const std::int64_t owned = round_trip + judgement.paced_ns;
    if (round_trip >= kRoundTripNs && round_trip >= 5 * others && owned * 2 >= whole) {
      verdict = verdict_on(blame.place);
      verdict.contribution = share_of(owned, whole);
      verdict.baseline_ns = round_trip;
      verdict.kind = blame.unordered ? VerdictKind::kCannotTell : VerdictKind::kDominant;
      return true;
    }
  }
  if (judgement.server_ns < kServerDominantNs || judgement.server_ns * 2 < whole) return false;
  verdict = {};
  verdict.kind = server_is_hidden(trace) ? VerdictKind::kCannotTell : VerdictKind::kDominant;
  verdict.at = trace.server_end().point;
  verdict.contribution = share_of(judgement.server_ns, whole);
  verdict.baseline_ns = judgement.server_ns;
  return true;
}

/// The culprit against all other parts: had another one been slow, the culprit's time would have come by chance.
double confidence_of(const Judgement& judgement) {
  const Blame& culprit = judgement.blames[judgement.culprit];
  double others = 1;
  for (std::size_t at = 0; at < judgement.blames.size(); ++at) {
    if (at == judgement.culprit || judgement.blames[at].excess_ns == 0) continue;
    others += std::exp(judgement.blames[at].surprise() - culprit.surprise());
  }
  return culprit.certainty / others;
}

Verdict name_culprit(const Trace& trace, const Judgement& judgement) {
  const Blame& blame = judgement.blames[judgement.culprit];
  Place place = blame.place;
  if (place.is_segment() && blame.copies_lost() > 0) place.kind = VerdictKind::kLoss;
  Verdict verdict = verdict_on(place);
  verdict.excess_ns = blame.excess_ns;
  verdict.baseline_ns = blame.baseline_ns;
  verdict.contribution = share_of(blame.time_ns, trace.response_time_ns);
  verdict.confidence = confidence_of(judgement);
  const bool place_unknown = blame.unordered || (place.is_server() && server_is_hidden(trace));
  if (place_unknown) {
    verdict.kind = VerdictKind::kCannotTell;
    verdict.confidence = 0;
  }
  return verdict;
}

/// A reset has no time to be blamed on.
Judgement judge_unanswered(const Trace& trace) {
  Judgement judgement;
  judgement.verdict.kind = VerdictKind::kCannotTell;
  if (trace.reset.by != ResetBy::kNobody) {
    const std::string& client = trace.stops.front().point;
    const std::string& server = trace.stops.back().point;
    Place place{VerdictKind::kReset, server, server};
    if (trace.reset.by == ResetBy::kClient) place.from = place.to = client;
    if (trace.reset.by == ResetBy::kMiddlebox) {
      place.from = trace.stops[trace.reset.from].point;
      place.to = trace.stops[trace.reset.from + 1].point;
    }
    judgement.verdict = verdict_on(place);
    judgement.verdict.confidence = trace.reset.probability;
  }
  judgement.verdict.text = trace_text(trace, judgement);
  return judgement;
}

/// The part that is farthest out of the ordinary, among those with a good share of the greatest excess.
std::size_t culprit_of(const std::vector<Blame>& blames) {
  std::int64_t greatest = 0;
  for (const Blame& blame : blames) greatest = std::max(greatest, blame.excess_ns);
  std::size_t culprit = 0;
  const auto rank = [&](const Blame& blame) {
    const bool counts = blame.excess_ns > 0 && blame.excess_ns * 4 >= greatest;
    return std::pair(counts ? blame.surprise() : -1.0, blame.excess_ns);
  };
  for (std::size_t at = 1; at < blames.size(); ++at) {
    if (rank(blames[at]) > rank(blames[culprit])) culprit = at;
  }
  return culprit;
}

}  // namespace

const char* verdict_name(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::kNone: return "none";
    case VerdictKind::kSlowSegment: return "slow_segment";
    case VerdictKind::kLoss: return "loss";
    case VerdictKind::kGatewaySlow: return "gateway_slow";
    case VerdictKind::kServerSlow: return "server_slow";
    case VerdictKind::kServerKernel: return "server_kernel";
    case VerdictKind::kDelayedAck: return "delayed_ack";
    case VerdictKind::kClientSlow: return "client_slow";
    case VerdictKind::kTransfer: return "transfer";
    case VerdictKind::kReset: return "reset";
    case VerdictKind::kDominant: return "dominant";
    case VerdictKind::kCannotTell: return "cannot_tell";
  }
  return "unknown";
}

void set_place(const Place& place, Verdict& verdict) {
  if (place.has_two_points()) {
    verdict.from = place.from;
    verdict.to = place.to;
  } else {
    verdict.at = place.from;
  }
}

double share_of(std::int64_t part_ns, std::int64_t whole_ns) {
  return whole_ns <= 0 ? 0 : std::clamp(static_cast<double>(part_ns) / static_cast<double>(whole_ns), 0.0, 1.0);
}

bool server_is_hidden(const Trace& trace) {
  if (trace.stops.back().hop != trace.parts.back().to) return false;  // points beyond are known to be there
  const bool one_point = trace.parts.front().from == trace.parts.back().to;
  return trace.far_end == FarEnd::kBeyond || (one_point && trace.far_end != FarEnd::kServer);
}

double Blame::surprise() const {
  if (!known || excess_ns <= 0) return 0;
  // From the 5th to the 20th percentile an exponential distribution goes 0.172 of its mean.
  constexpr double kSpreadToMean = 1 / 0.172;
  const double mean_ns = kSpreadToMean * static_cast<double>(std::max<std::int64_t>(spread_ns, 1));
  return std::min(static_cast<double>(excess_ns) / mean_ns, kSurpriseMax);
}

/// Where within the part the time went, when it covers more than one stretch of the path.
void Judge::place_within(const Trace& trace, const Part& part, const std::vector<Stretch>& stretches,
                         Blame& blame) const {
  constexpr double kTelling = 0.8;
  const bool divisible = part.kind == PartKind::kSegment || part.kind == PartKind::kGateway || blame.place.is_server();
  if (stretches.size() < 2 || !divisible || blame.excess_ns == 0) return;
  const Likeliest likeliest = likeliest_of(baseline_, trace, part, stretches, blame.excess_ns);
  blame.certainty = likeliest.probability;
  blame.spans_missing = blame.certainty < kTelling;
  if (blame.spans_missing) return;
  const Stop& near = trace.stops[likeliest.stretch.stop];
  if (likeliest.stretch.is_server) {
    blame.place.from = blame.place.to = near.point;
    return;
  }
  const Stop& far = trace.stops[likeliest.stretch.stop + 1];
  const VerdictKind kind = near.stream == far.stream ? VerdictKind::kSlowSegment : VerdictKind::kGatewaySlow;
  blame.place = {kind, near.point, far.point};
}

Blame Judge::blame_of(const Trace& trace, const Part& part) const {
  const std::vector<Stretch> stretches = stretches_of(trace, part);
  const Usual usual = usual_of(baseline_, trace, part, stretches);
  Blame blame;
  blame.known = usual.known;
  blame.baseline_ns = usual.time_ns;
  blame.spread_ns = usual.spread_ns;
  blame.time_ns = part.time_ns;
  blame.excess_ns = usual.known ? std::max<std::int64_t>(part.time_ns - usual.time_ns, 0) : 0;
  blame.request_copies_lost = part.request_copies_lost;
  blame.response_copies_lost = part.response_copies_lost;
  blame.place = place_of(trace, part, blame.excess_ns);
  place_within(trace, part, stretches, blame);
  if (part.kind == PartKind::kSegment) blame.unordered = trace.hops[part.from].tier == trace.hops[part.to].tier;
  return blame;
}

Judgement Judge::judge(const Trace& trace) const {
  if (trace.parts.empty()) return judge_unanswered(trace);
  Judgement judgement;
  for (const Part& part : trace.parts) {
    judgement.blames.push_back(blame_of(trace, part));
    if (is_serving(part.kind)) judgement.server_ns += part.time_ns;
  }
  move_sending_to_segments(trace, judgement.blames);
  judgement.culprit = culprit_of(judgement.blames);
  for (const Blame& blame : judgement.blames) {
    if (blame.is_unusual()) judgement.excess_ns += blame.excess_ns;
  }
  find_main_segment(trace, judgement);
  const Blame& culprit = judgement.blames[judgement.culprit];
  const bool material = culprit.excess_ns >= kMaterialNs && stands_out(culprit);
  judgement.slow = material && culprit.excess_ns * 2 >= judgement.excess_ns;
  if (judgement.slow) {
    judgement.verdict = name_culprit(trace, judgement);
  } else if (!material) {
    find_dominant(trace, judgement, judgement.verdict);
  }
  judgement.verdict.text = trace_text(trace, judgement);
  return judgement;
}

}  // namespace hoptap::linker
