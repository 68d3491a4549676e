// The ring against the kernel: what was sent through a veth pair is what is captured, or is counted.
#include "capture/live/ring_source.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <set>
#include <thread>

#include "tests/live/network.h"

namespace hoptap::capture {
namespace {

using test::collect;
using test::drain;
using test::Frame;
using test::FrameSender;
using test::make_frame;
using test::Seen;
using test::VethPair;

std::unique_ptr<LiveSource> opened(const LiveConfig& config) {
  auto source = open_ring(config);
  EXPECT_TRUE(source.has_value()) << source.error().what;
  return source ? *std::move(source) : nullptr;
}

void expect_balanced(const LiveCounters& counters) {
  ASSERT_TRUE(counters.received_by_kernel.has_value() && counters.dropped_by_ring.has_value());
  EXPECT_EQ(*counters.received_by_kernel,
            counters.packets + counters.filtered + counters.unreadable + *counters.dropped_by_ring);
  EXPECT_EQ(counters.unreadable, 0u);
}

std::uint32_t number_of(const Seen& seen) {
  return static_cast<std::uint32_t>(base::load_be(base::Bytes(seen.bytes).subspan(14, 4)));
}

TEST(RingTest, LendsEveryFrameInOrderWithItsBytesLengthAndTime) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->state(), LinkState::kRunning);
  EXPECT_FALSE(source->wait(0));
  const FrameSender sender(pair.near);
  std::vector<Frame> sent;
  const std::uint64_t begin_ns = test::now_ns();
  for (std::uint32_t number = 0; number < 3000; ++number) {
    sent.push_back(make_frame(number, 60 + number * 7 % 1455));
    sender.send(sent.back());
  }
  const std::vector<Seen> seen = collect(*source, sent.size());
  const std::uint64_t end_ns = test::now_ns();
  ASSERT_EQ(seen.size(), sent.size());
  std::uint64_t last_ns = begin_ns, bytes = 0;
  for (std::size_t at = 0; at < seen.size(); ++at) {
    ASSERT_EQ(seen[at].bytes, sent[at]) << at;
    ASSERT_EQ(seen[at].wire_bytes, sent[at].size());
    ASSERT_GE(seen[at].time_ns, last_ns);
    last_ns = seen[at].time_ns;
    bytes += sent[at].size();
  }
  EXPECT_LE(last_ns, end_ns);
  const LiveCounters counters = source->live_counters();
  expect_balanced(counters);
  EXPECT_EQ(counters.packets, sent.size());
  EXPECT_EQ(counters.bytes, bytes);
  EXPECT_EQ(counters.truncated, 0u);
  EXPECT_EQ(counters.dropped_by_ring, 0u);
  EXPECT_FALSE(counters.dropped_by_interface.has_value());
  EXPECT_EQ(source->stamp_source(), StampSource::kKernel);
  EXPECT_EQ(source->complaint(), "");
}

TEST(RingTest, PutsVlanTagsBack) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  const std::vector<Frame> sent{
      make_frame(1, 100),
      make_frame(2, 100, test::kTestType, {{.tag = 5}}),
      make_frame(3, 100, test::kTestType, {{.tag = 0x6005}}),  // priority 3
      make_frame(4, 100, test::kTestType, {{.type = 0x88a8, .tag = 7}}),
      make_frame(5, 1500, test::kTestType, {{.type = 0x88a8, .tag = 7}, {.tag = 5}}),
      make_frame(6, 100, test::kTestType, {{.tag = 0}}),  // priority tag
  };
  test::expect_to_come_through(sent, sender, *source);
}

TEST(RingTest, FiltersInTheKernelFromTheFirstPacket) {
  const VethPair pair;
  const FrameSender sender(pair.near);
  std::atomic<bool> ends{false};
  std::thread flood([&] {
    while (!ends) sender.send(make_frame(0, 60, test::kOtherType));
  });
  const LiveConfig config{.interface = pair.far, .filter = "ether proto 0x88b5", .block_count = 2};
  for (int times = 0; times < 50; ++times) {
    const auto source = opened(config);
    EXPECT_TRUE(source != nullptr && source->live_counters().received_by_kernel == 0u);
  }
  const auto source = opened(config);
  if (source != nullptr) {
    for (std::uint32_t number = 1; number <= 50; ++number) sender.send(make_frame(number, 60));
    const std::vector<Seen> seen = collect(*source, 50);
    EXPECT_EQ(seen.size(), 50u);
    for (const Seen& one : seen) EXPECT_NE(number_of(one), 0u);
    const LiveCounters counters = source->live_counters();
    expect_balanced(counters);
    EXPECT_EQ(counters.received_by_kernel, 50u);
    EXPECT_EQ(counters.filtered, 0u);
  }
  ends = true;
  flood.join();
}

TEST(RingTest, MatchesVlansThoughTheKernelCannot) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far, .filter = "vlan 5"});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  for (std::uint32_t number = 0; number < 200; ++number) {  // some batches hold no match at all
    sender.send(make_frame(number, 60, test::kTestType, {{.tag = static_cast<std::uint16_t>(number == 180 ? 5 : 6)}}));
  }
  const std::vector<Seen> seen = collect(*source, 1);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].bytes, make_frame(180, 60, test::kTestType, {{.tag = 5}}));
  ASSERT_TRUE(
      test::wait_until(*source, [&] { return drain(*source).empty() && source->live_counters().filtered == 199; }));
  expect_balanced(source->live_counters());
}

