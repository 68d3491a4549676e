#include "linker/hop_order.h"

#include <gtest/gtest.h>

#include "tests/unit/linker_scenario.h"

namespace hoptap::test {
namespace {

using linker::NodeFacts;
using linker::Order;
using linker::PairVotes;
using linker::score_of;
using linker::VoteMatrix;
using linker::votes_of;

PairVotes times(std::uint32_t before, std::uint32_t after) { return {before, after, 0, 0, 0, 0}; }

TEST(HopOrder, ScoresNeedASignificantSign) {
  EXPECT_EQ(score_of(times(11, 0)), linker::kHardScore);
  EXPECT_EQ(score_of(times(0, 11)), -linker::kHardScore);
  EXPECT_LT(score_of(times(10, 0)), linker::kHardScore);
  EXPECT_GT(score_of(times(1, 0)), 0);
  EXPECT_LT(score_of(times(52, 48)), linker::kHardScore);
  EXPECT_EQ(score_of(times(600, 400)), linker::kHardScore);
  EXPECT_EQ(score_of({0, 0, 1, 0, 0, 0}), linker::kHardScore) << "TTLs do not jitter";
  EXPECT_EQ(score_of({0, 0, 5, 5, 0, 0}), 0);
}

HopRecord hop(std::uint64_t request_ns, std::uint64_t response_ns, std::uint8_t ttl = 0,
              std::uint8_t response_ttl = 0) {
  HopRecord record;
  record.request.first_ns = record.request.last_ns = request_ns;
  record.response.first_ns = record.response.last_ns = response_ns;
  record.request.ttl = ttl;
  record.response.ttl = response_ttl;
  return record;
}

TEST(HopOrder, VotesIgnoreClocksAndTies) {
  const HopRecord near = hop(1'000'000, 2'000'000);
  const HopRecord far = hop(9'000'000'000, 9'000'900'000);  // another clock, 100 us shorter
  EXPECT_EQ(votes_of(near, far).time_before, 1u);
  EXPECT_EQ(votes_of(far, near).time_after, 1u);
  EXPECT_EQ(votes_of(near, hop(5'000'000, 5'998'500)).time_before, 0u) << "1.5 us is stamping noise";
  const PairVotes routed = votes_of(hop(1, 5, 64, 61), hop(1, 5, 63, 62));
  EXPECT_EQ(routed.ttl_before, 1u);
  EXPECT_EQ(routed.response_ttl_before, 1u);
  EXPECT_EQ(routed.reversed().ttl_after, 1u);
  HopRecord half = hop(1, 0);
  EXPECT_EQ(votes_of(half, near).time_before + votes_of(half, near).time_after, 0u);
}

Order order(const VoteMatrix& votes, std::vector<NodeFacts> facts = {}) {
  facts.resize(votes.nodes());
  return order_nodes(votes, facts, {});
}

TEST(HopOrder, SortsByVotes) {
  VoteMatrix votes(4);  // 3 is nearest the client, then 1, 0, 2
  votes.at(0, 1) = times(0, 100);
  votes.at(0, 2) = times(100, 0);
  votes.at(0, 3) = times(0, 100);
  votes.at(1, 2) = times(100, 0);
  votes.at(1, 3) = times(0, 100);
  votes.at(2, 3) = times(0, 100);
  const Order sorted = order(votes);
  EXPECT_EQ(sorted.sequence, (std::vector<std::size_t>{3, 1, 0, 2}));
  EXPECT_EQ(sorted.tier, (std::vector<std::uint32_t>{0, 1, 2, 3}));
}

TEST(HopOrder, OneRequestIsAHintAndNumbersComeLast) {
  VoteMatrix votes(3);
  votes.at(0, 2) = times(0, 1);
  EXPECT_EQ(order(votes).sequence.front(), 2u);
  EXPECT_EQ(order(VoteMatrix(3)).sequence, (std::vector<std::size_t>{0, 1, 2}));
}

TEST(HopOrder, CyclesAreATier) {
  VoteMatrix votes(4);
  votes.at(0, 1) = times(100, 0);
  votes.at(1, 2) = times(100, 0);
  votes.at(0, 2) = times(0, 100);  // 0 < 1 < 2 < 0
  for (std::size_t at = 0; at < 3; ++at) votes.at(at, 3) = times(100, 0);
  const Order tied = order(votes);
  EXPECT_EQ(tied.tier, (std::vector<std::uint32_t>{0, 0, 0, 1}));
  EXPECT_EQ(tied.sequence.back(), 3u);
}

TEST(HopOrder, HintsTipBalancesButDoNotOverruleVotes) {
  std::vector<NodeFacts> facts(2);
  facts[0].order_hint = 2;
  facts[1].order_hint = 1;
  EXPECT_EQ(order(VoteMatrix(2), facts).sequence, (std::vector<std::size_t>{1, 0}));
  EXPECT_FALSE(order(VoteMatrix(2), facts).hint_disagrees);
  VoteMatrix votes(2);
  votes.at(0, 1) = times(100, 0);
  EXPECT_EQ(order(votes, facts).sequence, (std::vector<std::size_t>{0, 1}));
  EXPECT_TRUE(order(votes, facts).hint_disagrees);
}

TEST(HopOrder, EncapsulationBracketsAStretch) {
  VoteMatrix votes(3);  // 0 bare, 1 and 2 tunnelled; of 0 only its place against 2 is known
  votes.at(0, 2) = times(0, 100);
  votes.at(1, 2) = times(0, 100);
  std::vector<NodeFacts> facts(3);
  facts[1].tunnel_depth = facts[2].tunnel_depth = 1;
  EXPECT_EQ(order(votes, facts).sequence, (std::vector<std::size_t>{2, 1, 0}));
}

TEST(HopOrder, AgreementTellsDirections) {
  VoteMatrix there(3), back(3);
  there.at(0, 1) = there.at(1, 2) = there.at(0, 2) = times(20, 0);
  back.at(0, 1) = back.at(1, 2) = back.at(0, 2) = times(0, 5);
  EXPECT_GT(agreement(there, there), 0);
  EXPECT_LT(agreement(there, back), 0);
}

}  // namespace
}  // namespace hoptap::test
