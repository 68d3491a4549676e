#include "linker/fault_scope.h"

#include <gtest/gtest.h>

#include "linker/window_verdicts.h"
#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

/// A trace of one timed hop, of this client and server.
linker::Trace trace_between(std::uint8_t client, std::uint8_t server) {
  linker::Trace trace;
  linker::Hop& hop = trace.hops.emplace_back();
  hop.point = "p";
  hop.record.client = {base::IpAddress::from(std::array<std::uint8_t, 4>{10, 0, 0, client}), 4000};
  hop.record.server = {base::IpAddress::from(std::array<std::uint8_t, 4>{10, 1, 0, server}), 80};
  trace.stops.push_back({{}, "p", 0});
  trace.parts.push_back({linker::PartKind::kServerProcess, 0, 0, kMs});
  return trace;
}

TEST(FaultScope, NamesWhatSlowRequestsShare) {
  linker::FaultScope scope;
  for (int at = 0; at < 200; ++at) {
    const auto client = static_cast<std::uint8_t>(at % 10), server = static_cast<std::uint8_t>(at % 3);
    scope.add(trace_between(client, server), client == 7 && at % 4 != 0);
  }
  const auto shared = scope.shared();
  ASSERT_TRUE(shared.has_value());
  EXPECT_EQ(shared->what, "client");
  EXPECT_EQ(shared->value, "10.0.0.7");
  EXPECT_EQ(shared->of_slow, 1);
  EXPECT_NEAR(shared->of_all, 0.1, 1e-9);
}

TEST(FaultScope, NamesNothingWhenRequestsAreSlowEverywhere) {
  linker::FaultScope scope;
  for (int at = 0; at < 300; ++at) {
    scope.add(trace_between(static_cast<std::uint8_t>(at % 10), static_cast<std::uint8_t>(at % 3)), at % 4 == 0);
  }
  EXPECT_FALSE(scope.shared().has_value());
}

TEST(FaultScope, FewSlowRequestsShareByChance) {
  linker::FaultScope scope;
  for (int at = 0; at < 20; ++at) scope.add(trace_between(static_cast<std::uint8_t>(at % 2), 1), at == 1);
  EXPECT_FALSE(scope.shared().has_value());
}

TEST(WindowVerdicts, TellWhenItHappened) {
  Scenario scenario;
  scenario.wire_extra_ns = 23 * kMs;
  scenario.extra_from = 0.5;
  scenario.extra_to = 1;
  const Analysis analysis = analyse(scenario);
  const std::uint64_t first = linker::start_ns(analysis.traces.front().hops.front().record);
  std::uint64_t last = first;
  for (const linker::Trace& trace : analysis.traces) {
    last = std::max(last, linker::start_ns(trace.hops.front().record));
  }
  linker::WindowVerdicts windows((last - first) / 8);
  for (std::size_t at = 0; at < analysis.traces.size(); ++at) windows.add(analysis.traces[at], analysis.judgements[at]);
  std::uint64_t requests = 0;
  std::vector<linker::VerdictKind> kinds;
  windows.each([&](const linker::TimeWindow& window, const linker::RunVerdict& verdict) {
    EXPECT_EQ(window.end_ns - window.start_ns, (last - first) / 8);
    requests += verdict.requests;
    if (verdict.requests >= 20) kinds.push_back(verdict.kind);
  });
  EXPECT_EQ(requests, analysis.traces.size());
  ASSERT_GE(kinds.size(), 6u);
  EXPECT_EQ(kinds.front(), linker::VerdictKind::kNone);
  EXPECT_EQ(kinds[kinds.size() - 2], linker::VerdictKind::kSlowSegment);
}

TEST(Completeness, IsWhatWasAcknowledgedAndSeen) {
  linker::Completeness completeness;
  flowtable::LegRecord leg;
  leg.point = 3;
  leg.to_server.acknowledged_bytes = 1'000'000;
  leg.to_server.unseen_bytes = 50'000;
  completeness.add(leg);
  EXPECT_NEAR(completeness.of(3, linker::Way::kToServer), 0.95, 0.002);
  EXPECT_NEAR(*completeness.share(3, linker::Way::kToServer), 0.95, 1e-9);
  EXPECT_FALSE(completeness.share(3, linker::Way::kToClient).has_value()) << "nothing went this way";
  EXPECT_GT(completeness.of(3, linker::Way::kToClient), 0.99) << "what captures usually hold";
  EXPECT_LT(completeness.of(99, linker::Way::kToClient), 1);
}

}  // namespace
}  // namespace hoptap::test
