#include "linker/clock_bounds.h"

#include <gtest/gtest.h>

#include "linker_scenario.h"

namespace hoptap::test {
namespace {

TEST(ClockBounds, HoldTheTruthForEveryPoint) {
  Scenario scenario;
  scenario.site[3].clock_ns = 137 * kMs;
  scenario.site[6].clock_ns = -2000 * kMs;
  const Analysis analysis = analyse(records_of(scenario), point_table(scenario));
  linker::ClockBounds clocks;
  for (const linker::Trace& trace : analysis.traces) clocks.learn(trace);
  ASSERT_TRUE(clocks.reference());
  EXPECT_EQ(*clocks.reference(), point_id(scenario, 0));
  for (std::size_t at = 0; at < scenario.site.size(); ++at) {
    const auto bound = clocks.bound(point_id(scenario, at));
    ASSERT_TRUE(bound) << at;
    EXPECT_LE(std::abs(bound->offset_ns - scenario.site[at].clock_ns), bound->bound_ns) << at;
    EXPECT_LT(bound->bound_ns, 5 * kMs) << at;
  }
}

TEST(ClockBounds, SaysNothingOfWhatItNeverSawOrOfAClockThatWasSet) {
  Scenario scenario;
  Scenario later = scenario;
  later.site[2].clock_ns = 900 * kMs;
  linker::ClockBounds clocks;
  EXPECT_FALSE(clocks.reference());
  EXPECT_FALSE(clocks.bound(0));
  for (const Scenario& one : {scenario, later}) {
    const Analysis analysis = analyse(records_of(one), point_table(one));
    for (const linker::Trace& trace : analysis.traces) clocks.learn(trace);
  }
  EXPECT_FALSE(clocks.bound(point_id(scenario, 2)));
  EXPECT_TRUE(clocks.bound(point_id(scenario, 3)));
  EXPECT_FALSE(clocks.bound(99));
}

}  // namespace
}  // namespace hoptap::test
