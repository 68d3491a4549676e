#include "linker/joiner.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

using linker::Group;
using linker::JoinCounters;
using linker::Joiner;
using linker::JoinLimits;

struct Joined {
  std::vector<Group> groups;
  JoinCounters counters;
};

Joined join(std::vector<HopRecord> records, JoinLimits limits = {}) {
  Joined joined;
  Joiner joiner(limits, [&](Group&& group) { joined.groups.push_back(std::move(group)); });
  for (HopRecord& record : records) joiner.add(std::move(record));
  joiner.flush();
  joined.counters = joiner.counters();
  return joined;
}

/// What a group is made of, by point and record id.
std::vector<std::pair<std::uint32_t, std::uint64_t>> members(const Group& group) {
  std::vector<std::pair<std::uint32_t, std::uint64_t>> out;
  for (const HopRecord& record : group.records) out.emplace_back(record.point, record.record_id);
  return out;
}

void shuffle(std::vector<HopRecord>& records, std::uint64_t seed) {
  Random random(seed);
  for (std::size_t at = records.size(); at > 1; --at) std::swap(records[at - 1], records[random.next() % at]);
}

HopRecord tcp(std::uint32_t point, std::uint32_t request_sequence, std::uint32_t response_sequence) {
  HopRecord record;
  record.point = point;
  record.leg_id = point + 100;
  record.record_id = request_sequence;
  record.protocol = "http";
  record.request.first_ns = record.request.last_ns = 1000 + request_sequence;
  record.response.first_ns = record.response.last_ns = 2000 + request_sequence;
  record.request.sequence = request_sequence;
  record.response.sequence = response_sequence;
  record.request.bytes = 10;
  return record;
}

HopRecord dns(std::uint32_t point, std::uint64_t leg, std::uint64_t time_ns, std::uint64_t number) {
  HopRecord record;
  record.point = point;
  record.leg_id = leg;
  record.record_id = number;
  record.transport = 17;
  record.protocol = "dns";
  record.key = 4711;
  record.canonical_hash = 99;
  record.request.first_ns = record.request.last_ns = time_ns;
  record.response.first_ns = record.response.last_ns = time_ns + 1 * kMs;
  record.request.bytes = 30;
  return record;
}

TEST(Joiner, JoinsEveryRequestWhole) {
  Scenario scenario;
  scenario.loss = 0.05;
  scenario.nat = true;
  const Joined joined = join(records_of(scenario));
  ASSERT_EQ(joined.groups.size(), scenario.requests);
  for (const Group& group : joined.groups) {
    ASSERT_EQ(group.records.size(), scenario.site.size());
    for (const HopRecord& record : group.records) EXPECT_EQ(record.record_id, group.records.front().record_id);
  }
  EXPECT_EQ(joined.counters.resolved.conflicts, 0u);
  EXPECT_EQ(joined.counters.joined, scenario.requests);
}

TEST(Joiner, GivesTheSameGroupsForAnyOrderOfArrival) {
  Scenario scenario;
  scenario.loss = 0.05;
  scenario.datagrams = 0.4;
  const std::vector<HopRecord> records = records_of(scenario);
  const Joined expected = join(records);
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    std::vector<HopRecord> shuffled = records;
    shuffle(shuffled, seed);
    const Joined joined = join(shuffled);
    ASSERT_EQ(joined.groups.size(), expected.groups.size());
    for (std::size_t at = 0; at < joined.groups.size(); ++at) {
      ASSERT_EQ(members(joined.groups[at]), members(expected.groups[at]));
    }
  }
}

TEST(Joiner, TimeIsNoGate) {
  Scenario scenario;
  scenario.site[2].clock_ns = -2000 * kMs;
  scenario.site[5].clock_ns = 36'000'000 * kMs;  // ten hours
  const Joined joined = join(records_of(scenario));
  EXPECT_EQ(joined.groups.size(), scenario.requests);
}

