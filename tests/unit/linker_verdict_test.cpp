#include "linker/verdict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

using linker::RunVerdict;
using linker::VerdictKind;

std::string label(const RunVerdict& verdict) {
  std::string text = linker::verdict_name(verdict.kind);
  if (!verdict.from.empty()) text += " " + verdict.from + " -> " + verdict.to;
  if (!verdict.at.empty()) text += " " + verdict.at;
  return text;
}

struct Case {
  std::string name;
  std::string expected;
  void (*change)(Scenario&);
};

const std::vector<Case> kCases = {
    {"quiet", "none", [](Scenario&) {}},
    {"quiet_busy_host", "none", [](Scenario& s) { s.outliers = 0.02; }},
    {"quiet_nat", "none", [](Scenario& s) { s.nat = true; }},
    {"quiet_no_timestamps", "none", [](Scenario& s) { s.timestamps = s.handshakes = false; }},
    {"delay_throughout", "dominant switch-a -> switch-b", [](Scenario& s) { s.wire_extra_ns = 23 * kMs; }},
    {"delay_throughout_busy", "dominant switch-a -> switch-b",
     [](Scenario& s) { s.wire_extra_ns = 23 * kMs, s.outliers = 0.05; }},
    {"delay_middle_third", "slow_segment switch-a -> switch-b",
     [](Scenario& s) { s.wire_extra_ns = 23 * kMs, s.extra_from = 0.33, s.extra_to = 0.67; }},
    {"delay_in_60_percent", "slow_segment switch-a -> switch-b",
     [](Scenario& s) { s.wire_extra_ns = 23 * kMs, s.extra_to = 0.6; }},
    {"small_delay", "slow_segment switch-a -> switch-b",
     [](Scenario& s) { s.wire_extra_ns = 3 * kMs, s.extra_to = 0.4; }},
    {"loss", "loss switch-a -> switch-b", [](Scenario& s) { s.loss = 0.03; }},
    {"loss_no_timestamps", "loss switch-a -> switch-b", [](Scenario& s) { s.loss = 0.03, s.timestamps = false; }},
    {"server_slow", "server_slow pod-b", [](Scenario& s) { s.server_slow = 0.33; }},
    {"server_slow_nat", "server_slow pod-b", [](Scenario& s) { s.server_slow = 0.33, s.nat = true; }},
    {"server_slow_all", "dominant pod-b", [](Scenario& s) { s.server_slow = 1; }},
    {"server_kernel", "server_kernel pod-b",
     [](Scenario& s) { s.server_slow = 0.2, s.server_extra_ns = 0, s.kernel_extra_ns = 12 * kMs, s.datagrams = 0; }},
    {"client_slow", "client_slow pod-a", [](Scenario& s) { s.client_slow = 0.3, s.large = 0; }},
    {"nagle", "delayed_ack pod-a -> pod-b", [](Scenario& s) { s.nagle = 0.5; }},
    {"nagle_all", "delayed_ack pod-a -> pod-b", [](Scenario& s) { s.nagle = 1; }},
    {"clocks", "slow_segment switch-a -> switch-b",
     [](Scenario& s) {
       s.wire_extra_ns = 23 * kMs, s.extra_from = 0.33, s.extra_to = 0.67;
       s.site[3].clock_ns = 137 * kMs, s.site[5].clock_ns = -2000 * kMs, s.site[7].clock_ns = 7'200'000 * kMs;
     }},
    {"quiet_clocks", "none", [](Scenario& s) { s.site[3].clock_ns = 137 * kMs, s.site[5].clock_ns = -2000 * kMs; }},
    {"two_points", "slow_segment pod-a -> pod-b",
     [](Scenario& s) {
       for (std::size_t at = 1; at < 7; ++at) s.site[at].captured = false;
       s.wire_extra_ns = 23 * kMs, s.extra_to = 0.4;
     }},
    {"two_points_server_slow", "server_slow pod-b",
     [](Scenario& s) {
       for (std::size_t at = 1; at < 7; ++at) s.site[at].captured = false;
       s.server_slow = 0.3;
     }},
    {"one_point_at_client", "cannot_tell pod-a",
     [](Scenario& s) {
       for (std::size_t at = 1; at < 8; ++at) s.site[at].captured = false;
       s.wire_extra_ns = 23 * kMs, s.extra_to = 0.4;
     }},
    {"one_point_at_server", "server_slow pod-b",
     [](Scenario& s) {
       for (std::size_t at = 0; at < 7; ++at) s.site[at].captured = false;
       s.server_slow = 0.3;
     }},
    {"client_side_points_only", "cannot_tell switch-a",
     [](Scenario& s) {
       for (std::size_t at = 3; at < 8; ++at) s.site[at].captured = false;
       s.wire_extra_ns = 23 * kMs, s.extra_to = 0.4;
     }},
    {"reversed", "slow_segment switch-b -> switch-a",
     [](Scenario& s) { s.reversed = true, s.wire_extra_ns = 23 * kMs, s.extra_to = 0.4; }},
    {"missed_some", "slow_segment switch-a -> switch-b",
     [](Scenario& s) {
       s.wire_extra_ns = 23 * kMs, s.extra_to = 0.4;
       s.site[3].missed = 0.3, s.site[1].missed = 0.1;
     }},
};

