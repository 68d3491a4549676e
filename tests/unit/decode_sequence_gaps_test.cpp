#include "decode/mirror/sequence_gaps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace hoptap::decode {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

/// Numbers that come a millisecond apart unless told otherwise.
struct Feed {
  SequenceGaps gaps;
  std::uint64_t now_ns = 1'700'000'000'000'000'000;

  Feed& add(std::uint32_t sequence) {
    gaps.add(sequence, now_ns += kMillisecond);
    return *this;
  }
  Feed& run(std::uint32_t from, std::uint32_t to) {
    for (std::uint32_t at = from; at != to + 1; ++at) add(at);
    return *this;
  }
  SequenceCounts counts() {
    gaps.finish();
    return gaps.counts();
  }
};

TEST(SequenceGaps, NoGapIsNoLoss) {
  const SequenceCounts counts = Feed().run(5, 5000).counts();
  EXPECT_EQ(counts.packets, 4996u);
  EXPECT_EQ(counts.lost, 0u);
  EXPECT_EQ(counts.late + counts.repeated + counts.restarts + counts.strays, 0u);
  EXPECT_TRUE(counts.is_known());
}

TEST(SequenceGaps, GapsOfEverySizeCountExactly) {
  for (const std::uint32_t missing : {1u, 2u, 63u, 64u, 1022u, 1023u, 1024u, 1025u, 2048u, 100'000u}) {
    Feed feed;
    feed.run(1, 100);
    feed.now_ns += 1000 * kMillisecond;  // in which as many can have passed
    const SequenceCounts counts = feed.run(101 + missing, 200 + missing).counts();
    EXPECT_EQ(counts.lost, missing);
    EXPECT_EQ(counts.restarts + counts.strays, 0u) << missing;
    EXPECT_TRUE(counts.is_known());
  }
}

TEST(SequenceGaps, CountsOverTheWrap) {
  const SequenceCounts counts = Feed().run(0xffffff00, 0xfffffffd).run(3, 300).counts();
  EXPECT_EQ(counts.lost, 5u);
  EXPECT_EQ(counts.restarts, 0u);
}

TEST(SequenceGaps, OutOfOrderIsNotLost) {
  const SequenceCounts counts = Feed().run(1, 50).add(53).add(51).add(52).run(54, 100).counts();
  EXPECT_EQ(counts.lost, 0u);
  EXPECT_EQ(counts.late, 2u);
}

TEST(SequenceGaps, RepeatsAreNotLossOrRestarts) {
  Feed feed;
  for (std::uint32_t at = 0; at < 3000; ++at) feed.add(at).add(at);
  SequenceCounts counts = feed.counts();
  EXPECT_EQ(counts.lost, 0u);
  EXPECT_EQ(counts.repeated, 3000u);
  EXPECT_EQ(counts.restarts, 0u);

  Feed behind;  // the second copy comes 20 later
  behind.run(0, 19);
  for (std::uint32_t at = 20; at < 3000; ++at) behind.add(at).add(at - 20);
  counts = behind.counts();
  EXPECT_EQ(counts.lost, 0u);
  EXPECT_TRUE(counts.is_known());
}

TEST(SequenceGaps, ARestartIsToldFromLoss) {
  for (const std::uint32_t highest : {100u, 900u, 5000u, 4'000'000'000u}) {
    const SequenceCounts counts = Feed().run(highest - 80, highest).run(0, 80).counts();
    EXPECT_EQ(counts.lost, 0u) << highest;
    EXPECT_EQ(counts.restarts, 1u) << highest;
    EXPECT_TRUE(counts.is_known());
  }
}

TEST(SequenceGaps, GapsBeforeARestartCount) {
  const SequenceCounts counts = Feed().run(1000, 2000).run(2011, 2020).run(1, 10).run(13, 100).counts();
  EXPECT_EQ(counts.lost, 12u);
  EXPECT_EQ(counts.restarts, 1u);
}

TEST(SequenceGaps, MoreThanCanHavePassedIsARestart) {
  const SequenceCounts counts = Feed().run(1, 1000).run(3'000'000, 3'001'000).counts();
  EXPECT_EQ(counts.lost, 0u);
  EXPECT_EQ(counts.restarts, 1u);
}

TEST(SequenceGaps, AStrayNumberIsNothing) {
  const SequenceCounts counts = Feed().run(1, 1000).add(77'000'000).run(1001, 2000).add(3'000'000'000).counts();
  EXPECT_EQ(counts.lost, 0u);
  EXPECT_EQ(counts.strays, 2u);
  EXPECT_TRUE(counts.is_known());
}

TEST(SequenceGaps, WhatIsNotASequenceIsNotKnown) {
  EXPECT_FALSE(Feed().counts().is_known());
  EXPECT_FALSE(Feed().add(7).counts().is_known());
  Feed still;
  for (int n = 0; n < 100; ++n) still.add(0);
  EXPECT_FALSE(still.counts().is_known());
  Feed two;  // senders that count each for itself
  for (std::uint32_t n = 0; n < 1000; ++n) two.add(n).add(1'000'000 + n);
  EXPECT_FALSE(two.counts().is_known());
}

TEST(SequenceGaps, BegunAnewItKnowsNoGapBetween) {
  Feed feed;
  feed.run(1, 100).add(103);
  feed.gaps.begin_anew();
  const SequenceCounts counts = feed.run(500, 600).add(602).counts();
  EXPECT_EQ(counts.lost, 3u);
  EXPECT_EQ(counts.restarts, 1u);
  EXPECT_EQ(counts.packets, 203u);
  EXPECT_TRUE(counts.is_known());
}

TEST(SequenceGaps, CountsWhileItRuns) {
  Feed feed;
  feed.run(1, 10).add(12);
  EXPECT_EQ(feed.gaps.counts().lost, 0u);  // it may still come
  feed.gaps.advance(feed.now_ns + SequenceGaps::kSettleNs);
  feed.gaps.advance(feed.now_ns + 3 * SequenceGaps::kSettleNs);
  EXPECT_EQ(feed.gaps.counts().lost, 1u);
  EXPECT_EQ(feed.counts().lost, 1u);
}

/// Packets dropped, doubled and moved at random; what was dropped between the first and the last must be what is lost.
TEST(SequenceGaps, IsExactWhateverTheNetworkDoes) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 50; ++trial) {
    const auto first = static_cast<std::uint32_t>(random());
    std::vector<std::uint32_t> come;
    const auto drop_percent = random() % 40;
    std::uint64_t dropped = 0;
    for (std::uint32_t at = 0; at < 20'000; ++at) {
      const bool drops = at > 0 && at + 1 < 20'000 && random() % 100 < drop_percent;
      if (drops) {
        ++dropped;
        continue;
      }
      come.push_back(first + at);
      if (random() % 50 == 0) come.push_back(first + at);
    }
    for (std::size_t at = 1; at + 30 < come.size(); at += 30)
      std::shuffle(come.begin() + static_cast<std::ptrdiff_t>(at), come.begin() + static_cast<std::ptrdiff_t>(at + 30),
                   random);
    Feed feed;
    for (const std::uint32_t one : come) feed.gaps.add(one, feed.now_ns += 10'000);
    EXPECT_EQ(feed.counts().lost, dropped) << trial;
    EXPECT_EQ(feed.gaps.counts().restarts + feed.gaps.counts().strays, 0u);
  }
}

}  // namespace
}  // namespace hoptap::decode
