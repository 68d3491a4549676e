// Heads of packets by eBPF against the kernel: what was sent through a veth pair is what is captured, or is counted.
// Each test runs both ways that the program can be attached, where the kernel has them.
#include "appliance/probe/head_source.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "base/capabilities.h"
#include "bpf-optional/head_tap.h"
#include "capture/live/ring_source.h"
#include "tests/live/network.h"

namespace hoptap::appliance {
namespace {

using capture::LinkState;
using capture::LiveConfig;
using capture::LiveCounters;
using capture::LiveSource;
using test::collect;
using test::Frame;
using test::FrameSender;
using test::make_frame;
using test::Seen;
using test::VethPair;

constexpr std::uint32_t kHeadBytes = 1000;
constexpr std::size_t kAnswerBytes = 512;  // HeadTapConfig::answer_bytes() of it
constexpr bool kOnlyByFilter = true;

class HeadSourceTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    const auto tried = bpf::try_programs();
    if (!tried) GTEST_SKIP() << tried.error().what;
  }
  static std::unique_ptr<LiveSource> opened(const LiveConfig& config, std::uint32_t head_bytes = kHeadBytes) {
    auto source = open_head_source(config, head_bytes, GetParam());
    EXPECT_TRUE(source.has_value()) << source.error().what;
    return source ? *std::move(source) : nullptr;
  }
};

void expect_balanced(const LiveCounters& counters) {
  EXPECT_EQ(counters.received_by_kernel.value_or(0),
            counters.packets + counters.filtered + counters.unreadable + counters.dropped_by_ring.value_or(0));
  EXPECT_EQ(counters.unreadable, 0u);
}

void put(Frame& frame, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) frame.push_back(static_cast<std::uint8_t>(value >> shift));
}

struct Segment {
  std::uint32_t payload_bytes = 0;
  std::uint32_t sequence = 0, acknowledged = 0;
  bool back = false;
  bool pushes = false;
  std::uint32_t port = 40000;
  std::uint32_t client = 0x0a000001;
  std::string begins_with = {};
};

enum class Around { kNothing, kIpv6, kVxlan, kTag };

constexpr std::size_t kIpv4HeadBytes = 14 + 20 + 20;

void put_tcp(Frame& frame, const Segment& segment) {
  put(frame, segment.back ? 80 : segment.port, 2);
  put(frame, segment.back ? segment.port : 80, 2);
  put(frame, segment.sequence, 4);
  put(frame, segment.acknowledged, 4);
  put(frame, segment.pushes ? 0x5018 : 0x5010, 2);
  put(frame, 0x0400, 2);
  put(frame, 0, 4);
  frame.insert(frame.end(), segment.begins_with.begin(), segment.begins_with.end());
  for (std::size_t at = segment.begins_with.size(); at < segment.payload_bytes; ++at)
    frame.push_back(static_cast<std::uint8_t>(at * 7));
}