class Verdicts : public testing::TestWithParam<Case> {};

TEST_P(Verdicts, NameThePlace) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Scenario scenario;
    scenario.seed = seed;
    GetParam().change(scenario);
    const Analysis analysis = analyse(scenario);
    EXPECT_EQ(label(analysis.verdict), GetParam().expected) << "seed " << seed << ": " << analysis.verdict.text;
  }
}

INSTANTIATE_TEST_SUITE_P(Linker, Verdicts, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& one) { return one.param.name; });

TEST(RunVerdict, SaysItInASentence) {
  Scenario scenario;
  scenario.loss = 0.03;
  const RunVerdict verdict = analyse(scenario).verdict;
  EXPECT_NE(verdict.text.find("slow requests' time waited on switch-a -> switch-b: +"), std::string::npos);
  EXPECT_NE(verdict.text.find("lost there, 0 elsewhere; the server answered in 0.1"), std::string::npos);
  EXPECT_NE(verdict.text.find(" as usual. Confidence 0.9"), std::string::npos);
  EXPECT_EQ(verdict.evidence.size(), 3u);
  EXPECT_GT(verdict.lost_here.total(), 5u);
  EXPECT_EQ(verdict.lost_elsewhere.total(), 0u);
}

TEST(RunVerdict, BlamesNothingForTheServersTime) {
  Scenario scenario;
  scenario.server_slow = 0.4;
  scenario.outliers = 0;
  for (scenario.seed = 1; scenario.seed <= 20; ++scenario.seed) {
    const Analysis analysis = analyse(scenario);
    ASSERT_EQ(analysis.verdict.kind, VerdictKind::kServerSlow);
    for (std::size_t at = 0; at < analysis.traces.size(); ++at) {
      const linker::Judgement& judgement = analysis.judgements[at];
      if (judgement.excess_ns < 30 * kMs) continue;
      EXPECT_EQ(judgement.verdict.kind, VerdictKind::kServerSlow) << judgement.verdict.text;
    }
  }
}

TEST(RunVerdict, TellsTheSegmentFromThoseThatSawTheMissingPoint) {
  Scenario scenario;
  scenario.wire_extra_ns = 23 * kMs;
  scenario.extra_to = 0.4;
  scenario.site[3].missed = 0.3;
  const RunVerdict some = analyse(scenario).verdict;
  EXPECT_EQ(some.kind, VerdictKind::kSlowSegment);
  EXPECT_EQ(some.to, "switch-b");
  EXPECT_NE(some.text.find("Point switch-b is missing from "), std::string::npos);

  std::vector<HopRecord> records = records_of(scenario);  // every slow request missed there, many others not
  records.erase(std::remove_if(records.begin(), records.end(),
                               [&](const HopRecord& record) {
                                 return record.point == point_id(scenario, 3) && record.record_id <= 125;
                               }),
                records.end());
  const RunVerdict none = analyse(records, point_table(scenario)).verdict;
  EXPECT_EQ(label(none), "slow_segment switch-a -> gateway") << "an interval: no request shows which half";
  EXPECT_EQ(none.inside, std::vector<std::string>{"switch-b"});
  EXPECT_NE(none.text.find("between switch-a and gateway (switch-b did not see these requests)"), std::string::npos)
      << none.text;
}

