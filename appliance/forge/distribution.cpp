#include "appliance/forge/distribution.h"

#include <algorithm>
#include <numeric>

namespace hoptap::forge {
namespace {

double pick(const Distribution& from, Random& random) {
  double left = random.unit() * std::accumulate(from.weights.begin(), from.weights.end(), 0.0);
  for (std::size_t i = 0; i < from.values.size(); ++i)
    if ((left -= from.weights[i]) < 0) return from.values[i];
  return from.values.back();
}

}  // namespace

double Distribution::sample(Random& random) const {
  double value = first;
  switch (kind) {
    case Kind::kConstant: break;
    case Kind::kUniform: value = first + (second - first) * random.unit(); break;
    case Kind::kNormal: value = first + second * random.normal(); break;
    case Kind::kExponential: value = second + (first - second) * random.exponential(); break;
    case Kind::kLognormal: value = first * natural_exp(second * random.normal()); break;
    case Kind::kPick: value = pick(*this, random); break;
  }
  return std::clamp(value, 0.0, kQuantityMax);
}

}  // namespace hoptap::forge
