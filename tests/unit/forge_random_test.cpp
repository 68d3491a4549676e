#include "appliance/forge/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "appliance/forge/distribution.h"

namespace hoptap::forge {
namespace {

TEST(ForgeRandom, TheSameOnEveryMachine) {
  Random random(1, "test");
  const std::uint64_t first = random.next();
  EXPECT_EQ(first, Random(1, "test").next());
  EXPECT_NE(first, Random(2, "test").next());
  EXPECT_NE(first, Random(1, "tests").next());
  EXPECT_NE(first, Random(1, "test", 1).next());
  // A change of these numbers changes every published scenario.
  Random known(42, "known");
  EXPECT_EQ(known.next(), 12533334690822854684U);
  EXPECT_EQ(known.next(), 3571728283537004950U);
}

TEST(ForgeRandom, LogarithmAndExponential) {
  for (const double x : {1e-300, 1e-9, 0.1, 0.5, 0.9999999, 1.0, 1.5, 2.0, 10.0, 12345.678, 1e300})
    EXPECT_NEAR(natural_log(x), std::log(x), std::abs(std::log(x)) * 1e-15 + 1e-15) << x;
  for (const double x : {-700.0, -20.0, -1.0, -1e-9, 0.0, 0.3, 1.0, 5.5, 42.0, 700.0})
    EXPECT_NEAR(natural_exp(x) / std::exp(x), 1, 1e-13) << x;
}

TEST(ForgeRandom, BelowStaysBelow) {
  Random random(1, "below");
  std::vector<int> seen(7);
  for (int i = 0; i < 7000; ++i) ++seen.at(random.below(7));
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
}

struct Shape {
  const char* name;
  Distribution distribution;
  double mean;
  double deviation;
};

TEST(ForgeDistribution, MeansAndDeviations) {
  using Kind = Distribution::Kind;
  const Shape shapes[] = {
      {"constant", Distribution::constant(7), 7, 0},
      {"uniform", {Kind::kUniform, 10, 20, {}, {}}, 15, 10 / std::sqrt(12.0)},
      {"normal", {Kind::kNormal, 100, 5, {}, {}}, 100, 5},
      {"exponential", {Kind::kExponential, 50, 0, {}, {}}, 50, 50},
      {"exponential with a minimum", {Kind::kExponential, 50, 20, {}, {}}, 50, 30},
      {"lognormal",
       {Kind::kLognormal, 100, 0.5, {}, {}},
       100 * std::exp(0.125),
       100 * std::exp(0.125) * std::sqrt(std::exp(0.25) - 1)},
      {"pick", {Kind::kPick, 0, 0, {1, 9}, {3, 1}}, 3, std::sqrt(12.0)},
      {"never below zero", {Kind::kNormal, -100, 5, {}, {}}, 0, 0},
  };
  for (const Shape& shape : shapes) {
    Random random(1, shape.name);
    constexpr int kSamples = 200000;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kSamples; ++i) {
      const double value = shape.distribution.sample(random);
      EXPECT_GE(value, 0) << shape.name;
      sum += value;
      squares += value * value;
    }
    const double mean = sum / kSamples;
    EXPECT_NEAR(mean, shape.mean, 0.01 * shape.mean + 1e-9) << shape.name;
    EXPECT_NEAR(std::sqrt(std::max(0.0, squares / kSamples - mean * mean)), shape.deviation,
                0.02 * shape.deviation + 1e-6)
        << shape.name;
  }
}

TEST(ForgeDistribution, NeverMoreThanAQuantityMayBe) {
  Random random(1, "huge");
  const Distribution huge{Distribution::Kind::kLognormal, kQuantityMax, 20, {}, {}};
  double most = 0;
  for (int i = 0; i < 100; ++i) most = std::max(most, huge.sample(random));
  EXPECT_EQ(most, kQuantityMax);
}

}  // namespace
}  // namespace hoptap::forge
