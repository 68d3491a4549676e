#include "base/sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

using base::Sketch;

TEST(Sketch, QuantilesAreWithinOnePercent) {
  Random random(7);
  Sketch sketch;
  std::vector<std::int64_t> values;
  for (int at = 0; at < 20'000; ++at) {
    const std::int64_t value = 200 + random.exponential(3 * kMs);
    values.push_back(value);
    sketch.add(value);
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.0, 0.05, 0.2, 0.5, 0.95, 0.99, 1.0}) {
    const auto exact =
        static_cast<double>(values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))]);
    EXPECT_NEAR(static_cast<double>(sketch.quantile_ns(q)), exact, exact * 0.01) << q;
  }
}

TEST(Sketch, MergingEqualsAddingAll) {
  Random random(8);
  Sketch all, left, right;
  for (int at = 0; at < 3000; ++at) {
    const std::int64_t value = random.exponential(at % 2 == 0 ? 10 * kUs : 900 * kMs) - 50;
    all.add(value);
    (at % 3 == 0 ? left : right).add(value);
  }
  left.merge(right);
  EXPECT_EQ(left.count(), all.count());
  for (const double q : {0.0, 0.1, 0.5, 0.9, 1.0}) EXPECT_EQ(left.quantile_ns(q), all.quantile_ns(q));
}

TEST(Sketch, ExtremesAreHeld) {
  Sketch sketch;
  EXPECT_EQ(sketch.quantile_ns(0.5), 0);
  sketch.add(-5000);
  sketch.add(0);
  sketch.add(99);
  EXPECT_EQ(sketch.quantile_ns(1), 0);
  EXPECT_EQ(sketch.count_from(1), 0u);
  sketch.add(INT64_MAX);
  EXPECT_GT(sketch.quantile_ns(1), 1'000'000'000'000'000);
  EXPECT_EQ(sketch.count(), 4u);
  EXPECT_EQ(sketch.count_from(1), 1u);
  EXPECT_EQ(sketch.count_from(1000), 1u);
  Sketch empty;
  empty.merge(sketch);
  EXPECT_EQ(empty.quantile_ns(1), sketch.quantile_ns(1));
  empty.merge(Sketch{});
  EXPECT_EQ(empty.count(), 4u);
}

}  // namespace
}  // namespace hoptap::test
