// A random quantity as a scenario describes it.
#pragma once

#include <vector>

#include "appliance/forge/random.h"

namespace hoptap::forge {

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

  /// Never below zero.
  double sample(Random& random) const;
};

}  // namespace hoptap::forge
