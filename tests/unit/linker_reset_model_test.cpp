#include "linker/reset_model.h"

#include <gtest/gtest.h>

#include <string>

#include "linker/trace.h"
#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

using flowtable::Reset;
using linker::ResetBy;
using linker::ResetOrigin;
using linker::Trace;

/// A trace of unanswered hops. One letter for each hop and way: '.' no reset, 'h' one with the host's TTL, 'o' one with
/// another, '?' one where no other packet shows the host's; '-' as to_client: the hop is missing.
Trace reset_trace(const std::string& to_client, const std::string& to_server) {
  const auto reset_of = [](char letter) {
    if (letter == '.') return Reset{};
    return Reset{1000, 0, static_cast<std::uint8_t>(letter == 'o' ? 64 : 61),
                 static_cast<std::uint8_t>(letter == '?' ? 0 : 61)};
  };
  Trace trace;
  for (std::size_t at = 0; at < to_client.size(); ++at) {
    const linker::NodeId node{static_cast<std::uint32_t>(at), 0};
    const std::string name = "p" + std::to_string(at);
    if (to_client[at] == '-') {
      trace.stops.push_back({node, name, linker::Stop::kMissing});
      continue;
    }
    trace.stops.push_back({node, name, trace.hops.size()});
    linker::Hop& hop = trace.hops.emplace_back();
    hop.node = node;
    hop.point = name;
    hop.record.point = node.point;
    hop.record.to_client_reset = reset_of(to_client[at]);
    hop.record.to_server_reset = reset_of(to_server[at]);
  }
  return trace;
}

struct ResetCase {
  std::string name;
  std::string to_client;
  std::string to_server;
  ResetBy by;
  std::size_t from;
  double completeness = 0.9995;
};

const std::vector<ResetCase> kResetCases = {
    {"nobody", "....", "....", ResetBy::kNobody, 0},
    {"server", "hhhh", "....", ResetBy::kServer, 0},
    {"client", "....", "hhhh", ResetBy::kClient, 0},
    {"box_both_ways", "oo..", "..oo", ResetBy::kMiddlebox, 1},
    {"box_to_client_only", "ooo.", "....", ResetBy::kMiddlebox, 2},
    {"box_to_server_only", "....", "...o", ResetBy::kMiddlebox, 2},
    {"box_with_the_hosts_ttl", "hh..", "..hh", ResetBy::kMiddlebox, 1},
    {"server_missed_by_a_mirror", "hhh.", "....", ResetBy::kServer, 0, 0.95},
    {"server_missed_in_the_middle", "h.hh", "....", ResetBy::kServer, 0, 0.95},
    {"server_point_missing", "hh-h", "....", ResetBy::kServer, 0},
    {"no_other_packet_to_compare", "????", "....", ResetBy::kServer, 0},
};

class ResetOrigins : public testing::TestWithParam<ResetCase> {};

linker::Completeness completeness_of(double share) {
  linker::Completeness completeness;
  for (std::uint32_t point = 0; point < 4; ++point) {
    flowtable::LegRecord leg;
    leg.point = point;
    leg.to_server.acknowledged_bytes = leg.to_client.acknowledged_bytes = 10'000'000;
    leg.to_server.unseen_bytes = leg.to_client.unseen_bytes = static_cast<std::uint64_t>(10'000'000 * (1 - share));
    completeness.add(leg);
  }
  return completeness;
}

TEST_P(ResetOrigins, AreTold) {
  const ResetCase& one = GetParam();
  const ResetOrigin origin =
      linker::ResetModel().origin(reset_trace(one.to_client, one.to_server), completeness_of(one.completeness));
  EXPECT_EQ(origin.by, one.by);
  EXPECT_EQ(origin.from, one.from);
  if (one.by != ResetBy::kNobody) {
    EXPECT_GT(origin.probability, one.completeness < 0.99 ? 0.5 : 0.9);
  }
}

INSTANTIATE_TEST_SUITE_P(Linker, ResetOrigins, testing::ValuesIn(kResetCases),
                         [](const testing::TestParamInfo<ResetCase>& one) { return one.param.name; });

TEST(ResetModel, AnAmbiguousResetGoesWhereTheOthersAre) {
  const linker::Completeness completeness = completeness_of(0.95);
  const Trace ambiguous = reset_trace("o...", "..oo");  // p1 missed it: before or behind p1?
  linker::ResetModel model;
  EXPECT_LT(model.origin(ambiguous, completeness).probability, 0.6);
  for (int i = 0; i < 20; ++i) model.learn(reset_trace("oo..", "..oo"), completeness);
  model.learn(ambiguous, completeness);
  EXPECT_EQ(model.origin(ambiguous, completeness).from, 1u);
  EXPECT_GT(model.origin(ambiguous, completeness).probability, 0.9);
}

}  // namespace
}  // namespace hoptap::test
