#include "linker/run_verdict.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "linker/verdict_text.h"

namespace hoptap::linker {
namespace {

constexpr std::uint64_t kRequestsMin = Baseline::kRequestsMin;
constexpr std::int64_t kSegmentDominantNs = 1'000'000;
constexpr std::int64_t kServerDominantNs = 5'000'000;
constexpr std::size_t kEvidenceMax = 3;

std::uint64_t count_share(std::uint64_t count, double share) {
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(count) * share));
}

/// A busy host delays some requests by some milliseconds anywhere, so the less is added, the more requests must show
/// it.
struct Threshold {
  std::int64_t excess_ns;
  double share;
};
constexpr std::array<Threshold, 3> kThresholds{{{10'000'000, 0.02}, {5'000'000, 0.08}, {500'000, 0.10}}};
constexpr std::uint64_t kSlowMin = 5;
// So many requests, so much slower on average, are no noise even when no place stands out.
constexpr double kManyShare = 0.10;
constexpr std::int64_t kManyExcessNs = 10'000'000;

void keep_worst(std::vector<RunJudge::Evidence>& evidence, const RunJudge::Evidence& one) {
  evidence.push_back(one);
  std::sort(evidence.begin(), evidence.end(), std::greater<>());
  if (evidence.size() > kEvidenceMax) evidence.pop_back();
}

}  // namespace

RunJudge::PlaceSums* RunJudge::sums_of(const Place& place) {
  const auto known = places_.find(place);
  if (known != places_.end()) return &known->second;
  if (places_.size() >= kPlacesMax) {
    ++places_refused_;
    return nullptr;
  }
  return &places_[place];
}

void RunJudge::add_unanswered(const Trace& trace, const Judgement& judgement) {
  ++unanswered_;
  if (judgement.verdict.kind != VerdictKind::kReset) return;
  ++reset_;
  const Verdict& verdict = judgement.verdict;
  const bool host = verdict.from.empty();
  const Place place{VerdictKind::kReset, host ? verdict.at : verdict.from, host ? verdict.at : verdict.to};
  if (resets_.size() >= kPlacesMax && resets_.count(place) == 0) {
    ++places_refused_;
    return;
  }
  ResetSums& sums = resets_[place];
  ++sums.requests;
  sums.confidence += verdict.confidence;
  keep_worst(sums.evidence, {0, trace.id});
}

void RunJudge::add_losses(const Trace& trace) {
  for (const Loss& loss : trace.losses) {
    if (loss.what != Lost::kRequest && loss.what != Lost::kResponse) continue;
    const Place place{VerdictKind::kSlowSegment, trace.stops[loss.from].point, trace.stops[loss.from + 1].point};
    if (PlaceSums* sums = sums_of(place)) ++(loss.what == Lost::kRequest ? sums->lost.request : sums->lost.response);
  }
}

/// Remembers which points a segment spans where none of its parts could be named.
void RunJudge::add_gaps(const Trace& trace, const Judgement& judgement) {
  for (std::size_t at = 0; at < judgement.blames.size(); ++at) {
    const Blame& blame = judgement.blames[at];
    if (!blame.spans_missing) continue;
    std::vector<std::string>& gap = gaps_[{blame.place.from, blame.place.to}];
    for (const Stop& stop : stops_between(trace, trace.parts[at])) {
      if (std::find(gap.begin(), gap.end(), stop.point) == gap.end()) gap.push_back(stop.point);
    }
  }
}

void RunJudge::add(const Trace& trace, const Judgement& judgement) {
  if (trace.parts.empty()) {
    add_unanswered(trace, judgement);
    return;
  }
  ++requests_;
  total_ns_ += trace.response_time_ns;
  responses_.add(trace.response_time_ns);
  for (const MissingPoint& missing : trace.missing) ++missing_[missing.point];
  add_gaps(trace, judgement);
  add_losses(trace);
  scope_.add(trace, judgement.slow);
  ServerEnd& end = server_ends_[trace.server_end().point];
  ++end.requests;
  end.known += trace.far_end == FarEnd::kServer ? 1 : 0;
  end.hidden += server_is_hidden(trace) ? 1 : 0;
  const auto timed = std::count_if(trace.hops.begin(), trace.hops.end(), [](const Hop& hop) { return hop.timed; });
  points_max_ = std::max(points_max_, static_cast<std::size_t>(timed));

  for (std::size_t at = 0; at < judgement.blames.size(); ++at) {
    const Blame& blame = judgement.blames[at];
    PlaceSums* sums = sums_of(blame.place);
    if (sums == nullptr) continue;
    const Part& part = trace.parts[at];
    const bool whole = part.kind == PartKind::kSegment && stops_between(trace, part).empty();
    if (whole) sums->times.add(part.time_ns);
    sums->spans_missing |= blame.spans_missing;
    sums->unordered |= blame.unordered;
    if (at == judgement.main_segment) sums->owned_ns += part.time_ns + judgement.paced_ns;
    if (part.kind != PartKind::kServerProcess || !blame.place.is_server()) continue;
    sums->owned_ns += judgement.server_ns;
    sums->times.add(judgement.server_ns);
  }
  if (judgement.slow) {
    add_slow(trace, judgement);
  } else {
    servers_.add(judgement.server_ns);
  }
}

void RunJudge::add_slow(const Trace& trace, const Judgement& judgement) {
  ++slow_;
  slow_total_ns_ += trace.response_time_ns;
  slow_excess_ns_ += judgement.excess_ns;
  servers_of_slow_.add(judgement.server_ns);
  for (const Blame& blame : judgement.blames) {
    PlaceSums* sums = sums_of(blame.place);
    if (sums == nullptr) continue;
    sums->slow_time_ns += blame.time_ns;
    if (blame.is_unusual()) sums->slow_excess_ns += blame.excess_ns;
  }
  const Blame& culprit = judgement.blames[judgement.culprit];
  sample_.add(trace.id, judgement);
  PlaceSums* sums = sums_of(culprit.place);
  if (sums == nullptr) return;
  ++sums->culprit_of;
  sums->culprit_with_loss += culprit.copies_lost() > 0 ? 1 : 0;
  sums->excesses.add(culprit.excess_ns);
  sums->baselines.add(culprit.baseline_ns);
  keep_worst(sums->evidence, {culprit.excess_ns, trace.id});
}

/// The segment within `span` that requests seen at all of its points put most excess on; null: none does.
const Place* RunJudge::home_within(const Place& span) const {
  const auto gap = gaps_.find({span.from, span.to});
  if (gap == gaps_.end()) return nullptr;
  std::vector<std::string> inside = gap->second;
  inside.push_back(span.from);
  inside.push_back(span.to);
  const auto is_inside = [&](const std::string& point) {
    return std::find(inside.begin(), inside.end(), point) != inside.end();
  };
  const Place* home = nullptr;
  std::int64_t most = 0;
  for (const auto& [place, sums] : places_) {
    const bool within = place.is_segment() && !sums.spans_missing && is_inside(place.from) && is_inside(place.to);
    if (!within || sums.culprit_of == 0 || sums.slow_excess_ns <= most) continue;
    most = sums.slow_excess_ns;
    home = &place;
  }
  return home;
}

RunJudge::Merged RunJudge::merged_places() const {
  Merged merged{places_, {}};
  for (const auto& [span, sums] : places_) {
    if (!sums.spans_missing) continue;
    const Place* home = home_within(span);
    if (home == nullptr) continue;
    PlaceSums& target = merged.places[*home];
    target.slow_time_ns += sums.slow_time_ns;
    target.slow_excess_ns += sums.slow_excess_ns;
    target.owned_ns += sums.owned_ns;
    target.culprit_of += sums.culprit_of;
    target.culprit_with_loss += sums.culprit_with_loss;
    target.excesses.merge(sums.excesses);
    target.baselines.merge(sums.baselines);
    target.lost.request += sums.lost.request;
    target.lost.response += sums.lost.response;
    merged.home.emplace(span, *home);
    merged.places.erase(span);
  }
  return merged;
}

/// The place that holds most of the slow requests' excess, at least half of it; null: there is none.
const Place* RunJudge::leading_place(const Places& places) const {
  const Place* best = nullptr;
  std::int64_t most = 0;
  for (const auto& [place, sums] : places) {
    if (sums.culprit_of == 0 || sums.slow_excess_ns <= most) continue;
    best = &place;
    most = sums.slow_excess_ns;
  }
  return most * 2 >= slow_excess_ns_ ? best : nullptr;
}

/// Enough slow requests to blame the place. Lost copies and delayed ACKs show for themselves, so it takes fewer.
bool RunJudge::is_enough(const Place& place, const PlaceSums& sums) const {
  if (place.is_segment() && sums.culprit_with_loss * 2 >= sums.culprit_of) {
    return sums.culprit_of >= std::max<std::uint64_t>(1, count_share(requests_, 0.01));
  }
  if (place.kind == VerdictKind::kDelayedAck) {
    return sums.culprit_of >= std::max<std::uint64_t>(2, count_share(requests_, 0.02));
  }
  return std::any_of(kThresholds.begin(), kThresholds.end(), [&](const Threshold& threshold) {
    return sums.excesses.count_from(threshold.excess_ns) >= std::max(kSlowMin, count_share(requests_, threshold.share));
  });
}

const Place* RunJudge::dominant_segment(const Places& places) const {
  const auto typical = [](const PlaceSums& sums) {
    return static_cast<double>(sums.times.quantile_ns(0.5)) * static_cast<double>(sums.times.count());
  };
  const Place* best = nullptr;
  double all = 0, most = 0;
  for (const auto& [place, sums] : places) {
    if (!place.is_segment()) continue;
    all += typical(sums);
    if (typical(sums) <= most) continue;
    most = typical(sums);
    best = &place;
  }
  if (best == nullptr || most < 5 * (all - most)) return nullptr;
  const PlaceSums& sums = places.at(*best);
  const bool holds_most = sums.owned_ns * 2 >= total_ns_ && sums.times.count() * 2 >= requests_;
  return holds_most && sums.times.quantile_ns(0.5) >= kSegmentDominantNs ? best : nullptr;
}

const Place* RunJudge::dominant_server(const Places& places) const {
  base::Sketch all = servers_;
  all.merge(servers_of_slow_);
  if (all.quantile_ns(0.5) < kServerDominantNs) return nullptr;
  for (const auto& [place, sums] : places) {
    if (place.kind == VerdictKind::kServerSlow && sums.owned_ns * 2 >= total_ns_) return &place;
  }
  return nullptr;
}

/// Turns a verdict into "cannot tell" where what was captured leaves more than one place.
void RunJudge::doubt(const Place& place, const PlaceSums& sums, RunVerdict& verdict) const {
  if (place.is_segment() && sums.unordered) {
    verdict.because = "the order of " + place.from + " and " + place.to + " is not known";
  } else if (place.is_server()) {
    const auto end = server_ends_.find(place.from);
    if (end == server_ends_.end() || end->second.hidden * 2 <= end->second.requests) return;
    verdict.because = points_max_ == 1 ? "no request was seen at more than one point (" + place.from +
                                             "): the network beyond it and "
                                             "the server cannot be told apart"
                                       : "no point nearer the server than " + place.from + " was captured";
  } else {
    return;
  }
  verdict.kind = VerdictKind::kCannotTell;
  verdict.confidence = 0;
}

void RunJudge::settle_contrast(const Place& place, const Merged& merged, RunVerdict& verdict) const {
  const PlaceSums& sums = merged.places.at(place);
  const bool lossy = place.is_segment() && sums.culprit_with_loss * 2 >= sums.culprit_of;
  verdict.kind = lossy ? VerdictKind::kLoss : place.kind;
  set_place(place, verdict);
  verdict.excess_ns = sums.excesses.quantile_ns(0.5);
  verdict.excess_p95_ns = sums.excesses.quantile_ns(0.95);
  verdict.baseline_ns = sums.baselines.quantile_ns(0.5);
  verdict.contribution = share_of(sums.slow_time_ns, slow_total_ns_);
  verdict.share_of_excess = share_of(sums.slow_excess_ns, slow_excess_ns_);
  verdict.confidence = sample_.confidence(place, merged.home);
  for (const Evidence& evidence : sums.evidence) verdict.evidence.push_back(evidence.trace);
  const auto gap = gaps_.find({place.from, place.to});
  if (place.is_segment() && sums.spans_missing && gap != gaps_.end()) verdict.inside = gap->second;
  verdict.shared_by = scope_.shared();
  doubt(place, sums, verdict);
}

void RunJudge::settle_dominant(const Place& place, const PlaceSums& sums, RunVerdict& verdict) const {
  verdict.kind = VerdictKind::kDominant;
  set_place(place, verdict);
  verdict.baseline_ns = sums.times.quantile_ns(0.5);
  verdict.contribution = share_of(sums.owned_ns, total_ns_);
  doubt(place, sums, verdict);
}

void RunJudge::add_context(RunVerdict& verdict) const {
  verdict.requests = requests_;
  verdict.unanswered = unanswered_;
  verdict.slow = slow_;
  verdict.resets = reset_;
  verdict.points_max = points_max_;
  verdict.response_p50_ns = responses_.quantile_ns(0.5);
  verdict.response_p95_ns = responses_.quantile_ns(0.95);
  verdict.server_usual_ns = servers_.quantile_ns(0.5);
  verdict.server_ns = servers_of_slow_.count() > 0 ? servers_of_slow_.quantile_ns(0.5) : verdict.server_usual_ns;
  const ServerEnd* most = nullptr;
  for (const auto& [point, end] : server_ends_) {
    if (most != nullptr && end.requests <= most->requests) continue;
    most = &end;
    verdict.server_point = point;
    verdict.server_known = end.known * 2 > end.requests;
  }
  for (const auto& [point, count] : missing_) {
    verdict.missing.push_back({point, static_cast<double>(count) / static_cast<double>(std::max(requests_, count))});
  }
  const auto is_here = [&verdict](const std::string& point) {
    return point == verdict.from || point == verdict.to ||
           std::find(verdict.inside.begin(), verdict.inside.end(), point) != verdict.inside.end();
  };
  for (const auto& [place, sums] : places_) {
    if (!place.is_segment()) continue;
    CopiesLost& lost = is_here(place.from) && is_here(place.to) ? verdict.lost_here : verdict.lost_elsewhere;
    lost.request += sums.lost.request;
    lost.response += sums.lost.response;
  }
}

/// The place that reset most requests, if they are no lone accident.
const Place* RunJudge::leading_reset() const {
  constexpr std::uint64_t kResetsMin = 2;
  const Place* best = nullptr;
  std::uint64_t most = 0;
  for (const auto& [place, sums] : resets_) {
    if (sums.requests <= most) continue;
    most = sums.requests;
    best = &place;
  }
  return most >= std::max(kResetsMin, count_share(requests_ + unanswered_, 0.01)) ? best : nullptr;
}

void RunJudge::settle_reset(const Place& place, RunVerdict& verdict) const {
  const ResetSums& sums = resets_.at(place);
  verdict.kind = VerdictKind::kReset;
  set_place(place, verdict);
  verdict.resets_here = sums.requests;
  verdict.confidence = sums.confidence / static_cast<double>(sums.requests);
  for (const Evidence& evidence : sums.evidence) verdict.evidence.push_back(evidence.trace);
}

RunVerdict RunJudge::finish() const {
  RunVerdict verdict;
  const Merged merged = merged_places();
  const Place* leading = leading_place(merged.places);
  const Place* contrast = leading != nullptr && is_enough(*leading, merged.places.at(*leading)) ? leading : nullptr;
  const Place* dominant = dominant_segment(merged.places);
  if (dominant == nullptr) dominant = dominant_server(merged.places);
  if (contrast != nullptr && dominant != nullptr) {
    const bool minor = merged.places.at(*contrast).slow_excess_ns * 10 < merged.places.at(*dominant).owned_ns;
    if (minor || contrast->kind == VerdictKind::kTransfer) contrast = nullptr;
  }
  const Place* reset = leading_reset();
  if (reset != nullptr && (contrast == nullptr || resets_.at(*reset).requests >= slow_)) {
    settle_reset(*reset, verdict);
  } else if (contrast != nullptr) {
    settle_contrast(*contrast, merged, verdict);
  } else if (dominant != nullptr) {
    settle_dominant(*dominant, merged.places.at(*dominant), verdict);
  } else if (requests_ == 0) {
    verdict.kind = VerdictKind::kCannotTell;
    verdict.because = unanswered_ == 0 ? "there are no requests" : "no point saw a request and its response whole";
  } else if (requests_ < kRequestsMin && responses_.quantile_ns(1) >= kServerDominantNs) {
    verdict.kind = VerdictKind::kCannotTell;
    verdict.because = "there are too few requests (" + std::to_string(requests_) + ") to know what is usual";
  } else if (slow_ >= std::max(kSlowMin, count_share(requests_, kManyShare)) &&
             slow_excess_ns_ / static_cast<std::int64_t>(slow_) >= kManyExcessNs) {
    verdict.kind = VerdictKind::kCannotTell;
    verdict.because = std::to_string(slow_) + " of " + std::to_string(requests_) +
                      " requests took clearly longer, and no one place holds half of that time";
  } else if (leading != nullptr) {
    verdict.leading = *leading;
    verdict.leading_ns = merged.places.at(*leading).excesses.quantile_ns(0.5);
  }
  add_context(verdict);
  verdict.text = run_text(verdict);
  return verdict;
}

}  // namespace hoptap::linker