Frame segment_frame(const Segment& segment, Around around = Around::kNothing) {
  Frame frame{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
  constexpr std::uint32_t kServer = 0x0a0000fe;
  const std::uint32_t source = segment.back ? kServer : segment.client,
                      target = segment.back ? segment.client : kServer;
  const std::uint32_t tcp_bytes = 20 + segment.payload_bytes;
  if (around == Around::kTag) put(frame, 0x8100'0007, 4);
  if (around == Around::kVxlan) {
    put(frame, 0x0800, 2);
    const std::uint32_t udp_bytes = 8 + 8 + 14 + 20 + tcp_bytes;
    put(frame, 0x45000000 + 20 + udp_bytes, 4);
    put(frame, 0x0001'0000'4011'0000, 8);
    put(frame, 0xc6120001'c6120002, 8);
    put(frame, 0xc350'12b5, 4);
    put(frame, udp_bytes << 16, 4);
    put(frame, 0x08000000'00002a00, 8);
    frame.insert(frame.end(), {2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 4});
  }
  if (around == Around::kIpv6) {
    put(frame, 0x86dd'6000'0000, 6);
    put(frame, tcp_bytes << 16 | 0x0640, 4);
    for (const std::uint32_t address : {source, target}) {
      put(frame, 0x20010db8'00000000, 8);
      put(frame, address, 8);
    }
  } else {
    put(frame, 0x0800, 2);
    put(frame, 0x45000000 + 20 + tcp_bytes, 4);
    put(frame, 0x0001'0000'4006'0000, 8);
    put(frame, source, 4);
    put(frame, target, 4);
  }
  put_tcp(frame, segment);
  return frame;
}

/// Of `sent` the payload is cut to so much.
void expect_cut(const Seen& seen, const Frame& sent, std::size_t kept_bytes) {
  ASSERT_EQ(seen.bytes.size(), kept_bytes);
  EXPECT_EQ(seen.wire_bytes, sent.size());
  EXPECT_TRUE(std::equal(seen.bytes.begin(), seen.bytes.end(), sent.begin()));
}

struct Kept {
  Segment segment;
  std::size_t payload_bytes = 0;  ///< of its payload
};

/// Of segments that pass in this order so much is kept.
void expect_kept(const std::vector<Kept>& cases, Around around, const FrameSender& sender, LiveSource& source) {
  for (const Kept& one : cases) sender.send(segment_frame(one.segment, around));
  const std::vector<Seen> seen = collect(source, cases.size());
  ASSERT_EQ(seen.size(), cases.size());
  for (std::size_t at = 0; at < cases.size(); ++at) {
    SCOPED_TRACE(at);
    const Frame sent = segment_frame(cases[at].segment, around);
    expect_cut(seen[at], sent, sent.size() - cases[at].segment.payload_bytes + cases[at].payload_bytes);
  }
}

TEST_P(HeadSourceTest, LendsFramesBothWaysInOrderWithTheirTime) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->state(), LinkState::kRunning);
  EXPECT_FALSE(source->wait(0));
  const FrameSender near(pair.near), far(pair.far);
  std::vector<Frame> sent;
  const std::uint64_t begin_ns = test::now_ns();
  for (std::uint32_t number = 0; number < 3000; ++number) {
    sent.push_back(make_frame(number, 60 + number * 7 % 900));
    (number % 3 == 0 ? far : near).send(sent.back());
  }
  const std::vector<Seen> seen = collect(*source, sent.size());
  const std::uint64_t end_ns = test::now_ns();
  ASSERT_EQ(seen.size(), sent.size());
  std::uint64_t last_ns = begin_ns - 1000;  // the clock's offset is known to less than this
  for (std::size_t at = 0; at < seen.size(); ++at) {
    ASSERT_EQ(seen[at].bytes, sent[at]) << at;
    ASSERT_EQ(seen[at].wire_bytes, sent[at].size());
    ASSERT_GE(seen[at].time_ns, last_ns);
    last_ns = seen[at].time_ns;
  }
  EXPECT_LE(last_ns, end_ns + 1000);
  const LiveCounters counters = source->live_counters();
  expect_balanced(counters);
  EXPECT_EQ(counters.packets, sent.size());
  EXPECT_EQ(counters.truncated, 0u);
  EXPECT_EQ(source->stamp_source(), capture::StampSource::kRing);
}

TEST_P(HeadSourceTest, BringsTheCpusIntoOrder) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  std::vector<Frame> sent;
  std::thread([&] {
    for (std::uint32_t number = 0; number < 3000; ++number) {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(number / 7 % std::thread::hardware_concurrency(), &one);
      sched_setaffinity(0, sizeof(one), &one);  // a CPU that is not ours stays where it is
      sent.push_back(make_frame(number, 60 + number * 7 % 900));
      sender.send(sent.back());
    }
  }).join();
  const std::vector<Seen> seen = collect(*source, sent.size());
  ASSERT_EQ(seen.size(), sent.size());
  for (std::size_t at = 0; at < seen.size(); ++at) ASSERT_EQ(seen[at].bytes, sent[at]) << at;
  expect_balanced(source->live_counters());
}

TEST_P(HeadSourceTest, KeepsPacketsOfAllSizesWhole) {
  const VethPair pair;
  for (const std::string& name : {pair.near, pair.far}) ASSERT_TRUE(test::ip("link set dev " + name + " mtu 65535"));
  const auto source = opened({.interface = pair.far}, 65536);
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  std::vector<Frame> sent;
  for (std::uint32_t number = 0; number < 200; ++number) {  // the sizes at which another room begins, and the longest
    for (const std::uint32_t bytes : {60u, 1983u, 1984u, 1985u, 9151u, 9152u, 9153u, 30000u, 65535u, 65536u, 65549u})
      sent.push_back(make_frame(number, bytes));
  }
  std::vector<Seen> seen;
  for (const Frame& frame : sent) {
    sender.send(frame);
    for (Seen& one : collect(*source, 1)) seen.push_back(std::move(one));
  }
  ASSERT_EQ(seen.size(), sent.size());
  for (std::size_t at = 0; at < seen.size(); ++at) {
    ASSERT_EQ(seen[at].wire_bytes, sent[at].size());
    sent[at].resize(std::min<std::size_t>(sent[at].size(), 65536));
    ASSERT_EQ(seen[at].bytes, sent[at]) << at;
  }
  expect_balanced(source->live_counters());
}

TEST_P(HeadSourceTest, LeavesBodiesOut) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  const std::vector<Kept> cases{
      {{.payload_bytes = 300}, 300},                                      // a request
      {{.acknowledged = 300, .back = true}, 0},                           // its acknowledgement
      {{.payload_bytes = 900, .sequence = 300, .pushes = true}, 700},     // goes on, up to kHeadBytes
      {{.payload_bytes = 900, .acknowledged = 1200, .back = true}, 900},  // the answer
      {{.payload_bytes = 900, .sequence = 900, .acknowledged = 1200, .back = true}, 100},
      {{.sequence = 1200, .acknowledged = 1800}, 0},
      {{.payload_bytes = 900, .sequence = 2700, .acknowledged = 1200, .back = true}, 0},   // its body, behind a loss
      {{.payload_bytes = 900, .sequence = 900, .acknowledged = 1200, .back = true}, 100},  // as it was the first time
      {{.payload_bytes = 600, .port = 40001}, 600},                                        // another connection
      {{.payload_bytes = 500, .sequence = 3600, .acknowledged = 1200, .back = true, .pushes = true}, 0},
      {{.payload_bytes = 400, .sequence = 4100, .acknowledged = 1200, .back = true}, 400},  // something new
      {{.payload_bytes = 900, .sequence = 1800, .acknowledged = 1200, .back = true}, 900},  // what was lost
      {{.payload_bytes = 900, .sequence = 4500, .acknowledged = 1200, .back = true}, 600},
      {{.payload_bytes = 200, .sequence = 2600, .acknowledged = 5400}, 200},  // of a request whose beginning was lost
      {{.payload_bytes = 1400, .sequence = 1200, .acknowledged = 5400}, kHeadBytes / 2},  // which comes again, in one
      {{.payload_bytes = 10, .sequence = 2800, .acknowledged = 5400, .pushes = true}, 10},
      {{.payload_bytes = 1400, .sequence = 5400, .acknowledged = 2810, .back = true}, kHeadBytes / 2},
      {{.payload_bytes = 10, .sequence = 6800, .acknowledged = 2810, .back = true, .pushes = true}, 0},
      {{.payload_bytes = 700, .sequence = 5400, .acknowledged = 3000, .back = true},
       700},  // again, the other having spoken
      {{.payload_bytes = 300, .sequence = 6810, .acknowledged = 3000, .back = true}, 300},  // its answer to that
      {{.payload_bytes = 100, .port = 40002}, 100},
      {{.payload_bytes = 1400, .sequence = 100, .port = 40002}, kAnswerBytes},  // in the middle
  };
  expect_kept(cases, Around::kNothing, sender, *source);
  expect_balanced(source->live_counters());
}

TEST_P(HeadSourceTest, KeepsTheFirstOfAnAnswerOfHttp) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  std::vector<Kept> cases{
      {{.payload_bytes = 800, .pushes = true, .begins_with = "GET / HTTP/1.1"}, 800},
      {{.payload_bytes = 800, .acknowledged = 800, .back = true, .begins_with = "HTTP/1.1 200"}, kAnswerBytes},
      {{.payload_bytes = 800, .sequence = 800, .acknowledged = 800, .back = true, .begins_with = "HTTP"}, 200},
      {{.payload_bytes = 300, .sequence = 800, .acknowledged = 1600}, 300},
      {{.payload_bytes = 513, .sequence = 1600, .acknowledged = 1100, .back = true, .begins_with = "HTTP"},
       kAnswerBytes},
      {{.payload_bytes = 300, .sequence = 1100, .acknowledged = 2113}, 300},
      {{.payload_bytes = 512, .sequence = 2113, .acknowledged = 1400, .back = true, .begins_with = "HTTP"}, 512},
  };
  for (const Around around : {Around::kNothing, Around::kIpv6, Around::kTag, Around::kVxlan}) {
    for (Kept& one : cases) ++one.segment.port;  // another connection
    expect_kept(cases, around, sender, *source);
  }
  expect_balanced(source->live_counters());
}

TEST_P(HeadSourceTest, FindsTcpInTunnelsAndBehindTags) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far}, 100);
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  const std::vector<std::pair<Around, std::size_t>> cases{{Around::kIpv6, kIpv4HeadBytes + 20},
                                                          {Around::kVxlan, 14 + 20 + 8 + 8 + kIpv4HeadBytes},
                                                          {Around::kTag, kIpv4HeadBytes + 4}};
  for (std::uint32_t n = 0; n < cases.size(); ++n) {
    for (const std::uint32_t sequence : {0u, 80u})
      sender.send(segment_frame({.payload_bytes = 80, .sequence = sequence, .port = 41000 + n}, cases[n].first));
  }
  const std::vector<Seen> seen = collect(*source, 2 * cases.size());
  ASSERT_EQ(seen.size(), 2 * cases.size());
  for (std::uint32_t n = 0; n < cases.size(); ++n) {
    SCOPED_TRACE(n);
    const auto [around, head_bytes] = cases[n];
    expect_cut(seen[2 * n], segment_frame({.payload_bytes = 80, .port = 41000 + n}, around), head_bytes + 80);
    const Frame second = segment_frame({.payload_bytes = 80, .sequence = 80, .port = 41000 + n}, around);
    expect_cut(seen[2 * n + 1], second, head_bytes + 20);
  }
}

