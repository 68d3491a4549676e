// A port of DPDK gives what came in, with honest times and counts: virtual devices, no hardware.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "capture/dpdk/dpdk.h"
#include "capture/dpdk/port.h"
#include "tests/dpdk/devices.h"
#include "tests/live/network.h"

namespace hoptap::capture {
namespace {

using test::Frame;
using test::FrameSender;
using test::make_frame;
using test::Seen;
using test::VethPair;

std::vector<std::unique_ptr<LiveSource>> opened(const LiveConfig& config, std::size_t queues = 1) {
  auto sources = open_dpdk_port(config, queues);
  EXPECT_TRUE(sources.has_value()) << sources.error().what;
  return sources ? *std::move(sources) : std::vector<std::unique_ptr<LiveSource>>(queues);
}

std::string refusal(const LiveConfig& config, std::size_t queues = 1) {
  const auto sources = open_dpdk_port(config, queues);
  return sources ? "it opened" : sources.error().what;
}

/// A capture file of microseconds that goes away with this.
class PcapFile {
 public:
  explicit PcapFile(const std::vector<Frame>& frames) {
    std::ofstream file(path, std::ios::binary);
    const auto put = [&file](std::uint32_t value) { file.write(reinterpret_cast<const char*>(&value), sizeof value); };
    for (const std::uint32_t word : {0xa1b2c3d4u, 0x00040002u, 0u, 0u, 262144u, 1u}) put(word);
    for (const Frame& frame : frames) {
      const auto bytes = static_cast<std::uint32_t>(frame.size());
      for (const std::uint32_t word : {kSecond, kMicrosecond, bytes, bytes}) put(word);
      file.write(reinterpret_cast<const char*>(frame.data()), static_cast<std::streamsize>(frame.size()));
    }
  }
  ~PcapFile() { std::filesystem::remove(path); }
  PcapFile(const PcapFile&) = delete;
  PcapFile& operator=(const PcapFile&) = delete;