TEST(RunVerdict, FewRequestsAreTooFew) {
  Scenario scenario;
  scenario.requests = 4;
  scenario.outliers = 0;
  EXPECT_EQ(analyse(scenario).verdict.kind, VerdictKind::kNone) << "all are quick";
  scenario.client_slow = 1;
  scenario.datagrams = 0;
  const RunVerdict few = analyse(scenario).verdict;
  EXPECT_EQ(few.kind, VerdictKind::kCannotTell);
  EXPECT_NE(few.text.find("too few requests (4)"), std::string::npos);
  scenario.client_slow = 0;
  scenario.requests = 1;
  scenario.wire_extra_ns = 23 * kMs;
  EXPECT_EQ(label(analyse(scenario).verdict), "dominant switch-a -> switch-b");
  EXPECT_EQ(analyse({}, point_table(scenario)).verdict.kind, VerdictKind::kCannotTell);
}

TEST(RunVerdict, ClosedWindowsAreTheReceivers) {
  Scenario scenario;
  scenario.datagrams = 0;
  std::vector<HopRecord> records = records_of(scenario);
  for (HopRecord& record : records) {
    if (record.record_id % 4 != 0) continue;
    record.response.last_ns += 50 * kMs;
    record.response.zero_window_ns = 48 * kMs;
  }
  EXPECT_EQ(label(analyse(records, point_table(scenario)).verdict), "client_slow pod-a");
}

TEST(RunVerdict, TheSameForAnyOrderOfArrival) {
  Scenario scenario;
  scenario.loss = 0.04;
  scenario.site[4].missed = 0.2;
  std::vector<HopRecord> records = records_of(scenario);
  const Analysis expected = analyse(records, point_table(scenario));
  std::reverse(records.begin(), records.end());
  const Analysis turned = analyse(records, point_table(scenario));
  EXPECT_EQ(turned.verdict.text, expected.verdict.text);
  EXPECT_EQ(turned.verdict.evidence, expected.verdict.evidence);
  ASSERT_EQ(turned.traces.size(), expected.traces.size());
  for (std::size_t at = 0; at < turned.traces.size(); ++at) {
    EXPECT_EQ(turned.traces[at].id, expected.traces[at].id);
    EXPECT_EQ(turned.judgements[at].verdict.text, expected.judgements[at].verdict.text);
  }
}

/// Every fifth request of the run gets a reset for an answer: a host's at all points, or a box's behind point `box`.
RunVerdict verdict_on_resets(std::optional<std::uint32_t> box) {
  Scenario scenario;
  scenario.datagrams = 0;
  std::vector<HopRecord> records = records_of(scenario);
  for (HopRecord& record : records) {
    if (record.record_id % 5 != 0) continue;
    const std::uint64_t time_ns = record.request.last_ns + 1'000'000;
    const std::uint8_t usual = record.response.ttl;
    std::size_t place = 0;
    while (point_id(scenario, place) != record.point) ++place;
    const bool before_box = !box || place <= *box;
    const std::uint8_t ttl = box ? std::uint8_t{99} : usual;
    (before_box ? record.to_client_reset : record.to_server_reset) = {time_ns, 7, ttl, usual};
    record.response = {};
    record.flags |= record_flag::kResponseMissing;
  }
  return analyse(records, point_table(scenario)).verdict;
}

TEST(RunVerdict, ResetsAreTheirSenders) {
  const RunVerdict server = verdict_on_resets({});
  EXPECT_EQ(label(server), "reset pod-b") << server.text;
  EXPECT_GT(server.confidence, 0.9);
  EXPECT_EQ(server.resets, server.resets_here);
  EXPECT_EQ(server.unanswered, server.resets);
  EXPECT_EQ(server.text.find("at any one point"), std::string::npos) << "they are counted once: " << server.text;
  const RunVerdict box = verdict_on_resets(3);
  EXPECT_EQ(label(box), "reset switch-b -> gateway") << box.text;
}

}  // namespace
}  // namespace hoptap::test