TEST(Joiner, HalfCapturedExchangesJoinByStampsOrConnection) {
  for (const bool stamps : {true, false}) {
    std::vector<HopRecord> records{tcp(1, 1000, 5000), tcp(2, 1000, 5000)};
    records[0].response = {};
    if (stamps) {
      records[0].request.tsval = 77;
      records[1].request.tsval = 88;  // the first copy was lost before point 2, which saw the second
      records[0].request.copies = 1;
      records[0].request.copy[0].tsval = 88;
    } else {
      for (HopRecord& record : records) {
        record.flags |= record_flag::kHandshakeSeen;
        record.client_isn = 1;
        record.server_isn = 2;
      }
    }
    EXPECT_EQ(join(records).groups.size(), 1u) << stamps;
  }
  EXPECT_EQ(join({tcp(1, 1000, 5000), tcp(2, 1000, 6000)}).groups.size(), 2u) << "one equal sequence is chance";
}

TEST(Joiner, ResponseOnlyPointJoinsByItsStamp) {
  std::vector<HopRecord> records{tcp(1, 1000, 5000), tcp(2, 1000, 5000)};
  records[1].request = {};
  records[1].flags |= record_flag::kRequestMissing;
  for (HopRecord& record : records) record.response.tsval = 42;
  EXPECT_EQ(join(records).groups.size(), 1u);
}

TEST(Joiner, RefusesRecordsThatContradictEachOther) {
  std::vector<HopRecord> records{tcp(1, 1000, 5000), tcp(2, 1000, 5000), tcp(3, 1000, 5000)};
  records[1].request.head_hash = 1;
  records[2].request.head_hash = 2;
  Joined joined = join(records);
  EXPECT_EQ(joined.groups.size(), 2u);
  EXPECT_EQ(joined.counters.resolved.conflicts, 1u);

  records[2].flags |= record_flag::kTruncated;  // explains it
  joined = join(records);
  EXPECT_EQ(joined.groups.size(), 1u);
  EXPECT_EQ(joined.counters.resolved.conflicts, 0u);

  records[2].flags = 0;
  records[2].request.head_hash = 1;
  records[2].request.bytes = 11;
  EXPECT_EQ(join(records).groups.size(), 2u);
}

TEST(Joiner, TwoRecordsOfOneLegAreTwoRequests) {
  std::vector<HopRecord> records{tcp(1, 1000, 5000), tcp(1, 1000, 5000)};
  EXPECT_EQ(join(records).groups.size(), 2u);
  records[1].leg_id = 9;  // both sides of a router
  EXPECT_EQ(join(records).groups.size(), 1u);
}

TEST(Joiner, PairsDatagramRetriesInOrder) {
  std::vector<HopRecord> records;
  const std::int64_t hour = 3'600'000 * kMs;
  for (std::uint64_t number = 0; number < 4; ++number) {
    const std::uint64_t time = 5'000'000'000'000'000 + number * 900 * kMs;
    records.push_back(dns(1, 11, time, number));
    records.push_back(dns(2, 22, time + static_cast<std::uint64_t>(hour), number));
  }
  const Joined joined = join(records);
  ASSERT_EQ(joined.groups.size(), 4u);
  for (const Group& group : joined.groups) {
    ASSERT_EQ(group.records.size(), 2u);
    EXPECT_EQ(group.records[0].record_id, group.records[1].record_id);
  }
}

TEST(Joiner, FindsWhichDatagramRetryAPointMissed) {
  std::vector<HopRecord> records;
  const std::vector<std::uint64_t> times{0, 1000 * kMs, 3000 * kMs, 7000 * kMs, 15000 * kMs};
  for (std::uint64_t number = 0; number < times.size(); ++number) {
    const std::uint64_t time = 5'000'000'000'000'000 + times[number];
    records.push_back(dns(1, 11, time, number));
    if (number != 1) records.push_back(dns(2, 22, time + 5000 * kMs + 40 * kUs, number));
  }
  const Joined joined = join(records);
  ASSERT_EQ(joined.groups.size(), 5u);
  for (const Group& group : joined.groups) {
    const std::uint64_t number = group.records.front().record_id;
    EXPECT_EQ(group.records.size(), number == 1 ? 1u : 2u);
    EXPECT_EQ(group.records.back().record_id, number);
  }
}

