#include "linker/hop_order.h"

#include <algorithm>
#include <cmath>

#include "linker/group.h"
#include "linker/streams.h"

namespace hoptap::linker {
namespace {

using flowtable::HopRecord;

constexpr std::int64_t kTieNs = 2'000;  // stamping noise of two taps on one host
constexpr double kWeak = 1;
constexpr double kHintWeight = 0.25;
constexpr double kBracketWeight = 0.5;

void vote(std::int64_t difference, std::int64_t tie, std::uint32_t& before, std::uint32_t& after) {
  if (difference > tie) ++before;
  if (difference < -tie) ++after;
}

/// Wait for the response at one point: no clock but its own is involved.
std::int64_t wait_ns(const HopRecord& record, bool to_first_byte) {
  return to_first_byte ? difference_ns(record.response.first_ns, record.request.last_ns)
                       : difference_ns(record.response.last_ns, record.request.first_ns);
}

/// +-kHardScore when nine of ten agree, for values that do not jitter.
double steady_score(std::uint32_t before, std::uint32_t after) {
  const std::uint64_t total = std::uint64_t{before} + after;
  if (total == 0) return 0;
  if (before * 10ull >= total * 9) return kHardScore;
  if (after * 10ull >= total * 9) return -kHardScore;
  return 0;
}

/// Two-sided sign test at p < 0.001; with fewer votes, or less unanimous ones, the sign of the median is a hint.
double sign_test_score(std::uint32_t before, std::uint32_t after) {
  const double lead = static_cast<double>(before) - static_cast<double>(after);
  const double total = static_cast<double>(before) + static_cast<double>(after);
  if (lead * lead > 10.83 * total) return lead > 0 ? kHardScore : -kHardScore;
  return lead == 0 ? 0 : std::copysign(kWeak, lead);
}

/// Scores of all ordered pairs, row-major: positive at (i, j) when i is nearer the client.
class Scores {
 public:
  explicit Scores(std::size_t nodes) : nodes_(nodes), scores_(nodes * nodes) {}
  double at(std::size_t i, std::size_t j) const { return scores_[i * nodes_ + j]; }
  void add(std::size_t i, std::size_t j, double score) {
    scores_[i * nodes_ + j] += score;
    scores_[j * nodes_ + i] -= score;
  }
  std::size_t nodes() const { return nodes_; }

 private:
  std::size_t nodes_;
  std::vector<double> scores_;
};

/// Encapsulation brackets a stretch of the path: a bare point before one tunnelled point is before all of them.
void add_brackets(const std::vector<NodeFacts>& facts, Scores& scores) {
  std::vector<double> lean(facts.size());
  for (std::size_t bare = 0; bare < facts.size(); ++bare) {
    for (std::size_t inside = 0; inside < facts.size(); ++inside) {
      if (facts[bare].tunnel_depth == 0 && facts[inside].tunnel_depth > 0) lean[bare] += scores.at(bare, inside);
    }
  }
  for (std::size_t bare = 0; bare < facts.size(); ++bare) {
    for (std::size_t inside = 0; inside < facts.size(); ++inside) {
      if (facts[bare].tunnel_depth != 0 || facts[inside].tunnel_depth == 0) continue;
      if (scores.at(bare, inside) == 0 && lean[bare] != 0) {
        scores.add(bare, inside, std::copysign(kBracketWeight, lean[bare]));
      }
    }
  }
}

/// Hints only tip a balance; true when a hint is contradicted by hard votes.
bool add_hints(const std::vector<NodeFacts>& facts, Scores& scores) {
  bool disagrees = false;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    for (std::size_t j = i + 1; j < facts.size(); ++j) {
      if (!facts[i].order_hint || !facts[j].order_hint || *facts[i].order_hint == *facts[j].order_hint) continue;
      const double hint = *facts[i].order_hint < *facts[j].order_hint ? kHintWeight : -kHintWeight;
      disagrees |= hint * scores.at(i, j) < 0 && std::abs(scores.at(i, j)) >= kHardScore;
      scores.add(i, j, scores.at(i, j) == 0 || std::abs(scores.at(i, j)) < kHardScore ? hint : 0);
    }
  }
  return disagrees;
}

/// reach[i] bit j: hard evidence leads from i to j, over any number of steps.
std::vector<std::uint64_t> hard_reach(const Scores& scores) {
  std::vector<std::uint64_t> reach(scores.nodes());
  for (std::size_t i = 0; i < scores.nodes(); ++i) {
    for (std::size_t j = 0; j < scores.nodes(); ++j) {
      if (i != j && scores.at(i, j) >= kHardScore) reach[i] |= std::uint64_t{1} << j;
    }
  }
  for (std::size_t k = 0; k < scores.nodes(); ++k) {
    for (std::size_t i = 0; i < scores.nodes(); ++i) {
      if (reach[i] >> k & 1u) reach[i] |= reach[k];
    }
  }
  return reach;
}

/// Sum of the signs of a node's scores against the nodes still to place.
double copeland(const Scores& scores, const std::vector<bool>& placed, std::size_t node) {
  double sum = 0;
  for (std::size_t other = 0; other < scores.nodes(); ++other) {
    if (other == node || placed[other] || scores.at(node, other) == 0) continue;
    sum += std::copysign(1.0, scores.at(node, other)) + scores.at(node, other) / 1000;
  }
  return sum;
}

}  // namespace