TEST_P(HeadSourceTest, TellsConnectionsApartWhoseAddressesAndPortsDifferByTheSame) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  constexpr std::uint32_t kConnections = 64;
  for (const std::uint32_t sequence : {0u, 1000u}) {
    for (std::uint32_t n = 0; n < kConnections; ++n)
      sender.send(
          segment_frame({.payload_bytes = 1000, .sequence = sequence, .port = n << 8, .client = 0x0a000000 + n}));
  }
  const std::vector<Seen> seen = collect(*source, 2 * std::size_t{kConnections});
  ASSERT_EQ(seen.size(), 2 * std::size_t{kConnections});
  for (std::uint32_t n = 0; n < kConnections; ++n) {
    SCOPED_TRACE(n);
    EXPECT_EQ(seen[n].bytes.size(), kIpv4HeadBytes + 1000);
    EXPECT_EQ(seen[kConnections + n].bytes.size(), kIpv4HeadBytes);
  }
}

TEST_P(HeadSourceTest, CopiesHeadersAloneWhereNoMessagesAreAskedFor) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far}, 0);
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  const Frame segment = segment_frame({.payload_bytes = 300}), other = make_frame(1, 500);
  sender.send(segment);
  sender.send(other);
  const std::vector<Seen> seen = collect(*source, 2);
  ASSERT_EQ(seen.size(), 2u);
  expect_cut(seen[0], segment, kIpv4HeadBytes);
  expect_cut(seen[1], other, other.size());
}

