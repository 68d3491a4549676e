#include "appliance/forge/sender.h"

#include <gtest/gtest.h>

#include <vector>

namespace hoptap::forge {
namespace {

struct Piece {
  std::uint64_t from;
  std::uint64_t end;
  Cause cause;
  bool operator==(const Piece&) const = default;
};

void PrintTo(const Piece& piece, std::ostream* out) {
  *out << '[' << piece.from << ", " << piece.end << ") cause " << static_cast<int>(piece.cause);
}

/// A sender, what it has sent, and a clock to move.
class ForgeSender : public ::testing::Test, public SenderOutput {
 protected:
  void start(std::uint32_t window = 64000, std::uint32_t burst = 0, Time round_trip = kMillisecond) {
    sender_.start(now_, {.mss = 1000, .burst_bytes = burst, .window = window, .round_trip = round_trip});
  }
  void write(std::uint64_t written) { sender_.write(now_, written); }
  void acknowledge(std::uint64_t upto, std::vector<SackBlock> sacks = {}, std::uint32_t window = 64000) {
    now_ += kMillisecond;
    sender_.acknowledge(now_, upto, window, sacks);
  }
  /// Lets the next timer ring. Returns how long that took.
  Time wait() {
    const Time began = now_;
    now_ = sender_.deadline();
    EXPECT_GE(now_, began);
    sender_.expire(now_);
    return now_ - began;
  }
  std::vector<Piece> take() { return std::exchange(sent_, {}); }

  void send_piece(std::uint64_t from, std::uint64_t end, Cause cause) override { sent_.push_back({from, end, cause}); }
  void send_window_probe() override { ++window_probes_; }
  void blocked(bool is_blocked) override { blocked_ = is_blocked; }
  void give_up() override { gave_up_ = true; }

  Sender sender_{*this};
  Time now_ = kSecond;
  std::vector<Piece> sent_;
  int window_probes_ = 0;
  bool blocked_ = false;
  bool gave_up_ = false;
};

TEST_F(ForgeSender, CutsIntoSegmentsWithinTheFirstWindow) {
  start();
  write(20500);
  const auto sent = take();
  ASSERT_EQ(sent.size(), 10U);  // RFC 6928
  EXPECT_EQ(sent.back(), (Piece{9000, 10000, Cause::kNew}));
  acknowledge(2000);  // slow start: two more for each two
  EXPECT_EQ(take().size(), 4U);
}

TEST_F(ForgeSender, BurstsForANetworkCardThatCuts) {
  start(64000, 64000);
  write(8500);
  EXPECT_EQ(take(), (std::vector<Piece>{{0, 8500, Cause::kNew}}));
  acknowledge(0, {{.from = 3000, .end = 8500}});
  EXPECT_TRUE(take().empty()) << "its pieces are not known before it is sent again";
}

TEST_F(ForgeSender, TailProbeThenTimeoutThatDoubles) {
  start();
  write(300);
  take();
  const Time first = wait();  // RFC 8985 section 7.2: never later than the timeout
  EXPECT_EQ(take(), (std::vector<Piece>{{0, 300, Cause::kProbe}}));
  EXPECT_GE(first, 200 * kMillisecond);
  EXPECT_LE(first, 203 * kMillisecond);
  const Time second = wait();
  EXPECT_EQ(take(), (std::vector<Piece>{{0, 300, Cause::kRto}}));
  EXPECT_NEAR(static_cast<double>(second), 201e6, 1.1e6);
  const Time third = wait();
  EXPECT_EQ(take(), (std::vector<Piece>{{0, 300, Cause::kRto}}));
  EXPECT_EQ(third, 2 * second);
  for (int i = 0; i < 20 && !gave_up_; ++i) wait();
  EXPECT_TRUE(gave_up_);
}

TEST_F(ForgeSender, TailProbeComesSoonBehindSeveralSegments) {
  start();
  write(2500);
  take();
  EXPECT_EQ(wait(), 2 * kMillisecond + 2 * kMillisecond);
  EXPECT_EQ(take(), (std::vector<Piece>{{2000, 2500, Cause::kProbe}}));
  acknowledge(0, {{.from = 2000, .end = 2500}});  // it tells of the hole before it
  EXPECT_EQ(take(), (std::vector<Piece>{{0, 1000, Cause::kFast}, {1000, 2000, Cause::kFast}}));
}

TEST_F(ForgeSender, FastRetransmissionAfterThreeSegments) {
  start();
  write(6000);
  take();
  acknowledge(0, {{.from = 1000, .end = 2000}});
  EXPECT_TRUE(take().empty());
  sender_.acknowledge(now_, 0, 64000, std::vector<SackBlock>{{.from = 1000, .end = 3000}});
  EXPECT_TRUE(take().empty());
  sender_.acknowledge(now_, 0, 64000, std::vector<SackBlock>{{.from = 1000, .end = 4000}});
  EXPECT_EQ(take(), (std::vector<Piece>{{0, 1000, Cause::kFast}}));
  acknowledge(6000);
  EXPECT_EQ(sender_.deadline(), -1);
}

TEST_F(ForgeSender, ATimeoutJoinsSmallNeighbours) {
  start();
  write(105);
  write(115);  // two writes, two segments
  EXPECT_EQ(take().size(), 2U);
  wait();
  EXPECT_EQ(take(), (std::vector<Piece>{{105, 115, Cause::kProbe}}));
  wait();
  EXPECT_EQ(take(), (std::vector<Piece>{{0, 115, Cause::kRto}})) << "Linux collapses them";
}

TEST_F(ForgeSender, ATimeoutSplitsABurst) {
  start(64000, 64000);
  write(2300);
  take();
  wait();
  EXPECT_EQ(take(), (std::vector<Piece>{{1300, 2300, Cause::kProbe}}));
  wait();
  EXPECT_EQ(take(), (std::vector<Piece>{{0, 1000, Cause::kRto}}));
  acknowledge(1000);
  EXPECT_EQ(take().front(), (Piece{1000, 1300, Cause::kRto})) << "up to where the probe began";
}

TEST_F(ForgeSender, ZeroWindowIsProbedUntilItOpens) {
  start(500);
  write(1500);
  EXPECT_EQ(take(), (std::vector<Piece>{{0, 500, Cause::kNew}}));
  acknowledge(500, {}, 0);
  EXPECT_TRUE(blocked_);
  const Time first = wait();
  EXPECT_EQ(window_probes_, 1);
  EXPECT_GE(first, 200 * kMillisecond);
  EXPECT_EQ(wait(), 2 * first);
  EXPECT_EQ(window_probes_, 2);
  acknowledge(500, {}, 64000);
  EXPECT_FALSE(blocked_);
  EXPECT_EQ(take(), (std::vector<Piece>{{500, 1500, Cause::kNew}}));
}

TEST_F(ForgeSender, AFinIsOneMoreByte) {
  start();
  write(100);
  take();
  sender_.close(now_);
  EXPECT_EQ(take(), (std::vector<Piece>{{100, 101, Cause::kNew}}));
  acknowledge(101);
  EXPECT_TRUE(sender_.done());
}

TEST_F(ForgeSender, NothingIsMeasuredByWhatWasSentTwice) {  // Karn's rule
  start();
  write(300);
  wait();
  const Time before = sender_.timeout();
  acknowledge(300);
  EXPECT_EQ(sender_.timeout(), before);
}

}  // namespace
}  // namespace hoptap::forge
