#include "linker/window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "linker/joiner.h"
#include "linker_scenario.h"

namespace hoptap::test {
namespace {

using linker::Group;
using linker::Window;
using linker::WindowLimits;

using Names = std::vector<std::vector<std::pair<std::uint32_t, std::uint64_t>>>;  ///< point and record id, by group

std::vector<std::pair<std::uint32_t, std::uint64_t>> names_of(const Group& group) {
  std::vector<std::pair<std::uint32_t, std::uint64_t>> names;
  for (const HopRecord& record : group.records) names.emplace_back(record.point, record.record_id);
  return names;
}

Names round_of(Window& window, const Window::Round& round, std::span<const std::uint32_t> point_ids = {}) {
  Names names;
  window.each_group(round, point_ids, [&](Group&& group, std::size_t) { names.push_back(names_of(group)); });
  return names;
}

Names joined(const std::vector<HopRecord>& records) {
  Names names;
  linker::Joiner joiner({}, [&](Group&& group) { names.push_back(names_of(group)); });
  for (const HopRecord& record : records) joiner.add(record);
  joiner.flush();
  return names;
}

template <class Value>
void shuffle(std::vector<Value>& values, std::uint64_t seed) {
  Random random(seed);
  for (std::size_t at = values.size(); at > 1; --at) std::swap(values[at - 1], values[random.next() % at]);
}

/// The clock of one point goes on by a second for every tick.
void tick(Window& window, std::uint64_t ticks) {
  static std::uint64_t now = 1'000;
  window.clock().reached(1, now * linker::PacketClock::kTickNs);
  now += ticks;
  window.clock().reached(1, now * linker::PacketClock::kTickNs);
}

TEST(Window, GivesWhatTheJoinerGivesInAnyOrderOfArrival) {
  Scenario scenario;
  scenario.requests = 120;
  scenario.site[3].missed = 0.2;
  std::vector<HopRecord> records = records_of(scenario);
  const Names expected = joined(records);
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    shuffle(records, seed);
    Window window({});
    for (const HopRecord& record : records) window.add(record, 0);
    EXPECT_EQ(round_of(window, window.begin_round(true)), expected) << seed;
  }
}

TEST(Window, RoundsInTheMiddleDoNotChangeTheEnd) {
  Scenario scenario;
  scenario.requests = 60;
  std::vector<HopRecord> records = records_of(scenario);
  const Names expected = joined(records);
  shuffle(records, 9);
  Window window({});
  for (std::size_t at = 0; at < records.size(); ++at) {
    window.add(records[at], at);
    if (at % 50 != 0) continue;
    tick(window, 2);
    const Window::Round round = window.begin_round(false);
    round_of(window, round);
    window.end_round(round);
  }
  EXPECT_EQ(round_of(window, window.begin_round(true)), expected);
  EXPECT_EQ(window.counters().late, 0u);
}

TEST(Window, PointIdsAreReplacedAndOrderGroups) {
  Scenario scenario;
  scenario.requests = 20;
  const std::vector<HopRecord> records = records_of(scenario);
  std::vector<HopRecord> renumbered = records;
  std::vector<std::uint32_t> back(8);
  for (std::uint32_t id = 0; id < 8; ++id) back[(id * 3) % 8] = id;
  for (HopRecord& record : renumbered) record.point = record.point * 3 % 8;
  Window window({});
  for (const HopRecord& record : renumbered) window.add(record, 0);
  EXPECT_EQ(round_of(window, window.begin_round(true), back), joined(records));
}

TEST(Window, ARequestRestsBeforeItIsGivenAndALateRecordAmendsIt) {
  Scenario scenario;
  scenario.requests = 1;
  scenario.datagrams = 0;
  const std::vector<HopRecord> records = records_of(scenario);
  Window window({.rest_ticks = 5});
  for (std::size_t at = 0; at + 1 < records.size(); ++at) window.add(records[at], at);
  tick(window, 4);
  Window::Round round = window.begin_round(false);
  EXPECT_TRUE(round.components.empty());
  EXPECT_FALSE(round.complete);
  tick(window, 1);
  round = window.begin_round(false);
  ASSERT_EQ(round_of(window, round).size(), 1u);
  EXPECT_TRUE(round.complete);
  window.end_round(round);
  EXPECT_EQ(window.records(), records.size() - 1) << "it stays for those that come late";

  window.add(records.back(), 77);
  EXPECT_EQ(window.counters().amended, 1u);
  const Names amended = round_of(window, window.begin_round(false));
  ASSERT_EQ(amended.size(), 1u) << "what was given is given again at once";
  EXPECT_EQ(amended[0].size(), records.size());
}

TEST(Window, WhatIsKeptLongEnoughIsLetGoWithItsTags) {
  Scenario scenario;
  scenario.requests = 1;
  scenario.datagrams = 0;
  const std::vector<HopRecord> records = records_of(scenario);
  Window window({.rest_ticks = 5, .kept_ticks = 60});
  for (std::size_t at = 0; at + 1 < records.size(); ++at) window.add(records[at], 100 + at);
  window.add(flowtable::LegRecord{}, 500);
  tick(window, 59);
  Window::Round round = window.begin_round(false);
  EXPECT_TRUE(window.tags_of_last(round).empty());
  window.end_round(round);
  tick(window, 1);
  round = window.begin_round(false);
  std::vector<std::uint64_t> tags = window.tags_of_last(round);
  std::sort(tags.begin(), tags.end());
  ASSERT_EQ(tags.size(), records.size());
  EXPECT_EQ(tags.front(), 100u);
  EXPECT_EQ(tags.back(), 500u);
  EXPECT_EQ(round_of(window, round).size(), 1u) << "given a last time";
  window.end_round(round);
  EXPECT_EQ(window.records(), 0u);
  EXPECT_EQ(window.counters().let_go, 1u);
  EXPECT_EQ(window.counters().let_go_early, 0u);

  window.add(records.back(), 1);
  EXPECT_EQ(window.counters().late, 1u);
}

TEST(Window, MemoryLetsTheOldestGoEarlyAndLosesNone) {
  Scenario scenario;
  scenario.requests = 400;
  const std::vector<HopRecord> records = records_of(scenario);
  Window window({.records_max = 1000});
  std::multiset<std::uint64_t> tags;
  std::size_t most = 0;
  for (std::size_t at = 0; at < records.size(); ++at) {
    window.add(records[at], at);
    most = std::max(most, window.records());
    if (!window.full()) continue;
    const Window::Round round = window.begin_round(false);
    for (const std::uint64_t tag : window.tags_of_last(round)) tags.insert(tag);
    window.end_round(round);
    EXPECT_LE(window.records(), 750u);
  }
  EXPECT_LE(most, 1001u);
  EXPECT_GT(window.counters().let_go_early, 0u);
  EXPECT_EQ(tags.size() + window.records(), records.size());
  EXPECT_EQ(std::set<std::uint64_t>(tags.begin(), tags.end()).size(), tags.size());
}

TEST(Window, AFloodOfOneKeyIsCutIntoPieces) {
  WindowLimits limits;
  limits.component_records_max = 50;
  Window window(limits);
  Scenario scenario;
  scenario.requests = 1;
  scenario.datagrams = 1;
  HopRecord record = records_of(scenario).front();
  for (std::uint64_t number = 0; number < 500; ++number) {
    record.record_id = number;
    record.request.first_ns += 1'000'000;
    record.response.first_ns += 1'000'000;
    record.response.last_ns += 1'000'000;
    window.add(record, number);
  }
  EXPECT_EQ(window.counters().oversized, 10u);
  EXPECT_EQ(window.records(), 500u);
  EXPECT_EQ(round_of(window, window.begin_round(true)).size(), 500u);
}

}  // namespace
}  // namespace hoptap::test
