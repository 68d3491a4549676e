#include "linker/clock_rates.h"

#include <gtest/gtest.h>

#include "linker/trace.h"
#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

/// Requests of `seconds` that two points saw, the second with a clock that is fast by `rate` and is set forward by
/// `step_ns` in the middle.
linker::ClockRates learned(double rate, std::int64_t step_ns, double seconds, std::int64_t jitter_ns = 40 * kUs) {
  linker::ClockRates rates;
  Random random(1);
  constexpr std::int64_t kStart = 1'700'000'000'000'000'000;
  for (std::int64_t at = 0; at < static_cast<std::int64_t>(seconds * 1e9); at += 3 * kMs) {
    linker::Trace trace;
    for (std::uint32_t point = 0; point < 2; ++point) {
      linker::Hop& hop = trace.hops.emplace_back();
      hop.node.point = point;
      hop.timed = true;
      std::int64_t time_ns = at;
      if (point == 1) {
        time_ns += 20 * kUs + random.exponential(jitter_ns);
        if (random.chance(0.3)) time_ns += 50 * kMs;
        time_ns += static_cast<std::int64_t>(static_cast<double>(time_ns) * rate);
        if (at * 2 > static_cast<std::int64_t>(seconds * 1e9)) time_ns += step_ns;
        time_ns += 137 * kMs;
      }
      hop.record.request.first_ns = static_cast<std::uint64_t>(kStart + time_ns);
    }
    rates.learn(trace);
  }
  rates.solve();
  return rates;
}

double rate_found(const linker::ClockRates& rates) { return rates.reference_time(0) / rates.reference_time(1) - 1; }

TEST(ClockRates, AFastClockIsFound) {
  for (const double rate : {50e-6, -50e-6, 5e-6, 200e-6}) EXPECT_NEAR(rate_found(learned(rate, 0, 5)), rate, 1e-6);
  EXPECT_NEAR(rate_found(learned(20e-6, 0, 3600)), 20e-6, 1e-6);
}

TEST(ClockRates, AStepIsNoRate) {
  EXPECT_NEAR(rate_found(learned(0, 150 * kUs, 5)), 0, 1e-6);
  EXPECT_NEAR(rate_found(learned(0, -2'000 * kMs, 5)), 0, 1e-6);
  EXPECT_NEAR(rate_found(learned(50e-6, 150 * kUs, 5)), 50e-6, 2e-6);
}

TEST(ClockRates, WhatCannotBeToldFromNothingIsNothing) {
  EXPECT_EQ(rate_found(learned(0, 0, 0.3)), 0) << "too short";
  EXPECT_EQ(linker::ClockRates().reference_time(7), 1);
}

}  // namespace
}  // namespace hoptap::test
