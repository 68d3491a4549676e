#include "appliance/forge/receiver.h"

#include <gtest/gtest.h>

namespace hoptap::forge {
namespace {

using Answer = Receiver::Answer;

Receiver started() {
  Receiver receiver;
  receiver.start(1000);
  return receiver;
}

TEST(ForgeReceiver, QuickAtFirstThenDelayed) {
  Receiver receiver = started();
  EXPECT_EQ(receiver.take(0, 0, 100), Answer::kNow);
  receiver.acknowledged(0, true, 40 * kMillisecond);  // it answers with data: acknowledgments may ride on it
  EXPECT_EQ(receiver.take(kMillisecond, 100, 200), Answer::kDelayed);
  receiver.timer_expired();  // there was nothing to ride on
  receiver.acknowledged(41 * kMillisecond, false, 40 * kMillisecond);
  EXPECT_EQ(receiver.take(50 * kMillisecond, 200, 300), Answer::kNow);
}

TEST(ForgeReceiver, EverySecondSegment) {
  Receiver receiver = started();
  receiver.take(0, 0, 100);
  receiver.acknowledged(0, true, 40 * kMillisecond);
  EXPECT_EQ(receiver.take(1, 100, 1100), Answer::kDelayed);
  EXPECT_EQ(receiver.take(2, 1100, 2100), Answer::kNow);
}

TEST(ForgeReceiver, HolesAndCopiesAreToldAtOnce) {
  Receiver receiver = started();
  receiver.take(0, 0, 100);
  receiver.acknowledged(0, true, 40 * kMillisecond);
  EXPECT_EQ(receiver.take(1, 1100, 2100), Answer::kNow);
  EXPECT_EQ(receiver.take(2, 3100, 4100), Answer::kNow);
  EXPECT_EQ(receiver.next(), 100U);
  std::array<SackBlock, Packet::kSackBlocksMax> blocks{};
  ASSERT_EQ(receiver.sack_blocks(blocks), 2);
  EXPECT_EQ(blocks[0].from, 3100U) << "the latest first, RFC 2018 section 4";
  EXPECT_EQ(receiver.take(3, 100, 1100), Answer::kNow);
  EXPECT_EQ(receiver.next(), 2100U);
  EXPECT_EQ(receiver.take(4, 0, 100), Answer::kNow) << "a copy";
  EXPECT_TRUE(receiver.has(3500, 4000));
  EXPECT_FALSE(receiver.has(2000, 2200));
}

}  // namespace
}  // namespace hoptap::forge
