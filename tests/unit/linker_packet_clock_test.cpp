#include "linker/packet_clock.h"

#include <gtest/gtest.h>

namespace hoptap::test {
namespace {

constexpr std::uint64_t kSecond = linker::PacketClock::kTickNs;

TEST(PacketClock, TicksWithTheSlowestPoint) {
  linker::PacketClock clock;
  clock.reached(1, 100 * kSecond);
  clock.reached(2, 100 * kSecond);
  clock.reached(1, 140 * kSecond);
  EXPECT_EQ(clock.now(), 0u);
  clock.reached(2, 103 * kSecond + kSecond / 2);
  EXPECT_EQ(clock.now(), 3u);
  clock.reached(2, 104 * kSecond);  // the half is not lost
  EXPECT_EQ(clock.now(), 4u);
}

TEST(PacketClock, ComparesNoClockWithAnother) {
  linker::PacketClock clock;
  clock.reached(1, 7 * kSecond);
  clock.reached(2, 1'700'000'000 * kSecond);
  clock.reached(1, 10 * kSecond);
  clock.reached(2, 1'700'000'002 * kSecond);
  EXPECT_EQ(clock.now(), 2u);
}

TEST(PacketClock, WhoLeftHoldsNothingUpAndAddsNothingTwiceWhenBack) {
  linker::PacketClock clock;
  clock.reached(1, 10 * kSecond);
  clock.reached(2, 10 * kSecond);
  clock.reached(1, 30 * kSecond);
  EXPECT_EQ(clock.now(), 0u);
  clock.left(2);
  EXPECT_EQ(clock.now(), 20u);
  clock.reached(2, 12 * kSecond);  // back, and behind: now it is waited for
  clock.reached(1, 50 * kSecond);
  EXPECT_EQ(clock.now(), 20u);
  clock.reached(2, 30 * kSecond);  // time that has been counted already
  EXPECT_EQ(clock.now(), 20u);
  clock.reached(2, 45 * kSecond);
  EXPECT_EQ(clock.now(), 35u);
  clock.left(3);  // never heard of
  EXPECT_EQ(clock.now(), 35u);
}

TEST(PacketClock, APointWithoutPacketsIsNotWaitedForAndAddsNothing) {
  linker::PacketClock clock;
  clock.reached(1, 100 * kSecond);
  clock.reached(2, 0);
  clock.reached(1, 103 * kSecond);
  EXPECT_EQ(clock.now(), 3u);
  clock.reached(2, 1'700'000'000 * kSecond);
  clock.reached(2, 1'700'000'001 * kSecond);
  EXPECT_EQ(clock.now(), 3u) << "its first time is where it begins";
}

TEST(PacketClock, TimeDoesNotGoBack) {
  linker::PacketClock clock;
  clock.reached(1, 10 * kSecond);
  clock.reached(1, 15 * kSecond);
  clock.reached(1, 11 * kSecond);
  clock.reached(1, 16 * kSecond);
  EXPECT_EQ(clock.now(), 6u);
}

}  // namespace
}  // namespace hoptap::test