PairVotes& PairVotes::operator+=(const PairVotes& other) {
  time_before += other.time_before;
  time_after += other.time_after;
  ttl_before += other.ttl_before;
  ttl_after += other.ttl_after;
  response_ttl_before += other.response_ttl_before;
  response_ttl_after += other.response_ttl_after;
  return *this;
}

PairVotes PairVotes::reversed() const {
  return {time_after, time_before, ttl_after, ttl_before, response_ttl_after, response_ttl_before};
}

PairVotes votes_of(const HopRecord& first, const HopRecord& second) {
  PairVotes votes;
  if (complete(first) && complete(second)) {
    const bool to_first_byte = wait_ns(first, true) > 0 && wait_ns(second, true) > 0;
    vote(wait_ns(first, to_first_byte) - wait_ns(second, to_first_byte), kTieNs, votes.time_before, votes.time_after);
  }
  if (!same_stream(first, second)) return votes;  // a gateway sends with a TTL of its own
  const flowtable::MessageRecord &a = first.request, &b = second.request;
  if (a.seen() && b.seen() && a.ttl != 0 && b.ttl != 0) vote(a.ttl - b.ttl, 0, votes.ttl_before, votes.ttl_after);
  const flowtable::MessageRecord &c = first.response, &d = second.response;
  if (c.seen() && d.seen() && c.ttl != 0 && d.ttl != 0) {
    vote(d.ttl - c.ttl, 0, votes.response_ttl_before, votes.response_ttl_after);
  }
  return votes;
}

double score_of(const PairVotes& votes) {
  return sign_test_score(votes.time_before, votes.time_after) + steady_score(votes.ttl_before, votes.ttl_after) +
         steady_score(votes.response_ttl_before, votes.response_ttl_after);
}

VoteMatrix& VoteMatrix::operator+=(const VoteMatrix& other) {
  for (std::size_t at = 0; at < votes_.size() && at < other.votes_.size(); ++at) votes_[at] += other.votes_[at];
  return *this;
}

double agreement(const VoteMatrix& left, const VoteMatrix& right) {
  double sum = 0;
  for (std::size_t j = 1; j < left.nodes() && j < right.nodes(); ++j) {
    for (std::size_t i = 0; i < j; ++i) sum += score_of(left.at(i, j)) * score_of(right.at(i, j));
  }
  return sum;
}

Order order_nodes(const VoteMatrix& votes, const std::vector<NodeFacts>& facts, const std::vector<double>& extra) {
  const std::size_t nodes = votes.nodes();
  Scores scores(nodes);
  for (std::size_t j = 1; j < nodes; ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      scores.add(i, j, score_of(votes.at(i, j)) + (extra.empty() ? 0 : extra[i * nodes + j]));
    }
  }
  Order order;
  add_brackets(facts, scores);
  order.hint_disagrees = add_hints(facts, scores);

  const std::vector<std::uint64_t> reach = hard_reach(scores);
  const auto tied = [&](std::size_t i, std::size_t j) {
    return (reach[i] >> j & 1u) != 0 && (reach[j] >> i & 1u) != 0;
  };
  std::vector<bool> placed(nodes);
  while (order.sequence.size() < nodes) {
    std::size_t best = nodes;
    double best_score = 0;
    for (std::size_t i = 0; i < nodes; ++i) {
      if (placed[i]) continue;
      bool blocked = false;
      for (std::size_t j = 0; j < nodes; ++j)
        blocked |= !placed[j] && j != i && (reach[j] >> i & 1u) != 0 && !tied(i, j);
      if (blocked) continue;
      // A tier once begun is finished first, so that its points stay together.
      const bool same_tier = !order.sequence.empty() && tied(order.sequence.back(), i);
      const double score = copeland(scores, placed, i) + (same_tier ? 1000 : 0);
      if (best == nodes || score > best_score) {
        best = i;
        best_score = score;
      }
    }
    const bool new_tier = order.sequence.empty() || !tied(order.sequence.back(), best);
    order.tier.push_back(order.tier.empty() ? 0 : order.tier.back() + (new_tier ? 1 : 0));
    order.sequence.push_back(best);
    placed[best] = true;
  }
  return order;
}

}  // namespace hoptap::linker
