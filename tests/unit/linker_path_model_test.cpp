#include "linker/path_model.h"

#include <gtest/gtest.h>

#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

std::vector<std::string> names(const Scenario& scenario) {
  std::vector<std::string> out;
  for (const std::size_t at : way_of(scenario)) {
    if (scenario.site[at].captured) out.push_back(scenario.site[at].name);
  }
  return out;
}

std::vector<std::string> names(const linker::Trace& trace) {
  std::vector<std::string> out;
  for (const linker::Hop& hop : trace.hops) out.push_back(hop.point);
  return out;
}

TEST(PathModel, LearnsTheOrderFromPacketsAlone) {
  for (const unsigned requests : {300u, 12u, 1u}) {
    for (const bool routed : {true, false}) {
      for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        Scenario scenario;
        scenario.requests = requests;
        scenario.seed = seed;
        scenario.datagrams = scenario.outliers = 0;
        if (!routed) {
          for (SitePoint& point : scenario.site) point.routers_before = 0;
        }
        scenario.site[3].clock_ns = -5000 * kMs;
        const Analysis analysis = analyse(scenario);
        ASSERT_EQ(analysis.routes.size(), 1u);
        ASSERT_EQ(analysis.routes[0].points, names(scenario)) << requests << " requests, seed " << seed;
        ASSERT_FALSE(analysis.routes[0].unordered);
      }
    }
  }
}

TEST(PathModel, BothDirectionsOverTheSamePoints) {
  Scenario there, back;
  there.datagrams = back.datagrams = 0;
  for (SitePoint& point : there.site) point.routers_before = 0;
  back.site = there.site;
  back.reversed = true;
  back.seed = 2;
  back.requests = 100;
  std::vector<HopRecord> records = records_of(there);
  for (HopRecord& record : records_of(back)) {
    record.request.sequence += 1;  // another connection
    record.leg_id += 1;
    record.request.tsval += 77777;
    record.response.tsval += 77777;
    record.client_isn += 1;
    records.push_back(std::move(record));
  }
  const Analysis analysis = analyse(records, point_table(there));
  ASSERT_EQ(analysis.routes.size(), 2u);
  EXPECT_EQ(analysis.routes[0].points, names(there));
  EXPECT_EQ(analysis.routes[0].requests, 300u);
  EXPECT_EQ(analysis.routes[1].points, names(back));
  EXPECT_EQ(analysis.routes[1].requests, 100u);
}

TEST(PathModel, NotesMissingPointsWithTheirNeighbours) {
  Scenario scenario;
  scenario.site[4].missed = 0.2;
  scenario.site[7].missed = 0.05;
  const Analysis analysis = analyse(scenario);
  std::size_t without_gateway = 0;
  for (const linker::Trace& trace : analysis.traces) {
    const std::vector<std::string> seen = names(trace);
    const bool saw_gateway = std::find(seen.begin(), seen.end(), "gateway") != seen.end();
    const bool saw_server = seen.back() == "pod-b";
    std::vector<std::string> expected = names(scenario);
    if (!saw_server) expected.pop_back();
    if (!saw_gateway) expected.erase(expected.begin() + 4);
    EXPECT_EQ(seen, expected);
    ASSERT_EQ(trace.missing.size(), (saw_gateway ? 0u : 1u) + (saw_server ? 0u : 1u));
    if (saw_gateway || !saw_server) continue;
    ++without_gateway;
    EXPECT_EQ(trace.missing[0].point, "gateway");
    EXPECT_EQ(trace.missing[0].after, "switch-b");
  }
  EXPECT_GT(without_gateway, 30u);
}

/// switch-a and switch-b as one feed `tor` that mirrors both sides of a router or of a tunnel endpoint.
std::vector<HopRecord> merged_feed(const Scenario& scenario, bool tunnel) {
  const std::uint32_t near = point_id(scenario, 2), far = point_id(scenario, 3);
  std::vector<HopRecord> records = records_of(scenario);
  for (HopRecord& record : records) {
    if (record.point != near && record.point != far) continue;
    if (record.point == far) {
      record.leg_id ^= 1;
      record.record_id += 10'000;
      if (tunnel) {
        record.vantage.tunnels.depth = 1;
        record.vantage.tunnels.layers[0].id = 5;
      }
    }
    record.point = near;
  }
  return records;
}

TEST(PathModel, OneFeedOfBothSidesIsTwoVirtualPoints) {
  for (const bool tunnel : {true, false}) {
    Scenario scenario;
    for (std::size_t at = 3; at < 8; ++at) ++scenario.site[at].routers_before;
    scenario.site[2].missed = scenario.site[3].missed = 0.15;
    const Analysis analysis = analyse(merged_feed(scenario, tunnel), point_table(scenario));
    ASSERT_FALSE(analysis.routes.empty());
    EXPECT_EQ(analysis.routes[0].points[2], "switch-a/1");
    EXPECT_EQ(analysis.routes[0].points[3], "switch-a/2");
    std::size_t lone = 0;
    for (const linker::Trace& trace : analysis.traces) {
      std::size_t sightings = 0;
      for (const linker::Hop& hop : trace.hops) {
        if (hop.node.point != point_id(scenario, 2)) continue;
        ++sightings;
        const bool far = hop.record.record_id > 10'000;
        EXPECT_EQ(hop.point, far ? "switch-a/2" : "switch-a/1");
        EXPECT_EQ(hop.detail, tunnel ? (far ? "vxlan 5" : "no tunnel") : (far ? "ttl 62" : "ttl 63"));
      }
      lone += sightings == 1 ? 1 : 0;
    }
    EXPECT_GT(lone, 40u);
  }
}

TEST(PathModel, ReportsHintsThatPacketsContradict) {
  Scenario scenario;
  linker::PointTable points;
  for (std::size_t at = 0; at < scenario.site.size(); ++at) {
    points.add({point_id(scenario, at), scenario.site[at].name, scenario.site[at].role,
                static_cast<std::uint32_t>(at == 1 ? 90 : at)});
  }
  const Analysis analysis = analyse(records_of(scenario), points);
  EXPECT_TRUE(analysis.routes[0].hint_disagrees);
  EXPECT_EQ(analysis.routes[0].points, names(scenario));
  EXPECT_FALSE(analyse(scenario).routes[0].hint_disagrees);
}

TEST(PathModel, PlacesAGroupItNeverSaw) {
  Scenario scenario;
  scenario.requests = 1;
  scenario.datagrams = 0;
  linker::PointTable points = point_table(scenario);
  linker::PathModel model(points);
  model.solve();
  const linker::Group group{records_of(scenario)};
  const linker::Path path = model.path_of(group);
  std::vector<std::string> placed;
  for (const linker::PathHop& hop : path.hops) placed.push_back(hop.point);
  EXPECT_EQ(placed, names(scenario));
  EXPECT_TRUE(model.path_of(linker::Group{}).hops.empty());
}

TEST(PathModel, NamelessPointsHaveNumbers) {
  EXPECT_EQ(linker::PointTable{}.name(3), "point-3");
  EXPECT_EQ(linker::PointTable{}.role(3), "unknown");
}

}  // namespace
}  // namespace hoptap::test
