// Splits records that share keys into groups of one request each. Most often there is nothing to split; UDP retries
// reuse their id, and a rare key collides. Single thread; the result does not depend on the order of the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "linker/group.h"

namespace hoptap::linker {

/// Differences between the clocks of two points, learned from groups that allow no doubt. Bounded: keeps the samples
/// with the smallest hashes, so the same records give the same sample in any order.
class ClockOffsets {
 public:
  static constexpr std::size_t kSamplesMax = 127;
  static constexpr std::size_t kPairsMax = 4096;

  /// `group` must hold at most one record per point.
  void learn(const Group& group);

  /// Median of (time at `to` - time at `from`), ns, network delay included; nothing when no sample is known.
  std::optional<std::int64_t> offset_ns(std::uint32_t from, std::uint32_t to) const;

 private:
  struct Sample {
    std::uint64_t hash;
    std::int64_t offset_ns;
    auto operator<=>(const Sample&) const = default;
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<Sample>> samples_;  // heaps, greatest hash in front
};

/// What resolve() could not decide. Monotonic.
struct ResolveCounters {
  std::uint64_t conflicts = 0;    ///< records that a key would have joined and a check kept apart
  std::uint64_t ids_refused = 0;  ///< times that too many requests had one header identifier: none is joined by it
};

/// True when the records can only be of one request: one per point, and no check fails.
bool is_unambiguous(const std::vector<flowtable::HopRecord>& records);

/// Splits `records` (all reachable from each other by keys) into groups; counts what a check kept out of a group. Two
/// records of one leg are never of one group.
std::vector<Group> resolve(std::vector<flowtable::HopRecord>&& records, const ClockOffsets& offsets,
                           ResolveCounters& counters);

}  // namespace hoptap::linker