TEST_P(HeadSourceTest, PutsVlanTagsBack) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far, .filter = "vlan or not vlan"});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  const std::vector<Frame> sent{
      make_frame(1, 100),
      make_frame(3, 100, test::kTestType, {{.tag = 0x6005}}),  // priority 3
      make_frame(4, 100, test::kTestType, {{.type = 0x88a8, .tag = 7}}),
      make_frame(5, 900, test::kTestType, {{.type = 0x88a8, .tag = 7}, {.tag = 5}}),
  };
  test::expect_to_come_through(sent, sender, *source);
}

TEST_P(HeadSourceTest, FiltersAndCountsIt) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far, .filter = "tcp port 40001", .ignores_outgoing = true});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near), outgoing(pair.far);
  for (std::uint32_t n = 0; n < 200; ++n) {
    sender.send(segment_frame({.payload_bytes = 5, .port = 40000 + n % 2}));
    outgoing.send(segment_frame({.payload_bytes = 5, .port = 40001}));
  }
  EXPECT_EQ(collect(*source, 100).size(), 100u);
  ASSERT_TRUE(test::wait_until(*source, [&] { return test::drain(*source).empty(); }));
  const LiveCounters counters = source->live_counters();
  EXPECT_EQ(counters.filtered, 100u);
  EXPECT_EQ(counters.received_by_kernel, 200u);
  expect_balanced(counters);
}

