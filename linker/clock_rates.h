// How fast the clocks of points run against each other, learned from when requests pass them. Offsets never matter to
// a round trip, but a clock that gains 50 us a second makes 300 ms wrong by 15 us. learn() every trace, solve(), ask.
// One thread until solved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

namespace hoptap::linker {

struct Trace;

class ClockRates {
 public:
  static constexpr std::size_t kPairsMax = 4096;  ///< of neighbouring points; more are not learned
  static constexpr double kRateMax = 600e-6;      ///< a clock farther off is not being steered (RFC 5905: 500 ppm)

  void learn(const Trace& trace);
  void solve();

  /// How much of the reference clock's time passes while this point's clock counts one: near 1. Compare two points by
  /// the ratio of theirs. 1 for a point nothing is known of.
  double reference_time(std::uint32_t point) const;

  std::uint64_t refused() const { return refused_; }  ///< sightings not learned: kPairsMax reached

 private:
  /// Least difference of two clocks as requests pass: network delay only ever adds to it. By stretches of time, so
  /// that a clock that is set does not look like one that is fast.
  class Differences {
   public:
    void add(std::uint64_t time_ns, std::int64_t difference_ns);
    double slope() const;  ///< 0 when it cannot be told from nothing
    std::uint64_t count() const { return count_; }

   private:
    struct Least {
      std::uint64_t time_ns = 0;
      std::int64_t difference_ns = 0;
    };
    void widen();

    std::map<std::uint64_t, Least> stretches_;  ///< by time / width
    unsigned width_bits_ = 26;                  ///< 67 ms to begin with
    std::uint64_t count_ = 0;
  };

  std::map<std::pair<std::uint32_t, std::uint32_t>, Differences> pairs_;
  std::map<std::uint32_t, double> reference_time_;
  std::uint64_t refused_ = 0;
};

}  // namespace hoptap::linker
