#include "export/metrics/row.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "tests/unit/metrics_records.h"

namespace hoptap::test {
namespace {

using exporting::Count;
using exporting::MetricsSums;
using exporting::MetricsValues;
using exporting::Time;
using flowtable::HopRecord;
namespace record_flag = flowtable::record_flag;

struct Case {
  const char* what;
  std::function<void(HopRecord&)> change;
  std::uint64_t requests, responses;
  std::vector<Count> errors;
};

void no_response(HopRecord& hop) {
  hop.response = {};
  hop.has_status = false;
  hop.flags |= record_flag::kResponseMissing;
}

std::vector<Case> cases() {
  const auto status = [](std::uint32_t code, const char* protocol) {
    return [=](HopRecord& hop) {
      hop.status = code;
      hop.protocol = protocol;
    };
  };
  return {
      {"ok", [](HopRecord&) {}, 1, 1, {}},
      {"redirect", status(304, "http"), 1, 1, {}},
      {"not found", status(404, "http"), 1, 1, {Count::kClientErrors}},
      {"unavailable", status(503, "http"), 1, 1, {Count::kServerErrors}},
      {"dns ok", status(0, "dns"), 1, 1, {}},
      {"dns no such name", status(3, "dns"), 1, 1, {Count::kClientErrors}},
      {"dns server failure", status(2, "dns"), 1, 1, {Count::kServerErrors}},
      {"no answer", no_response, 1, 0, {Count::kTimeouts}},
      {"no answer but a reset",
       [](HopRecord& hop) {
         no_response(hop);
         hop.closing = flowtable::closing::kServerReset;
       },
       1,
       0,
       {Count::kResets}},
      {"reset within the answer",
       [](HopRecord& hop) {
         hop.flags |= record_flag::kIncomplete;
         hop.closing = flowtable::closing::kClientReset;
       },
       1,
       1,
       {Count::kResets}},
      {"reset after the answer", [](HopRecord& hop) { hop.closing = flowtable::closing::kClientReset; }, 1, 1, {}},
      {"last bytes of an unknown protocol",
       [](HopRecord& hop) {
         no_response(hop);
         hop.protocol = "opaque";
       },
       1,
       0,
       {}},
      {"one direction captured",
       [](HopRecord& hop) {
         no_response(hop);
         hop.flags |= record_flag::kOneDirection;
       },
       1,
       0,
       {}},
      {"response alone",
       [](HopRecord& hop) {
         hop.request = {};
         hop.flags |= record_flag::kRequestMissing;
       },
       0,
       1,
       {}},
      {"security handshake", [](HopRecord& hop) { hop.flags |= record_flag::kHandshake; }, 0, 0, {}},
  };
}

TEST(MetricsRow, CountsRequestsAndErrorsByClass) {
  for (const Case& one : cases()) {
    HopRecord hop = hop_of(1, kSecondNs);
    one.change(hop);
    MetricsValues values;
    values.add(hop);
    EXPECT_EQ(values.sums.count(Count::kRequests), one.requests) << one.what;
    EXPECT_EQ(values.sums.count(Count::kResponses), one.responses) << one.what;
    for (const Count error : {Count::kClientErrors, Count::kServerErrors, Count::kTimeouts, Count::kResets}) {
      const bool expected = std::find(one.errors.begin(), one.errors.end(), error) != one.errors.end();
      EXPECT_EQ(values.sums.count(error), expected ? 1u : 0u) << one.what << " " << exporting::index_of(error);
    }
    EXPECT_EQ(values.latency.count(), one.requests * one.responses) << one.what;
  }
}

TEST(MetricsRow, TakesEveryFieldOfAFlow) {
  MetricsValues once, twice;
  once.add(flow_of(1, kSecondNs));
  twice.add(flow_of(1, kSecondNs));
  twice.add(flow_of(1, kSecondNs));
  std::multiset<std::uint64_t> seen;
  for (std::size_t way = 0; way < 2; ++way) {
    for (std::size_t at = 0; at < exporting::kWayCounts; ++at) {
      const std::uint64_t value = once.sums.ways[way][at];
      EXPECT_GT(value, 0u) << exporting::way_infos()[at].name;
      seen.insert(value);
      const bool sum = exporting::way_infos()[at].merge == exporting::Merge::kSum;
      EXPECT_EQ(twice.sums.ways[way][at], sum ? 2 * value : value) << exporting::way_infos()[at].name;
    }
  }
  EXPECT_EQ(std::set<std::uint64_t>(seen.begin(), seen.end()).size(), seen.size()) << "a field is taken twice";
  for (std::size_t at = 1; at < exporting::kTimes; ++at) {  // all but the latency
    EXPECT_EQ(once.sums.times[at].count, 2u) << exporting::time_infos()[at].name;
    EXPECT_EQ(once.sums.times[at].max_ns - once.sums.times[at].min_ns, 1000u);
    EXPECT_EQ(twice.sums.times[at].sum_ns, 2 * once.sums.times[at].sum_ns);
  }
  EXPECT_EQ(once.sums.count(Count::kFlowsOpened), 1u);
  EXPECT_EQ(once.sums.counts[exporting::index_of(Count::kFlowsClosed) + 2], 1u) << "half closed";
  EXPECT_GT(once.sums.count(Count::kIcmpErrors), 0u);
  EXPECT_EQ(once.latency.count(), 0u);
}

TEST(MetricsRow, AddingRowsEqualsAddingReports) {
  MetricsValues all, left, right;
  for (std::uint32_t at = 0; at < 200; ++at) {
    HopRecord hop = hop_of(at, kSecondNs + at * 37'000, at % 7 == 0 ? 500 : 200);
    hop.request.first_ns -= at * at * 1000;
    flowtable::FlowMetrics flow = flow_of(at, kSecondNs);
    flow.to_server.mss = static_cast<std::uint16_t>(at % 3 == 0 ? 0 : 1400 + at);
    for (MetricsValues* values : {&all, at % 3 == 0 ? &left : &right}) {
      values->add(hop);
      values->add(flow);
    }
  }
  left.add(right);
  EXPECT_EQ(left, all);
  EXPECT_EQ(all.sums.ways[0][exporting::index_of(exporting::WayCount::kMssMin)], 1401u);
  MetricsValues empty;
  empty.add(all);
  EXPECT_EQ(empty, all);
}

TEST(MetricsRow, FlowsCloseUnderTheirReasonsNames) {
  for (std::size_t at = 0; at < flowtable::kCloseReasons; ++at)
    EXPECT_EQ(exporting::count_infos()[exporting::index_of(Count::kFlowsClosed) + at].value,
              flowtable::close_reason_name(static_cast<flowtable::CloseReason>(at)));
}

TEST(MetricsRow, NamesAreThereOnce) {
  std::set<std::string_view> names;
  for (const auto& info : exporting::count_infos()) EXPECT_TRUE(names.insert(info.name).second) << info.name;
  for (const auto& info : exporting::way_infos()) EXPECT_TRUE(names.insert(info.name).second) << info.name;
  for (const auto& info : exporting::time_infos()) EXPECT_TRUE(names.insert(info.name).second) << info.name;
}

TEST(MetricsRow, LatencyQuantilesAreWithinOnePercentAfterMerging) {
  AnyNumber any(3);
  std::vector<double> exact;
  MetricsValues all;
  for (int row = 0; row < 60; ++row) {
    MetricsValues second;
    for (int at = 0; at < 300; ++at) {
      HopRecord hop = hop_of(1, kSecondNs * 100);
      const std::uint64_t took_ns = 200 + (std::uint64_t{1} << any.below(36)) + any.below(1u << 20);
      hop.request.first_ns = hop.response.first_ns - took_ns;
      second.add(hop);
      exact.push_back(static_cast<double>(took_ns));
    }
    all.add(second);
  }
  std::sort(exact.begin(), exact.end());
  for (const double q : {0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(exact.size()))) - 1;
    EXPECT_NEAR(static_cast<double>(all.latency.quantile_ns(q)), exact[rank], exact[rank] * 0.01) << q;
  }
}

}  // namespace
}  // namespace hoptap::test
