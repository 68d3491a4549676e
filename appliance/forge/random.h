// Random numbers that are the same on every machine: xoshiro256** seeded by splitmix64, and logarithm and
// exponential built from exact IEEE operations only (those of C libraries differ in their last bits). Private to the
// forge; one thread for each generator.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace hoptap::forge {

/// One stream of random numbers. Each purpose has its own, so that drawing more for one changes no other.
class Random {
 public:
  /// The stream of `purpose` (and `number`, for one of many alike) of a run with this seed.
  Random(std::uint64_t seed, std::string_view purpose, std::uint64_t number = 0);

  std::uint64_t next();
  double unit();                             ///< [0, 1)
  std::uint64_t below(std::uint64_t limit);  ///< [0, limit); limit > 0
  bool chance(double probability);           ///< draws nothing when that is 0
  double normal();                           ///< mean 0, deviation 1
  double exponential();                      ///< mean 1

 private:
  std::array<std::uint64_t, 4> state_{};
};

double natural_log(double x);  ///< x > 0
double natural_exp(double x);

}  // namespace hoptap::forge
