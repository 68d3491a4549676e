#include "linker/reset_model.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "linker/trace.h"

namespace hoptap::linker {
namespace {

using flowtable::Reset;

// Chances, as far as they matter: what decides is which points saw the resets.
constexpr double kStray = 0.05;          // a reset where its sender sends none (an answer to late data)
constexpr double kHostOtherTtl = 0.001;  // a host whose resets have another TTL than its data
constexpr double kBoxSameTtl = 0.1;      // a box that copies the host's TTL
constexpr double kBoxOneSided = 0.2;     // a box that resets one side only, for each side
constexpr double kEven = 0.5;

/// One point that saw the exchange. Of two resets that it saw, the first counts: the second one, the other way, is an
/// end host's answer to what came after.
struct Witness {
  std::size_t stop = 0;
  Reset to_server;
  Reset to_client;
  double completeness_to_server = 0;
  double completeness_to_client = 0;
};

std::vector<Witness> witnesses_of(const Trace& trace, const Completeness& completeness) {
  std::vector<Witness> witnesses;
  for (std::size_t stop = 0; stop < trace.stops.size(); ++stop) {
    if (trace.stops[stop].hop == Stop::kMissing) continue;
    const flowtable::HopRecord& record = trace.hops[trace.stops[stop].hop].record;
    Witness& witness = witnesses.emplace_back(Witness{stop, record.to_server_reset, record.to_client_reset,
                                                      completeness.of(record.point, Way::kToServer),
                                                      completeness.of(record.point, Way::kToClient)});
    if (!witness.to_server.seen() || !witness.to_client.seen()) continue;
    (witness.to_server.time_ns > witness.to_client.time_ns ? witness.to_server : witness.to_client) = {};
  }
  return witnesses;
}

/// Share of the resets of one way that came with the TTL of the other packets on it; kEven when nobody can say.
double same_ttl_share(const std::vector<Witness>& witnesses, Reset Witness::*way) {
  double same = 0, known = 0;
  for (const Witness& witness : witnesses) {
    const Reset& reset = witness.*way;
    if (!reset.seen() || reset.ttl == 0 || reset.usual_ttl == 0) continue;
    ++known;
    same += reset.ttl == reset.usual_ttl ? 1 : 0;
  }
  return known > 0 ? same / known : kEven;
}

/// Who may have sent resets, and which way: a host's pass all stops; a box's the stops on the side they go to.
struct Hypothesis {
  ResetBy by{};
  std::size_t from = 0;  ///< of a box: the stop on its client side
  bool to_client = false;
  bool to_server = false;
  double prior = 1;
};

double chance_of(bool expected, bool seen, double completeness) {
  if (!expected) return seen ? kStray : 1 - kStray;
  return seen ? completeness : 1 - completeness;
}

double log_likelihood(const Hypothesis& hypothesis, const std::vector<Witness>& witnesses) {
  double sum = std::log(hypothesis.prior);
  bool any_to_client = false, any_to_server = false;
  for (const Witness& witness : witnesses) {
    const bool box = hypothesis.by == ResetBy::kMiddlebox;
    const bool before_box = witness.stop <= hypothesis.from;
    const bool to_client = hypothesis.to_client && (!box || before_box);
    const bool to_server = hypothesis.to_server && (!box || !before_box);
    sum += std::log(chance_of(to_client, witness.to_client.seen(), witness.completeness_to_client));
    sum += std::log(chance_of(to_server, witness.to_server.seen(), witness.completeness_to_server));
    any_to_client = any_to_client || (to_client && witness.to_client.seen());
    any_to_server = any_to_server || (to_server && witness.to_server.seen());
  }
  const auto ttl_chance = [&](double same) {
    return hypothesis.by == ResetBy::kMiddlebox ? same * kBoxSameTtl + (1 - same) * (1 - kBoxSameTtl)
                                                : same * (1 - kHostOtherTtl) + (1 - same) * kHostOtherTtl;
  };
  if (any_to_client) sum += std::log(ttl_chance(same_ttl_share(witnesses, &Witness::to_client)));
  if (any_to_server) sum += std::log(ttl_chance(same_ttl_share(witnesses, &Witness::to_server)));
  return sum;
}

std::vector<Hypothesis> hypotheses_of(std::size_t stops) {
  std::vector<Hypothesis> all{{ResetBy::kServer, 0, true, false, 1}, {ResetBy::kClient, 0, false, true, 1}};
  for (std::size_t from = 0; from + 1 < stops; ++from) {
    all.push_back({ResetBy::kMiddlebox, from, true, true, 1});
    all.push_back({ResetBy::kMiddlebox, from, true, false, kBoxOneSided});
    all.push_back({ResetBy::kMiddlebox, from, false, true, kBoxOneSided});
  }
  return all;
}

struct Scored {
  ResetBy by{};
  std::size_t from = 0;
  double share = 0;  ///< of all hypotheses; those that differ only in the ways they reset are one
};

/// Empty when no hop saw a reset.
std::vector<Scored> shares_of(const Trace& trace, const Completeness& completeness) {
  const std::vector<Witness> witnesses = witnesses_of(trace, completeness);
  const bool any = std::any_of(witnesses.begin(), witnesses.end(), [](const Witness& witness) {
    return witness.to_client.seen() || witness.to_server.seen();
  });
  std::vector<Scored> shares;
  if (!any) return shares;
  const std::vector<Hypothesis> hypotheses = hypotheses_of(trace.stops.size());
  std::vector<double> scores;
  scores.reserve(hypotheses.size());
  for (const Hypothesis& hypothesis : hypotheses) scores.push_back(log_likelihood(hypothesis, witnesses));
  const double best = *std::max_element(scores.begin(), scores.end());
  for (std::size_t at = 0; at < hypotheses.size(); ++at) {
    const Hypothesis& one = hypotheses[at];
    if (shares.empty() || shares.back().by != one.by || shares.back().from != one.from) {
      shares.push_back({one.by, one.from, 0});
    }
    shares.back().share += std::exp(scores[at] - best);
  }
  return shares;
}

void normalize(std::vector<Scored>& shares) {
  double sum = 0;
  for (const Scored& one : shares) sum += one.share;
  for (Scored& one : shares) one.share /= sum;
}

}  // namespace

ResetModel::Place ResetModel::place_of(const Trace& trace, ResetBy by, std::size_t from) {
  const NodeId client = trace.stops.front().node, server = trace.stops.back().node;
  if (by == ResetBy::kMiddlebox) return {by, trace.stops[from].node, trace.stops[from + 1].node};
  return by == ResetBy::kClient ? Place{by, client, client} : Place{by, server, server};
}

void ResetModel::learn(const Trace& trace, const Completeness& completeness) {
  std::vector<Scored> shares = shares_of(trace, completeness);
  normalize(shares);
  for (const Scored& one : shares) {
    const Place place = place_of(trace, one.by, one.from);
    if (resets_.size() < kPlacesMax || resets_.count(place) > 0) {
      resets_[place] += one.share;
    } else {
      ++refused_;
    }
  }
}

ResetOrigin ResetModel::origin(const Trace& trace, const Completeness& completeness) const {
  constexpr double kPriorResets = 0.5;  // what is believed of a place without having seen it reset anything
  std::vector<Scored> shares = shares_of(trace, completeness);
  if (shares.empty()) return {};
  normalize(shares);
  for (Scored& one : shares) {  // others' resets count, its own must not confirm itself
    const auto known = resets_.find(place_of(trace, one.by, one.from));
    const double others = known == resets_.end() ? 0 : std::max(known->second - one.share, 0.0);
    one.share *= others + kPriorResets;
  }
  normalize(shares);
  const auto best = std::max_element(shares.begin(), shares.end(),
                                     [](const Scored& left, const Scored& right) { return left.share < right.share; });
  return {best->by, best->from, best->share};
}

}  // namespace hoptap::linker
