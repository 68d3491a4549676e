// The order of points along a path, from votes of many requests. Pure functions of mergeable counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "flowtable/record.h"

namespace hoptap::linker {

/// Votes on one pair of points; "before" means that the first of the pair is nearer the client.
struct PairVotes {
  std::uint32_t time_before = 0;  ///< its response time is longer by more than 2 us: free of any clock
  std::uint32_t time_after = 0;
  std::uint32_t ttl_before = 0;  ///< its requests have lived through fewer routers
  std::uint32_t ttl_after = 0;
  std::uint32_t response_ttl_before = 0;  ///< its responses have lived through more routers
  std::uint32_t response_ttl_after = 0;

  PairVotes& operator+=(const PairVotes& other);
  PairVotes reversed() const;
};

/// What one request says about two points of its path.
PairVotes votes_of(const flowtable::HopRecord& first, const flowtable::HopRecord& second);

/// Evidence that the first of the pair is nearer the client (> 0) or farther (< 0). kHardScore or more is as good as
/// certain (a sign test at p < 0.001, or TTLs that agree); less is a hint.
double score_of(const PairVotes& votes);
inline constexpr double kHardScore = 3;

/// Votes on all pairs of up to kNodesMax points.
class VoteMatrix {
 public:
  static constexpr std::size_t kNodesMax = 64;

  explicit VoteMatrix(std::size_t nodes = 0) : nodes_(nodes), votes_(nodes * (nodes - (nodes > 0 ? 1 : 0)) / 2) {}

  std::size_t nodes() const { return nodes_; }
  PairVotes& at(std::size_t first, std::size_t second) { return votes_[index(first, second)]; }  ///< first < second
  const PairVotes& at(std::size_t first, std::size_t second) const { return votes_[index(first, second)]; }
  VoteMatrix& operator+=(const VoteMatrix& other);

 private:
  std::size_t index(std::size_t first, std::size_t second) const { return second * (second - 1) / 2 + first; }
  std::size_t nodes_ = 0;
  std::vector<PairVotes> votes_;
};

/// How alike two matrices order the same points: > 0 the same way, < 0 the other way round.
double agreement(const VoteMatrix& left, const VoteMatrix& right);

/// What is known of a point beside its votes.
struct NodeFacts {
  std::optional<std::uint32_t> order_hint;  ///< lower is nearer the client
  std::uint8_t tunnel_depth = 0;
};

struct Order {
  std::vector<std::size_t> sequence;  ///< indexes of points, client first
  std::vector<std::uint32_t> tier;    ///< by place in `sequence`; points of one tier have no known order
  bool hint_disagrees = false;        ///< hard votes contradict an order hint
};

/// Orders points. `extra` (may be empty, else nodes x nodes, row-major) adds to the score of each pair.
Order order_nodes(const VoteMatrix& votes, const std::vector<NodeFacts>& facts, const std::vector<double>& extra);

}  // namespace hoptap::linker