TEST_P(HeadSourceTest, TakesAsManyPacketsWithTagsAsWithout) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far, .block_bytes = capture::kBlockBytesMin, .block_count = 2});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  constexpr std::uint32_t kSent = 300;
  for (std::uint32_t number = 0; number < kSent; ++number)
    sender.send(make_frame(number, 100, test::kTestType, {{.tag = 7}}));
  ASSERT_TRUE(test::wait_until(*source, [&] { return source->live_counters().received_by_kernel == kSent; }));
  EXPECT_EQ(source->live_counters().dropped_by_ring, 0u);
  EXPECT_EQ(test::drain(*source).size(), kSent);
}

TEST_P(HeadSourceTest, CountsWhatASlowReaderLost) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far, .block_bytes = capture::kBlockBytesMin, .block_count = 2});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  constexpr std::uint64_t kSent = 5000;
  std::vector<Seen> seen;
  for (std::uint64_t sent = 0; sent < kSent;) {
    for (int burst = 0; burst < 100; ++burst) sender.send(make_frame(static_cast<std::uint32_t>(sent++), 900));
    ASSERT_TRUE(test::wait_until(*source, [&] { return source->live_counters().received_by_kernel == sent; }));
    if (sent % 1500 != 0) continue;
    const std::vector<Seen> more = test::drain(*source);
    seen.insert(seen.end(), more.begin(), more.end());
  }
  const std::vector<Seen> more = test::drain(*source);
  seen.insert(seen.end(), more.begin(), more.end());
  const LiveCounters counters = source->live_counters();
  expect_balanced(counters);
  EXPECT_EQ(counters.packets, seen.size());
  EXPECT_GT(counters.dropped_by_ring.value_or(0), 0u);
  EXPECT_GT(counters.packets, 3 * 400u);  // the ring was filled and read three times
  EXPECT_EQ(counters.received_by_kernel, kSent);
}

TEST_P(HeadSourceTest, ClosesItsIntake) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  sender.send(make_frame(1, 60));
  ASSERT_TRUE(test::wait_until(*source, [&] { return source->live_counters().received_by_kernel == 1u; }));
  source->close_intake();
  sender.send(make_frame(2, 60));
  EXPECT_EQ(collect(*source, 1).size(), 1u);
  usleep(20'000);
  EXPECT_TRUE(test::drain(*source).empty());
  expect_balanced(source->live_counters());
}

TEST_P(HeadSourceTest, SeesTheInterfaceGoAndComeBack) {
  const VethPair pair;
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  ASSERT_TRUE(test::ip("link set dev " + pair.far + " down"));
  EXPECT_TRUE(test::wait_until(*source, [&] { return source->state() == LinkState::kDown; }));
  ASSERT_TRUE(test::ip("link set dev " + pair.far + " up"));
  EXPECT_TRUE(test::wait_until(*source, [&] { return source->state() == LinkState::kRunning; }));
  FrameSender(pair.near).send(make_frame(1, 60));
  EXPECT_EQ(collect(*source, 1).size(), 1u);
  ASSERT_TRUE(test::ip("link del dev " + pair.far));
  EXPECT_TRUE(test::wait_until(*source, [&] { return source->state() == LinkState::kGone; }));
}

