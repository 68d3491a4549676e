// A random quantity as a scenario describes it. Private to the forge; one thread.
#pragma once

#include <vector>

#include "appliance/forge/random.h"

namespace hoptap::forge {

inline constexpr double kQuantityMax = 1e12;  ///< of whatever a scenario says: bytes, microseconds

struct Distribution {
  enum class Kind { kConstant, kUniform, kNormal, kExponential, kLognormal, kPick };

  Kind kind = Kind::kConstant;
  double first = 0;             ///< the constant; low; mean; median
  double second = 0;            ///< high; deviation; sigma; the exponential's smallest value
  std::vector<double> values;   ///< of kPick
  std::vector<double> weights;  ///< of kPick, as many as values

  static Distribution constant(double value) {
    return {.kind = Kind::kConstant, .first = value, .values = {}, .weights = {}};
  }

  /// From zero to kQuantityMax.
  double sample(Random& random) const;
};

}  // namespace hoptap::forge
