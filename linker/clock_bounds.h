// How far apart the clocks of two points are, with a bound that holds: a request reaches the second point after the
// first and its response passes it before, so each trace bounds the difference from both sides. learn() every trace,
// then ask. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "linker/trace.h"

namespace hoptap::linker {

/// The second clock is ahead of the first by `offset_ns`, give or take `bound_ns`.
struct ClockBound {
  std::int64_t offset_ns = 0;
  std::int64_t bound_ns = 0;
};

class ClockBounds {
 public:
  static constexpr std::size_t kPairsMax = 4096;  ///< more are not learned

  /// Compares the clock of the first timed hop's point with those of the others.
  void learn(const Trace& trace);

  /// The point that most traces begin at; nothing before any was learned.
  std::optional<std::uint32_t> reference() const;

  /// Of `point` against reference(). Nothing when no trace showed both, or when the clocks moved against each other by
  /// more than requests take, so that no difference fits all traces.
  std::optional<ClockBound> bound(std::uint32_t point) const;

 private:
  struct Between {
    std::int64_t least_ns = INT64_MIN;  ///< the difference is at least so much
    std::int64_t most_ns = INT64_MAX;
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, Between> pairs_;
  std::map<std::uint32_t, std::uint64_t> first_;  ///< traces that begin at the point
};

}  // namespace hoptap::linker