TEST_P(HeadSourceTest, CapturesInAnotherNamespaceUntilItIsDeleted) {
  const VethPair pair;
  const std::string name = test::own_name("n");
  ASSERT_TRUE(test::ip("netns add " + name));
  ASSERT_TRUE(test::ip("link set dev " + pair.far + " netns " + name));
  ASSERT_TRUE(test::ip("-n " + name + " link set dev " + pair.far + " up"));
  // The new namespace has neighbour discovery of its own.
  auto source =
      opened({.interface = pair.far, .network_namespace = "/run/netns/" + name, .filter = "ether proto 0x88b5"});
  ASSERT_NE(source, nullptr);
  FrameSender(pair.near).send(make_frame(1, 60));
  EXPECT_EQ(collect(*source, 1).size(), 1u);
  ASSERT_TRUE(test::ip("netns del " + name));
  EXPECT_TRUE(test::wait_until(*source, [&] { return source->state() == LinkState::kGone; }));
}

/// Without it all is done by filters.
bool has_tcx() {
  utsname name{};
  int major = 0, minor = 0;
  return ::uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         std::pair(major, minor) >= std::pair(6, 6);
}

TEST_P(HeadSourceTest, IsGoneFromTheInterfaceAtTheEndAndAfterACrash) {
  const bool by_filter = GetParam() == kOnlyByFilter || !has_tcx();
  const VethPair pair;
  const std::string shown = "tc filter show dev " + pair.far;
  const auto has_filters = [&] {
    return std::system(("{ " + shown + " ingress; " + shown + " egress; } 2>/dev/null | grep -q head_tap").c_str()) ==
           0;
  };
  opened({.interface = pair.far}).reset();
  EXPECT_FALSE(has_filters());
  const pid_t child = fork();
  if (child == 0) {
    const auto left = open_head_source({.interface = pair.far}, kHeadBytes, GetParam());
    _exit(left ? 0 : 1);  // nothing is destroyed
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(has_filters(), by_filter);
  const auto source = opened({.interface = pair.far});
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(has_filters(), by_filter);
  FrameSender(pair.near).send(make_frame(1, 60));
  EXPECT_EQ(collect(*source, 1).size(), 1u);  // once: what was left there is replaced
  EXPECT_EQ(source->live_counters().received_by_kernel, 1u);
  // Another one beside it, or words.
  const auto second = open_head_source({.interface = pair.far}, kHeadBytes, GetParam());
  EXPECT_EQ(second.has_value(), !by_filter);
  if (!second) {
    EXPECT_NE(second.error().what.find("another hoptap"), std::string::npos) << second.error().what;
  }
}

/// What open_head_source() says on a thread without `capability`.
std::string refusal_without(unsigned capability, const std::string& interface) {
  std::string said;
  std::thread([&] {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    syscall(SYS_capget, &header, sets.data());
    for (const unsigned one : {capability, unsigned{CAP_SYS_ADMIN}}) sets[one / 32].effective &= ~(1u << one % 32);
    syscall(SYS_capset, &header, sets.data());
    const auto source = open_head_source({.interface = interface}, kHeadBytes);
    said = source ? "it opened" : source.error().what;
  }).join();
  return said;
}

TEST(HeadSourceRefusalTest, SaysWhatToDo) {
  const VethPair pair;
  const auto expect = [](const std::string& text, std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  if (!bpf::try_programs()) {
    const auto source = open_head_source({.interface = pair.far}, kHeadBytes);
    ASSERT_FALSE(source.has_value());
    expect(source.error().what, {pair.far + ": ", "eBPF", "`capture: ring` does without"});
    return;
  }
  expect(refusal_without(base::kCapBpf, pair.far), {"eBPF needs CAP_BPF: run as root or `setcap", "`capture: ring`"});
  expect(refusal_without(base::kCapPerfmon, pair.far), {"eBPF needs CAP_PERFMON"});
  expect(refusal_without(CAP_NET_ADMIN, pair.far), {"eBPF needs CAP_NET_ADMIN"});
  expect(refusal_without(CAP_NET_RAW, pair.far), {"needs CAP_NET_RAW"});
  const auto source = open_head_source({.interface = pair.far + "0"}, kHeadBytes);
  ASSERT_FALSE(source.has_value());
  expect(source.error().what, {"no such interface; there are " + pair.far});
}

INSTANTIATE_TEST_SUITE_P(Ways, HeadSourceTest, testing::Values(!kOnlyByFilter, kOnlyByFilter));

}  // namespace
}  // namespace hoptap::appliance
