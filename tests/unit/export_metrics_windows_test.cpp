#include "export/metrics/windows.h"

#include <gtest/gtest.h>

#include "tests/unit/metrics_records.h"

namespace hoptap::test {
namespace {

using exporting::Count;
using exporting::MetricsConfig;
using exporting::MetricsRow;
using exporting::MetricsValues;
using exporting::MetricsWindows;
using exporting::RowScope;

constexpr std::uint64_t kBegin = 1'700'000'000 * kSecondNs;

struct Windows {
  explicit Windows(MetricsConfig config = {}) : windows(config, [this](MetricsRow&& row) { rows.push_back(row); }) {}

  std::vector<std::uint64_t> starts() const {
    std::vector<std::uint64_t> all;
    for (const MetricsRow& row : rows) all.push_back((row.start_ns - kBegin) / kSecondNs);
    return all;
  }
  MetricsValues sum() const {
    MetricsValues all;
    for (const MetricsRow& row : rows) all.add(row.values);
    return all;
  }

  std::vector<MetricsRow> rows;
  MetricsWindows windows;
};

TEST(MetricsWindows, GivesRowsOutWhenTheirTimeIsOver) {
  Windows to({.grace_ns = kSecondNs / 2});
  to.windows.add(hop_of(1, kBegin + 1));
  to.windows.add(hop_of(2, kBegin + 1));
  to.windows.add(hop_of(1, kBegin + kSecondNs - 1, 500));
  to.windows.add(hop_of(1, kBegin + kSecondNs));
  to.windows.add(hop_of(1, kBegin + kSecondNs + kSecondNs / 2 - 1));
  EXPECT_TRUE(to.rows.empty()) << "within the grace";
  EXPECT_EQ(to.windows.rows_held(), 3u);
  to.windows.add(hop_of(1, kBegin + kSecondNs + kSecondNs / 2));
  ASSERT_EQ(to.rows.size(), 2u);
  EXPECT_EQ(to.rows[0].start_ns, kBegin);
  EXPECT_EQ(to.rows[0].length_ns, kSecondNs);
  EXPECT_EQ(to.rows[0].key.client, endpoint_of(1, 0).address);
  EXPECT_EQ(to.rows[0].values.sums.count(Count::kRequests), 2u);
  EXPECT_EQ(to.rows[0].values.sums.count(Count::kServerErrors), 1u);
  EXPECT_EQ(to.rows[1].key.client, endpoint_of(2, 0).address);
  to.windows.finish();
  EXPECT_EQ(to.starts(), (std::vector<std::uint64_t>{0, 0, 1}));
  EXPECT_EQ(to.windows.counters().rows, 3u);
  EXPECT_EQ(to.windows.counters().late, 0u);
}

TEST(MetricsWindows, LateReportsAreCountedInTheOldestOpenWindow) {
  Windows to({.grace_ns = 0});
  to.windows.add(hop_of(1, kBegin));
  to.windows.add(hop_of(1, kBegin + 5 * kSecondNs));
  to.windows.add(hop_of(1, kBegin + 2 * kSecondNs));
  EXPECT_EQ(to.windows.counters().late, 1u);
  to.windows.finish();
  EXPECT_EQ(to.starts(), (std::vector<std::uint64_t>{0, 5}));
  EXPECT_EQ(to.rows[1].values.sums.count(Count::kRequests), 2u);
  to.windows.add(hop_of(1, kBegin));  // after the end: still not lost
  to.windows.finish();
  EXPECT_EQ(to.sum().sums.count(Count::kRequests), 4u);
  EXPECT_EQ(to.windows.counters().late, 2u);
}

TEST(MetricsWindows, EachPointHasItsOwnTime) {
  Windows to;
  flowtable::HopRecord slow = hop_of(1, kBegin);
  slow.point = 7;
  to.windows.add(slow);
  to.windows.add(hop_of(1, kBegin + 100 * kSecondNs));
  to.windows.add(hop_of(1, kBegin + 200 * kSecondNs));
  EXPECT_EQ(to.starts(), (std::vector<std::uint64_t>{100}));
  to.windows.advance(7, kBegin + 3 * kSecondNs);
  EXPECT_EQ(to.starts(), (std::vector<std::uint64_t>{100, 0}));
  to.windows.finish(0);
  EXPECT_EQ(to.starts(), (std::vector<std::uint64_t>{100, 0, 200}));
  EXPECT_EQ(to.windows.rows_held(), 0u);
}

TEST(MetricsWindows, FlowsAndExchangesShareARow) {
  Windows to;
  to.windows.add(hop_of(1, kBegin));
  to.windows.add(flow_of(1, kBegin));
  to.windows.finish();
  ASSERT_EQ(to.rows.size(), 1u);
  EXPECT_EQ(to.rows[0].values.sums.count(Count::kRequests), 1u);
  EXPECT_EQ(to.rows[0].values.sums.count(Count::kFlowsOpened), 1u);
}

TEST(MetricsWindows, NoRowComesOfAHandshake) {
  Windows to;
  flowtable::HopRecord hop = hop_of(1, kBegin);
  hop.flags |= flowtable::record_flag::kHandshake;
  to.windows.add(hop);
  to.windows.finish();
  EXPECT_TRUE(to.rows.empty());
}

TEST(MetricsWindows, OverTheLimitRowsWidenAndSumsStayWhole) {
  Windows wide({.rows_max = 1u << 20}), tight({.rows_max = 8});
  for (std::uint32_t at = 0; at < 500; ++at) {
    flowtable::HopRecord hop = hop_of(at % 100, kBegin, at % 11 == 0 ? 500 : 200);
    flowtable::FlowMetrics flow = flow_of(at % 100, kBegin);
    hop.server.port = flow.server.port = static_cast<std::uint16_t>(80 + at % 10);
    for (Windows* to : {&wide, &tight}) {
      to->windows.add(hop);
      to->windows.add(flow);
    }
  }
  wide.windows.finish();
  tight.windows.finish();
  EXPECT_EQ(wide.rows.size(), 100u);
  EXPECT_EQ(wide.windows.counters().overflow, exporting::OverflowCounters{});
  EXPECT_EQ(tight.sum(), wide.sum());
  std::array<std::size_t, 3> rows{};
  for (const MetricsRow& row : tight.rows) {
    ++rows[static_cast<std::size_t>(row.key.scope)];
    if (row.key.scope != RowScope::kClient) {
      EXPECT_EQ(row.key.client, base::IpAddress{});
    }
    if (row.key.scope == RowScope::kPoint) {
      EXPECT_EQ(row.key.server, base::Endpoint{});
    }
  }
  EXPECT_EQ(rows, (std::array<std::size_t, 3>{8, 3, 1}));
  EXPECT_GT(tight.windows.counters().overflow.clients, 0u);
  EXPECT_GT(tight.windows.counters().overflow.servers, 0u);
  EXPECT_EQ(tight.windows.counters().overflow.clients, 1000u - 2 * 8 * 5);
}

TEST(MetricsWindows, MinutesAreTheSumOfTheirSeconds) {
  std::vector<MetricsRow> minutes;
  MetricsWindows to_minutes({.length_ns = 60 * kSecondNs, .grace_ns = 0},
                            [&](MetricsRow&& row) { minutes.push_back(row); });
  MetricsWindows to_seconds({}, [&](MetricsRow&& row) { to_minutes.add(row); });
  MetricsValues all;
  AnyNumber any(5);
  for (std::uint64_t at = 0; at < 3000; ++at) {
    flowtable::HopRecord hop = hop_of(any.below(3) & 0xff, kBegin + at * 50'000'000);
    hop.request.first_ns -= any.below(1u << 30);
    to_seconds.add(hop);
    all.add(hop);
  }
  to_seconds.finish();
  to_minutes.finish();
  EXPECT_EQ(to_minutes.counters().late, 0u);
  EXPECT_EQ(minutes.size(), 3u * 3);  // 150 s, begun 20 s into a minute
  MetricsValues sum;
  for (const MetricsRow& row : minutes) {
    EXPECT_EQ(row.start_ns % (60 * kSecondNs), 0u);
    sum.add(row.values);
  }
  EXPECT_EQ(sum, all);
}

TEST(MetricsWindows, MayGetAnyTime) {
  Windows to;
  std::uint64_t reports = 0;
  for (const std::uint64_t time_ns : {UINT64_MAX, std::uint64_t{0}, std::uint64_t{1} << 63, kBegin, UINT64_MAX - 1}) {
    flowtable::FlowMetrics flow = flow_of(1, 0);
    flow.last_ns = time_ns;
    to.windows.add(flow);
    ++reports;
  }
  to.windows.finish();
  EXPECT_EQ(to.sum().sums.count(Count::kFlowsOpened), reports);
}

}  // namespace
}  // namespace hoptap::test