  static constexpr std::uint32_t kSecond = 1'700'000'000, kMicrosecond = 123'456;
  const std::string path = std::filesystem::temp_directory_path() / test::own_name("dpdk.pcap");
};

std::uint64_t cpu_ns() {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  const auto ns = [](const timeval& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_usec) * 1000;
  };
  return ns(used.ru_utime) + ns(used.ru_stime);
}

TEST(DpdkPortTest, LendsFramesOfAFileInOneOrManyBuffersAndKnowsThatNoneWasLost) {
  std::vector<Frame> frames;
  for (std::uint32_t number = 0; number < 300; ++number)
    frames.push_back(make_frame(number, number % 7 == 0 ? 20'000 + number : 60 + number));
  const PcapFile file(frames);
  const auto sources = opened({.interface = test::make_device("net_pcap", "rx_pcap=" + file.path)});
  ASSERT_NE(sources[0], nullptr);
  const std::uint64_t begin_ns = test::now_ns();
  const std::vector<Seen> seen = test::collect(*sources[0], frames.size());
  ASSERT_EQ(seen.size(), frames.size());
  for (std::size_t at = 0; at < seen.size(); ++at) {
    ASSERT_EQ(seen[at].bytes, frames[at]) << at;
    ASSERT_EQ(seen[at].wire_bytes, frames[at].size());
    ASSERT_TRUE(seen[at].time_ns >= begin_ns && seen[at].time_ns <= test::now_ns()) << at;
  }
  const LiveCounters counters = sources[0]->live_counters();
  EXPECT_EQ(counters.packets, frames.size());
  EXPECT_EQ(counters.dropped_by_ring, 0u);
  EXPECT_EQ(counters.received_by_kernel, frames.size());
  EXPECT_FALSE(counters.ring_freezes.has_value());
  EXPECT_EQ(counters.stamps->poll, frames.size());
  EXPECT_EQ(sources[0]->stamp_source(), StampSource::kPoll);
  EXPECT_EQ(sources[0]->state(), LinkState::kRunning);
  EXPECT_EQ(sources[0]->complaint(), "");
}

TEST(DpdkPortTest, TakesTheTimesOfADriverWhoseUnitIsKnown) {
  const PcapFile file({make_frame(1, 60)});
  const auto sources =
      opened({.interface = test::make_device("net_pcap", "rx_pcap=" + file.path), .asks_nic_time = true});
  ASSERT_NE(sources[0], nullptr);
  const std::vector<Seen> seen = test::collect(*sources[0], 1);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].time_ns, PcapFile::kSecond * 1'000'000'000ull + PcapFile::kMicrosecond * 1000ull);
  EXPECT_EQ(sources[0]->stamp_source(), StampSource::kNic);
}

TEST(DpdkPortTest, CutsAndFiltersPackets) {
  const PcapFile file({make_frame(1, 60), make_frame(2, 20'000), make_frame(3, 90, test::kOtherType)});
  const auto sources = opened({.interface = test::make_device("net_pcap", "rx_pcap=" + file.path),
                               .filter = "ether proto 0x88b5",
                               .snap_bytes = 80});
  ASSERT_NE(sources[0], nullptr);
  const std::vector<Seen> seen = test::collect(*sources[0], 2);
  ASSERT_EQ(seen.size(), 2u);
  const Frame whole = make_frame(2, 20'000);
  EXPECT_EQ(seen[1].bytes, Frame(whole.begin(), whole.begin() + 80));
  EXPECT_EQ(seen[1].wire_bytes, 20'000u);
  std::array<Packet, 1> batch;
  EXPECT_EQ(sources[0]->poll(batch), 0u);
  const LiveCounters counters = sources[0]->live_counters();
  EXPECT_EQ(counters.filtered, 1u);
  EXPECT_EQ(counters.truncated, 1u);
  EXPECT_EQ(counters.received_by_kernel, counters.packets + counters.filtered);
}

TEST(DpdkPortTest, OfAfPacketNobodyKnowsWhatWasLost) {
  const VethPair pair;
  const auto sources = opened({.interface = test::make_device("net_af_packet", "iface=" + pair.far)});
  ASSERT_NE(sources[0], nullptr);
  const FrameSender sender(pair.near);
  const std::vector<Frame> sent{make_frame(1, 60), make_frame(2, 1400),
                                make_frame(3, 80, test::kTestType, {{0x8100, 7}})};
  for (const Frame& frame : sent) sender.send(frame);
  const std::vector<Seen> seen = test::collect(*sources[0], sent.size());
  ASSERT_EQ(seen.size(), sent.size());
  for (std::size_t at = 0; at < seen.size(); ++at) EXPECT_EQ(seen[at].bytes, sent[at]) << at;  // the tag is back, too
  const LiveCounters counters = sources[0]->live_counters();
  EXPECT_EQ(counters.packets, sent.size());
  EXPECT_FALSE(counters.dropped_by_ring.has_value());
  EXPECT_FALSE(counters.received_by_kernel.has_value());
  EXPECT_FALSE(counters.dropped_by_interface.has_value());
}

TEST(DpdkPortTest, ListensAtATap) {
  const std::string interface = test::own_name("t");
  const std::string device = test::make_device("net_tap", "iface=" + interface);
  if (device.empty()) GTEST_SKIP() << "no /dev/net/tun here";
  const auto sources = opened({.interface = device});
  ASSERT_NE(sources[0], nullptr);
  ASSERT_TRUE(test::ip("link set dev " + interface + " up"));
  const FrameSender sender(interface);
  const Frame frame = make_frame(9, 700);
  sender.send(frame);
  const std::vector<Seen> seen = test::collect(*sources[0], 1);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].bytes, frame);
  EXPECT_FALSE(sources[0]->live_counters().dropped_by_ring.has_value());
}

TEST(DpdkPortTest, SharesOutOverQueuesEachInAThreadOfItsOwn) {
  const auto sources = opened({.interface = test::make_device("net_null", "")}, 2);
  ASSERT_EQ(sources.size(), 2u);
  std::array<std::uint64_t, 2> packets{};
  std::vector<std::thread> threads;
  for (std::size_t at = 0; at < 2; ++at)
    threads.emplace_back([&, at] {
      std::array<Packet, kBatchPackets> batch;
      while (packets[at] < 100'000) packets[at] += sources[at]->poll(batch);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sources[0]->live_counters().packets, packets[0]);
  EXPECT_FALSE(sources[1]->live_counters().dropped_by_ring.has_value());
}

TEST(DpdkPortTest, EndsEvenWhenPacketsDoNot) {
  const auto sources = opened({.interface = test::make_device("net_null", "")});
  ASSERT_NE(sources[0], nullptr);
  sources[0]->close_intake();
  std::array<Packet, kBatchPackets> batch;
  std::uint64_t rest = 0;
  while (const std::size_t count = sources[0]->poll(batch)) rest += count;
  EXPECT_GT(rest, 0u);
  EXPECT_LT(rest, 10'000u);
  EXPECT_FALSE(sources[0]->wait(1));
}

TEST(DpdkPortTest, IdleItSleeps) {
  const VethPair pair;
  const auto sources = opened({.interface = test::make_device("net_af_packet", "iface=" + pair.far)});
  ASSERT_NE(sources[0], nullptr);
  test::drain(*sources[0]);
  constexpr std::uint64_t kIdleNs = 1'000'000'000;
  const std::uint64_t begin_ns = test::now_ns(), begin_cpu_ns = cpu_ns();
  while (test::now_ns() - begin_ns < kIdleNs) EXPECT_FALSE(sources[0]->wait(50));
  const double share = static_cast<double>(cpu_ns() - begin_cpu_ns) / static_cast<double>(test::now_ns() - begin_ns);
  std::printf("an idle port takes %.1f %% of a core\n", 100 * share);
  EXPECT_LT(share, 0.25);
}

TEST(DpdkPortTest, RefusesInWordsThatHoldTheFix) {
  const auto expect = [](const std::string& said, const std::string& part) {
    EXPECT_NE(said.find(part), std::string::npos) << said;
  };
  expect(refusal({.interface = "net_nothing7"}), "--vdev=net_nothing7");
  expect(refusal({.interface = "0000:ff:1f.7"}), "dpdk-devbind.py --bind=vfio-pci 0000:ff:1f.7");
  const VethPair pair;
  const std::string one = test::make_device("net_af_packet", "iface=" + pair.far);
  expect(refusal({.interface = one}, 2), "this port has 1 receive queue; at most so many workers");
  const std::string two = test::make_device("net_af_packet", "qpairs=2,iface=" + pair.near);
  expect(refusal({.interface = two}, 2), "the driver net_af_packet cannot share out by connection (RSS)");
  const std::string timeless = test::make_device("net_null", "");
  expect(refusal({.interface = timeless, .asks_nic_time = true}), "nic_time: the unit of the driver net_null's time");
  expect(refusal({.interface = "net_null0", .network_namespace = "/run/netns/x"}), "in no network namespace");
  expect(refusal({.interface = "net_null0", .filter = "tcp prot 80"}), "filter 'tcp prot 80'");
  const auto again = start_dpdk({}, {});
  ASSERT_FALSE(again);
  expect(again.error().what, "once in a process");
}

/// The Toeplitz hash (Microsoft, "Verifying the RSS hash calculation") of what NICs hash.
std::uint32_t toeplitz(const std::vector<std::uint8_t>& input) {
  const auto key_bit = [](std::size_t at) {
    const unsigned byte = at / 8 % 2 == 0 ? kSymmetricKeyEven : kSymmetricKeyOdd;
    return byte >> (7 - at % 8) & 1;
  };
  std::uint32_t hash = 0;
  for (std::size_t at = 0; at < 8 * input.size(); ++at) {
    if ((input[at / 8] >> (7 - at % 8) & 1) == 0) continue;
    for (std::size_t bit = 0; bit < 32; ++bit) hash ^= key_bit(at + bit) << (31 - bit);
  }
  return hash;
}

TEST(DpdkPortTest, TheKeyBringsBothDirectionsTogetherAndConnectionsApart) {
  std::array<int, 2> share{};
  for (const std::size_t address_bytes : {4u, 16u}) {
    for (unsigned n = 0; n < 400; ++n) {
      std::vector<std::uint8_t> client(address_bytes, 10), server(address_bytes, 198);
      client.back() = static_cast<std::uint8_t>(n);
      client[1] = static_cast<std::uint8_t>(n * 7);
      const std::vector<std::uint8_t> client_port{static_cast<std::uint8_t>(130 + n % 100),
                                                  static_cast<std::uint8_t>(n * 3)};
      const std::vector<std::uint8_t> server_port{0, 80};
      std::vector<std::uint8_t> there, back;
      for (const auto& part : {client, server, client_port, server_port})
        there.insert(there.end(), part.begin(), part.end());
      for (const auto& part : {server, client, server_port, client_port})
        back.insert(back.end(), part.begin(), part.end());
      ASSERT_EQ(toeplitz(there), toeplitz(back));
      ++share[toeplitz(there) & 1];
    }
  }
  EXPECT_GT(share[0], 200);
  EXPECT_GT(share[1], 200);
}

}  // namespace
}  // namespace hoptap::capture
