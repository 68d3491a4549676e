// Where copies were lost, as probabilities: what each place saw, weighed with how much each capture holds, and with
// where the other losses on the same way were. learn() every copy, solve(), then ask. One thread until solved.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "linker/copies.h"

namespace hoptap::linker {

/// A way as a loss model knows it: an id (equal for all messages that pass the same places) and, for each place, the
/// chance that its capture holds a packet.
struct WayPlaces {
  std::uint64_t id = 0;
  std::vector<double> completeness;
};

class LossModel {
 public:
  static constexpr std::size_t kWaysMax = 4096;
  static constexpr std::size_t kPatternsMax = 65536;  ///< kinds of sightings remembered, over all ways

  void learn(const WayPlaces& way, const ResentCopy& copy);

  /// Finds where losses happen on each way (expectation maximisation: a copy that could have been lost in two segments
  /// was rather lost in the one that loses others).
  void solve();

  /// [n]: the probability that the copy passed places 0..n and was not seen beyond: it was lost between n and n + 1,
  /// and for the last place, that it arrived there. Works before solve() and for ways never learned, with less to go
  /// by.
  std::vector<double> reached(const WayPlaces& way, const ResentCopy& copy) const;

  std::uint64_t refused() const { return refused_; }  ///< copies not learned: a limit was reached

 private:
  using Pattern = std::pair<Places, Places>;  ///< ResentCopy::seen, unknown
  struct Learned {
    std::vector<double> completeness;
    std::map<Pattern, std::uint64_t> patterns;
    std::vector<double> losses;  ///< expected number of copies whose last place was n
  };

  std::map<std::uint64_t, Learned> ways_;
  std::size_t pattern_count_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace hoptap::linker