TEST(Joiner, TellsAnIdUsedTwiceFromBothSidesOfARouter) {
  std::vector<HopRecord> records{dns(1, 11, 1'000'000 * kMs, 1), dns(1, 12, 1'000'000 * kMs + 10 * kUs, 2),
                                 dns(1, 13, 1'000'500 * kMs, 3)};
  records[1].request.ttl = 63;
  records[0].request.ttl = records[2].request.ttl = 64;
  records[1].response.last_ns = records[0].response.last_ns - 5 * kUs;
  const Joined joined = join(records);
  ASSERT_EQ(joined.groups.size(), 2u);
  EXPECT_EQ(joined.groups[0].records.size(), 2u);
  EXPECT_EQ(joined.groups[1].records.size(), 1u);
}

TEST(Joiner, MemoryClosesTheLeastRecentlyTouchedAndTellsLateRecords) {
  JoinLimits limits;
  limits.pending_records_max = 4;
  Joined joined;
  Joiner joiner(limits, [&](Group&& group) { joined.groups.push_back(std::move(group)); });
  for (std::uint32_t number = 0; number < 4; ++number) joiner.add(tcp(1, 100 + number, 900 + number));
  joiner.add(tcp(2, 100, 900));  // touches the oldest
  EXPECT_EQ(joiner.pending_records(), 4u);
  ASSERT_EQ(joined.groups.size(), 1u);
  EXPECT_EQ(joined.groups[0].records.front().request.sequence, 101u);
  joiner.add(tcp(2, 101, 901));
  EXPECT_EQ(joiner.counters().late, 1u);
  EXPECT_EQ(joiner.counters().closed_early, 2u);
  joiner.flush();
  EXPECT_EQ(joiner.pending_records(), 0u);
  EXPECT_EQ(joiner.counters().groups, joined.groups.size());
  const std::size_t records =
      std::accumulate(joined.groups.begin(), joined.groups.end(), std::size_t{0},
                      [](std::size_t sum, const Group& group) { return sum + group.records.size(); });
  EXPECT_EQ(records, 6u);
}

TEST(Joiner, AFloodOfOneKeyStaysBounded) {
  JoinLimits limits;
  limits.component_records_max = 50;
  std::vector<HopRecord> records;
  for (std::uint64_t number = 0; number < 500; ++number) records.push_back(dns(1, 11, (number + 1) * kMs, number));
  const Joined joined = join(records, limits);
  EXPECT_EQ(joined.groups.size(), 500u);
  EXPECT_EQ(joined.counters.oversized, 10u);
}

TEST(Joiner, RecordsWithoutKeysPassThrough) {
  HopRecord record = dns(1, 11, 5, 1);
  record.key = record.canonical_hash = 0;
  const Joined joined = join({record, record});
  EXPECT_EQ(joined.groups.size(), 2u);
  EXPECT_EQ(joined.counters.keyless, 2u);
}

TEST(Joiner, HalvesOfAnExchangeAreOneWhereAnotherPointSawBoth) {
  Scenario scenario;
  scenario.requests = 3;
  scenario.datagrams = 0;
  std::vector<HopRecord> records = records_of(scenario);
  const std::size_t whole = analyse(records, point_table(scenario)).traces.size();
  std::vector<HopRecord> halved;
  for (HopRecord& record : records) {
    if (record.point != point_id(scenario, 3)) {
      halved.push_back(std::move(record));
      continue;
    }
    HopRecord response = record;
    response.request = {};
    response.record_id += 1000;
    response.flags |= record_flag::kRequestMissing;
    response.method = response.resource = "";
    record.response = {};
    record.flags |= record_flag::kResponseMissing;
    record.has_status = false;
    halved.push_back(std::move(response));
    halved.push_back(std::move(record));
  }
  const Analysis analysis = analyse(halved, point_table(scenario));
  EXPECT_EQ(analysis.traces.size(), whole);
  for (const linker::Trace& trace : analysis.traces) {
    ASSERT_EQ(trace.hops.size(), 8u);
    EXPECT_TRUE(trace.hops[3].timed);
    EXPECT_FALSE(trace.hops[3].record.resource.empty());
    EXPECT_EQ(trace.hops[3].record.status, 200u);
    EXPECT_EQ(trace.hops[3].record.flags & (record_flag::kRequestMissing | record_flag::kResponseMissing), 0u);
  }
}

}  // namespace
}  // namespace hoptap::test