TEST(RingTest, CutsPacketsAndSaysSo) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far, .snap_bytes = 64});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  sender.send(make_frame(1, 64));
  sender.send(make_frame(2, 1000));
  const std::vector<Seen> seen = collect(*source, 2);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].bytes.size(), 64u);
  EXPECT_EQ(seen[1].bytes.size(), 64u);
  EXPECT_EQ(seen[1].wire_bytes, 1000u);
  EXPECT_EQ(source->live_counters().truncated, 1u);
  EXPECT_EQ(source->interfaces()[0].snap_bytes, 64u);
}

TEST(RingTest, CountsWhatASlowReaderLost) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far, .block_bytes = kBlockBytesMin, .block_count = 2});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  constexpr std::uint64_t kSent = 5000;
  std::uint64_t sent = 0;
  std::vector<Seen> seen;
  while (sent < kSent) {
    for (int burst = 0; burst < 100; ++burst) sender.send(make_frame(static_cast<std::uint32_t>(sent++), 1000));
    // Nothing may get lost before the ring: the kernel has seen all of this burst before the next.
    ASSERT_TRUE(test::wait_until(*source, [&] { return source->live_counters().received_by_kernel == sent; }));
    if (sent % 1000 == 0) {
      const std::vector<Seen> more = drain(*source);
      seen.insert(seen.end(), more.begin(), more.end());
    }
  }
  ASSERT_TRUE(test::wait_until(*source, [&] {
    const std::vector<Seen> more = drain(*source);
    seen.insert(seen.end(), more.begin(), more.end());
    const LiveCounters counters = source->live_counters();
    return counters.packets + *counters.dropped_by_ring == kSent;
  }));
  const LiveCounters counters = source->live_counters();
  expect_balanced(counters);
  EXPECT_EQ(counters.packets, seen.size());
  EXPECT_EQ(counters.received_by_kernel, kSent);
  EXPECT_GT(counters.dropped_by_ring.value_or(0), 0u);
  EXPECT_GT(counters.ring_freezes.value_or(0), 0u);
  EXPECT_EQ(source->counters().dropped_by_capture, counters.dropped_by_ring);
  for (std::size_t at = 1; at < seen.size(); ++at) ASSERT_LT(number_of(seen[at - 1]), number_of(seen[at]));
}

TEST(RingTest, GoesOnWhenTheInterfaceComesBackAndEndsWhenItIsDeleted) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  sender.send(make_frame(1, 60));
  EXPECT_EQ(collect(*source, 1).size(), 1u);
  ASSERT_TRUE(test::ip("link set dev " + pair.far + " down"));
  EXPECT_TRUE(test::wait_until(*source, [&] { return source->state() == LinkState::kDown; }));
  EXPECT_FALSE(source->wait(0));
  pollfd asked{.fd = source->fd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&asked, 1, 0), 0);  // waiting does not return at once for ever
  ASSERT_TRUE(test::ip("link set dev " + pair.far + " up"));
  EXPECT_TRUE(test::wait_until(*source, [&] { return source->state() == LinkState::kRunning; }));
  sender.send(make_frame(2, 60));
  EXPECT_EQ(collect(*source, 1).size(), 1u);
  sender.send(make_frame(3, 60));
  ASSERT_TRUE(test::ip("link del dev " + pair.far));
  EXPECT_EQ(collect(*source, 1).size(), 1u);  // what came before is not lost
  EXPECT_TRUE(test::wait_until(*source, [&] { return source->state() == LinkState::kGone; }));
  EXPECT_FALSE(source->wait(0));
  EXPECT_EQ(source->state(), LinkState::kGone);
}

TEST(RingTest, OpensAnInterfaceThatIsDown) {
  const VethPair pair;
  ASSERT_TRUE(test::ip("link set dev " + pair.far + " down"));
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->state(), LinkState::kDown);
  ASSERT_TRUE(test::ip("link set dev " + pair.far + " up"));
  EXPECT_TRUE(test::wait_until(*source, [&] { return source->state() == LinkState::kRunning; }));
  FrameSender(pair.near).send(make_frame(1, 60));
  EXPECT_EQ(collect(*source, 1).size(), 1u);
}

TEST(RingTest, OwnPacketsOnRequestOnly) {
  const VethPair pair;
  const auto all = opened({.interface = pair.far});
  const auto incoming = opened({.interface = pair.far, .ignores_outgoing = true});
  ASSERT_TRUE(all != nullptr && incoming != nullptr);
  FrameSender(pair.far).send(make_frame(1, 60));
  FrameSender(pair.near).send(make_frame(2, 60));
  EXPECT_EQ(collect(*all, 2).size(), 2u);
  const std::vector<Seen> seen = collect(*incoming, 1);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(number_of(seen[0]), 2u);
  expect_balanced(incoming->live_counters());
}

TEST(RingTest, FanoutMembersShareThePackets) {
  const VethPair pair;
  const Fanout fanout{.group = fanout_group(1), .mode = FanoutMode::kRoundRobin};
  const auto left = opened({.interface = pair.far, .fanout = fanout});
  const auto right = opened({.interface = pair.far, .fanout = fanout});
  ASSERT_TRUE(left != nullptr && right != nullptr);
  const FrameSender sender(pair.near);
  for (std::uint32_t number = 0; number < 400; ++number) sender.send(make_frame(number, 60));
  std::set<std::uint32_t> numbers;
  for (LiveSource* const member : {left.get(), right.get()}) {
    const std::vector<Seen> seen = collect(*member, 200);
    EXPECT_EQ(seen.size(), 200u);
    for (const Seen& one : seen) numbers.insert(number_of(one));
  }
  EXPECT_EQ(numbers.size(), 400u);
  const auto other = open_ring({.interface = pair.far, .fanout = Fanout{.group = fanout.group}});
  ASSERT_FALSE(other.has_value());
  EXPECT_NE(other.error().what.find("fanout group"), std::string::npos) << other.error().what;
}

}  // namespace
}  // namespace hoptap::capture
