#include "appliance/tracer/engine.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "stream.h"

namespace hoptap::test {
namespace {

using appliance::Engine;
using appliance::EngineConfig;

constexpr std::uint64_t kNow = 1'000'000'000'000;

Scenario faulty() {
  Scenario scenario;
  scenario.requests = 150;
  scenario.wire_extra_ns = 20 * kMs;
  scenario.extra_from = 0.5;
  scenario.loss = 0.03;
  scenario.site[3].clock_ns = 137 * kMs;
  scenario.site[5].missed = 0.05;
  return scenario;
}

/// Reads all there is.
void read_all(Engine& engine) {
  for (auto more = engine.read(kNow); more && *more; more = engine.read(kNow)) {
  }
}

void settle(Engine& engine) {
  read_all(engine);
  const auto done = engine.round(true);
  ASSERT_TRUE(done) << done.error().what;
}

TEST(Engine, EndsWithWhatTheOfflineLinkerSaysInAnyInterleaving) {
  const Scenario scenario = faulty();
  const std::vector<HopRecord> records = records_of(scenario);
  const auto expected = expected_traces(scenario, records);
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const Scratch scratch;
    const auto store = open_store(scratch);
    std::vector<Parcel> parcels = parcels_of(scenario, records, seed == 0 ? 1000 : 17);
    interleave(parcels, seed);
    Engine engine(*store, {});
    for (std::size_t at = 0; at < parcels.size(); ++at) {
      deliver(*store, parcels[at]);
      if (at % 11 != seed) continue;
      read_all(engine);
      ASSERT_TRUE(engine.round(false));
    }
    settle(engine);
    EXPECT_FALSE(engine.has_news());
    EXPECT_EQ(traces_of(*store), expected) << seed;
  }
}

TEST(Engine, APointThatComesAfterAllOthersAmendsTheirTraces) {
  const Scenario scenario = faulty();
  const std::vector<HopRecord> records = records_of(scenario);
  const Scratch scratch;
  const auto store = open_store(scratch);
  std::vector<Parcel> parcels = parcels_of(scenario, records, 50);
  std::stable_partition(parcels.begin(), parcels.end(), [](const Parcel& one) { return one.probe != "pod-a"; });
  Engine engine(*store, {});
  std::uint64_t first = 0;
  for (const Parcel& parcel : parcels) {
    if (parcel.probe == "pod-a" && first == 0) {
      settle(engine);
      first = traces_of(*store).begin()->first;
    }
    deliver(*store, parcel);
  }
  settle(engine);
  EXPECT_EQ(traces_of(*store), expected_traces(scenario, records));
  // The client's own point gives traces another id; who has the old one still finds them.
  const auto renamed = store->trace(first);
  ASSERT_TRUE(renamed && *renamed);
  EXPECT_NE((*renamed)->id, first);
  const auto page = store->traces({}, {}, 1);
  ASSERT_TRUE(page);
  EXPECT_GT(page->traces.front().revision, 0u);
}

TEST(Engine, IsMadeAnewFromTheStoreAtAnyMoment) {
  const Scenario scenario = faulty();
  const std::vector<HopRecord> records = records_of(scenario);
  const Scratch scratch;
  auto store = open_store(scratch);
  std::vector<Parcel> parcels = parcels_of(scenario, records, 20);
  interleave(parcels, 5);
  auto engine = std::make_unique<Engine>(*store, EngineConfig{});
  for (std::size_t at = 0; at < parcels.size(); ++at) {
    deliver(*store, parcels[at]);
    if (at % 9 == 0) {
      read_all(*engine);
      ASSERT_TRUE(engine->round(at % 2 == 0));
    }
    if (at % 13 != 5) continue;
    engine.reset();
    store.reset();
    store = open_store(scratch);
    engine = std::make_unique<Engine>(*store, EngineConfig{});
    ASSERT_TRUE(engine->recover());
  }
  settle(*engine);
  EXPECT_EQ(traces_of(*store), expected_traces(scenario, records));
}

TEST(Engine, APointThatHasReadNothingYetMakesNothingOld) {
  const Scenario scenario = faulty();
  const std::vector<HopRecord> records = records_of(scenario);
  const Scratch scratch;
  const auto store = open_store(scratch);
  std::vector<Parcel> parcels = parcels_of(scenario, records, 50);
  Engine engine(*store, {});
  for (Parcel& parcel : parcels) {  // the first batch of a probe with several captures knows no time of most of them
    if (parcel.number > 1) continue;
    Parcel first = parcel;
    first.batch.hops.clear();
    first.batch.points[0].reached_ns = 0;
    first.batch.points[0].ended = false;
    deliver(*store, first);
  }
  read_all(engine);
  for (Parcel& parcel : parcels) {
    ++parcel.number;
    deliver(*store, parcel);
    read_all(engine);
    ASSERT_TRUE(engine.round(true));
  }
  EXPECT_EQ(engine.counters().traces_final, 0u);
  EXPECT_EQ(traces_of(*store), expected_traces(scenario, records));
}

TEST(Engine, AfterALongSilenceNewRecordsAreNotOld) {
  Scenario scenario = faulty();
  scenario.datagrams = 0;  // whose ids come again
  Scenario later = scenario;
  later.seed = 2;
  later.start_ns += 7200 * 1000 * kMs;
  const Scratch scratch;
  const auto store = open_store(scratch);
  Engine engine(*store, {});
  std::size_t hops = 0;
  for (const Scenario& one : {scenario, later}) {
    std::vector<HopRecord> records = records_of(one);
    for (HopRecord& record : records) {  // other requests than before
      record.request.sequence ^= static_cast<std::uint32_t>(one.seed);
      record.response.sequence ^= static_cast<std::uint32_t>(one.seed);
    }
    hops += records.size();
    for (Parcel& parcel : parcels_of(one, records, 30)) {
      parcel.number += (one.seed - 1) * 1000;
      deliver(*store, parcel);
      read_all(engine);
      ASSERT_TRUE(engine.round(false));
    }
  }
  settle(engine);
  EXPECT_EQ(engine.counters().window.late, 0u);
  EXPECT_EQ(hops_in(traces_of(*store)), hops);
}

TEST(Engine, OldIdsAreFoundAfterARestartToo) {
  const Scenario scenario = faulty();
  const Scratch scratch;
  auto store = open_store(scratch);
  std::vector<Parcel> parcels = parcels_of(scenario, records_of(scenario), 50);
  for (const Parcel& parcel : parcels)
    if (parcel.probe != "pod-a") deliver(*store, parcel);
  {
    Engine engine(*store, {});
    settle(engine);
  }
  const auto before = traces_of(*store);
  Engine engine(*store, {});
  ASSERT_TRUE(engine.recover());
  settle(engine);
  for (const Parcel& parcel : parcels)
    if (parcel.probe == "pod-a") deliver(*store, parcel);
  settle(engine);
  for (const auto& [id, bytes] : before) EXPECT_TRUE(store->trace(id)->has_value()) << id;
}

TEST(Engine, ARoundAfterARestartTakesNothingAway) {
  const Scenario scenario = faulty();
  const std::vector<HopRecord> records = records_of(scenario);
  const Scratch scratch;
  auto store = open_store(scratch);
  for (const Parcel& parcel : parcels_of(scenario, records, 50)) deliver(*store, parcel);
  {
    Engine engine(*store, {});
    settle(engine);
  }
  EngineConfig config;
  config.window.rest_ticks = 3600;  // nothing is at rest yet
  Engine engine(*store, config);
  ASSERT_TRUE(engine.recover());
  read_all(engine);
  ASSERT_TRUE(engine.round(false));
  EXPECT_EQ(traces_of(*store), expected_traces(scenario, records));
}

TEST(Engine, WhatIsLetGoIsFinalCountedOnceAndLeavesTheInbox) {
  Scenario scenario = faulty();
  scenario.requests = 800;
  const std::vector<HopRecord> records = records_of(scenario);
  const Scratch scratch;
  auto store = open_store(scratch);
  std::vector<Parcel> parcels = parcels_of(scenario, records, 25);
  std::stable_sort(parcels.begin(), parcels.end(),  // in step
                   [](const Parcel& left, const Parcel& right) { return left.number < right.number; });
  EngineConfig config;
  config.window.records_max = 1000;
  auto engine = std::make_unique<Engine>(*store, config);
  appliance::EngineCounters counters;
  for (std::size_t at = 0; at < parcels.size(); ++at) {
    deliver(*store, parcels[at]);
    if (at % 8 == 7) {
      read_all(*engine);
      if (engine->must_round()) {
        ASSERT_TRUE(engine->round(false));
      }
      EXPECT_LE(engine->counters().window_records, 1400u);
    }
    if (at % 50 != 37) continue;
    counters.traces_final += engine->counters().traces_final;
    engine.reset();
    store.reset();
    store = open_store(scratch);
    engine = std::make_unique<Engine>(*store, config);
    ASSERT_TRUE(engine->recover());
  }
  settle(*engine);
  counters.traces_final += engine->counters().traces_final;
  EXPECT_GT(counters.traces_final, 300u);
  EXPECT_EQ(hops_in(traces_of(*store)), records.size());
  EXPECT_LE(store->counters().inbox_records, 3000u) << "of " << records.size();
}

TEST(Engine, VerdictsOfStretchesOfTimeHoldAllOfTheirRequests) {
  Scenario scenario = faulty();
  scenario.requests = 600;
  const std::vector<HopRecord> records = records_of(scenario);
  const Scratch scratch;
  auto store = open_store(scratch);
  EngineConfig config;
  config.window.records_max = 1000;
  config.bucket_ns = 5'000'000'000;
  std::vector<Parcel> parcels = parcels_of(scenario, records, 25);
  std::stable_sort(parcels.begin(), parcels.end(),
                   [](const Parcel& left, const Parcel& right) { return left.number < right.number; });
  auto engine = std::make_unique<Engine>(*store, config);
  for (std::size_t at = 0; at < parcels.size(); ++at) {
    deliver(*store, parcels[at]);
    read_all(*engine);
    if (engine->must_round()) {
      ASSERT_TRUE(engine->round(false));
    }
    if (at != parcels.size() / 2) continue;
    engine = std::make_unique<Engine>(*store, config);  // what was final is read again from the store
    ASSERT_TRUE(engine->recover());
  }
  settle(*engine);
  const auto windows = store->windows({});
  ASSERT_TRUE(windows);
  ASSERT_GT(windows->size(), 2u);
  std::uint64_t requests = 0;
  for (const exporting::WindowRow& row : *windows)
    if (!row.recent) requests += row.verdict.requests + row.verdict.unanswered;
  EXPECT_EQ(requests, traces_of(*store).size());
  const auto segments = store->segments({.rows_max = 100'000});
  ASSERT_TRUE(segments);
  std::uint64_t times = 0, parts = 0;
  for (const exporting::SegmentRow& row : *segments) times += row.times.count();
  for (const auto& [id, bytes] : traces_of(*store)) parts += exporting::decode_trace(bytes)->trace.parts.size();
  EXPECT_EQ(times, parts);
}

TEST(Engine, ABatchDamagedInTheInboxIsCountedAndHoldsNothingUp) {
  const Scenario scenario = faulty();
  const std::vector<HopRecord> records = records_of(scenario);
  const Scratch scratch;
  const auto store = open_store(scratch);
  exporting::InboxBatch bad{"0123456789abcdef", "x", 1, 5, "zstd", "this is no batch", ""};
  ASSERT_TRUE(store->append({&bad, 1}));
  for (const Parcel& parcel : parcels_of(scenario, records, 100)) deliver(*store, parcel);
  Engine engine(*store, {});
  settle(engine);
  EXPECT_EQ(engine.counters().batches_unreadable, 1u);
  EXPECT_EQ(traces_of(*store), expected_traces(scenario, records));
}

TEST(Engine, PointsAreReportedWithTheirClocks) {
  const Scenario scenario = faulty();
  const Scratch scratch;
  const auto store = open_store(scratch);
  for (const Parcel& parcel : parcels_of(scenario, records_of(scenario), 100)) deliver(*store, parcel);
  Engine engine(*store, {});
  settle(engine);
  const auto points = store->points();
  ASSERT_TRUE(points);
  ASSERT_EQ(points->size(), scenario.site.size());
  for (const exporting::PointRow& point : *points) {
    const auto site = std::find_if(scenario.site.begin(), scenario.site.end(),
                                   [&](const SitePoint& one) { return one.name == point.name; });
    ASSERT_NE(site, scenario.site.end()) << point.name;
    ASSERT_TRUE(point.clock_offset_ns) << point.name;
    EXPECT_LE(std::abs(*point.clock_offset_ns - site->clock_ns), *point.clock_bound_ns) << point.name;
    EXPECT_GT(point.hops, 100u);
  }
  const auto first = std::find_if(points->begin(), points->end(), [](const auto& one) { return one.name == "pod-a"; });
  EXPECT_EQ(first->towards_server, std::vector<std::string>{"node-a"});
  EXPECT_TRUE(first->towards_client.empty());
}

}  // namespace
}  // namespace hoptap::test
