#include "linker/baseline.h"

#include <gtest/gtest.h>

#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

using linker::Baseline;
using linker::Part;
using linker::PartKind;
using linker::Trace;
using linker::Usual;

Trace trace_with(std::int64_t segment_ns, std::int64_t send_ns, std::uint64_t bytes, std::uint64_t path = 1) {
  Trace trace;
  trace.path = path;
  trace.hops.resize(2);
  trace.hops[1].node.point = 1;
  trace.hops[0].record.request.bytes = bytes;
  trace.hops[1].record.protocol = "http";
  trace.parts = {{PartKind::kClientSend, 0, 0, send_ns},
                 {PartKind::kSegment, 0, 1, segment_ns},
                 {PartKind::kServerProcess, 1, 1, 500 * kUs}};
  return trace;
}

TEST(Baseline, AFaultOnMostRequestsDoesNotMoveIt) {
  Baseline baseline;
  Random random(3);
  for (int at = 0; at < 300; ++at) {
    baseline.add(trace_with((at % 5 < 3 ? 30 * kMs : 0) + 100 * kUs + random.exponential(20 * kUs), 0, 100));
  }
  const Trace trace = trace_with(0, 0, 100);
  const Usual usual = baseline.usual(trace, trace.parts[1]);
  EXPECT_TRUE(usual.known);
  EXPECT_LT(usual.time_ns, 200 * kUs);
  EXPECT_LT(usual.spread_ns, 100 * kUs);
}

TEST(Baseline, ReceiversThatAreSometimesAwakeDoNotWidenIt) {
  Baseline baseline;
  Random random(3);
  for (int at = 0; at < 300; ++at) {
    baseline.add(trace_with((at % 8 == 0 ? 20 * kUs : 120 * kUs) + random.exponential(20 * kUs), 0, 100));
  }
  const Trace trace = trace_with(0, 0, 100);
  const Usual usual = baseline.usual(trace, trace.parts[1]);
  EXPECT_GT(usual.time_ns, 100 * kUs);
  EXPECT_LT(usual.spread_ns, 15 * kUs);
}

TEST(Baseline, WhatTheSketchCannotTellApartIsNotNarrow) {
  Baseline baseline;  // its buckets are 2 % wide
  for (int at = 0; at < 300; ++at) baseline.add(trace_with((at % 10 == 0 ? 19'500 : 20'050) * kUs, 0, 100));
  const Trace trace = trace_with(0, 0, 100);
  EXPECT_GT(baseline.usual(trace, trace.parts[1]).spread_ns, 200 * kUs);
}

TEST(Baseline, IsUnknownUntilThereAreEnough) {
  Baseline baseline;
  const Trace trace = trace_with(100 * kUs, 0, 100);
  for (std::uint64_t at = 0; at + 1 < Baseline::kRequestsMin; ++at) baseline.add(trace);
  EXPECT_FALSE(baseline.usual(trace, trace.parts[1]).known);
  baseline.add(trace);
  EXPECT_TRUE(baseline.usual(trace, trace.parts[1]).known);
  const Trace other_path = trace_with(100 * kUs, 0, 100, 2);
  EXPECT_TRUE(baseline.usual(other_path, other_path.parts[1]).known) << "the same two points on another path";
}

TEST(Baseline, ComparesSendingWithLikeSizes) {
  Baseline baseline;
  for (int at = 0; at < 20; ++at) {
    baseline.add(trace_with(0, 10 * kUs, 1000));
    baseline.add(trace_with(0, 2 * kMs, 100'000));
  }
  const auto usual = [&](std::uint64_t bytes) {
    const Trace trace = trace_with(0, 0, bytes);
    return baseline.usual(trace, trace.parts[0]);
  };
  EXPECT_NEAR(static_cast<double>(usual(900).time_ns), 10e3, 200);
  EXPECT_NEAR(static_cast<double>(usual(90'000).time_ns), 2e6, 4e4);
  EXPECT_NEAR(static_cast<double>(usual(800'000).time_ns), 16e6, 4e5) << "in proportion to the next smaller";
  EXPECT_FALSE(usual(10).known);
}

TEST(Baseline, NeverFindsAHeldBackAckUsual) {
  Baseline left;
  const Trace trace = trace_with(100 * kUs, 0, 100);
  for (int at = 0; at < 12; ++at) left.add(trace);
  EXPECT_TRUE(left.usual(trace, trace.parts[1]).known);
  const Part held{PartKind::kDelayedAck, 0, 1, 40 * kMs};
  EXPECT_EQ(left.usual(trace, held).time_ns, 0);
  EXPECT_TRUE(left.usual(trace, held).known);
}

TEST(Baseline, IsBounded) {
  Baseline baseline;
  for (std::uint64_t path = 1; path <= Baseline::kSketchesMax; ++path) baseline.add(trace_with(1, 1, 100, path));
  EXPECT_GT(baseline.refused(), 0u);
}

}  // namespace
}  // namespace hoptap::test
