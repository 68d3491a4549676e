// Other namespaces and links, libpcap beside the ring, and what is said when a source cannot be opened.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "capture/live/interfaces.h"
#include "capture/live/pcap_live.h"
#include "capture/live/ring_source.h"
#include "tests/live/network.h"

namespace hoptap::capture {
namespace {

using test::collect;
using test::Frame;
using test::FrameSender;
using test::make_frame;
using test::Seen;
using test::VethPair;

using Open = base::Outcome<std::unique_ptr<LiveSource>> (*)(const LiveConfig&);

std::unique_ptr<LiveSource> opened(Open open, const LiveConfig& config) {
  auto source = open(config);
  EXPECT_TRUE(source.has_value()) << source.error().what;
  return source ? *std::move(source) : nullptr;
}

std::string complaint_of(Open open, const LiveConfig& config) {
  const auto source = open(config);
  return source ? "it opened" : source.error().what;
}

/// A namespace with a name, and the far end of a veth pair in it.
class NamedNamespace {
 public:
  explicit NamedNamespace(const std::string& interface) {
    EXPECT_TRUE(test::ip("netns add " + name_));
    EXPECT_TRUE(test::ip("link set dev " + interface + " netns " + name_));
    EXPECT_TRUE(test::ip("-n " + name_ + " link set dev " + interface + " up"));
  }
  ~NamedNamespace() {
    if (exists_) remove();
  }
  NamedNamespace(const NamedNamespace&) = delete;
  NamedNamespace& operator=(const NamedNamespace&) = delete;

  void remove() {
    EXPECT_TRUE(test::ip("netns del " + name_));
    exists_ = false;
  }
  std::string path() const { return "/run/netns/" + name_; }

 private:
  std::string name_ = test::own_name("n");
  bool exists_ = true;
};

TEST(LiveSourceTest, CapturesInAnotherNamespaceUntilItIsDeleted) {
  for (const Open open : {&open_ring, &open_pcap_live}) {
    const VethPair pair;
    NamedNamespace other(pair.far);
    // The new namespace has neighbour discovery of its own.
    auto source =
        opened(open, {.interface = pair.far, .network_namespace = other.path(), .filter = "ether proto 0x88b5"});
    ASSERT_NE(source, nullptr);
    EXPECT_NE(if_nametoindex(pair.near.c_str()), 0u);  // the caller is where it was
    FrameSender(pair.near).send(make_frame(1, 60));
    EXPECT_EQ(collect(*source, 1).size(), 1u);
    EXPECT_FALSE(source->live_counters().dropped_by_interface.has_value());
    other.remove();
    EXPECT_TRUE(test::wait_until(*source, [&] { return source->state() == LinkState::kGone; }));
  }
}

TEST(LiveSourceTest, LoopbackPacketsAreSeenOnce) {
  const auto source = opened(&open_ring, {.interface = "lo", .filter = "udp port 9"});
  ASSERT_NE(source, nullptr);
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(9);
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int count = 0; count < 10; ++count) {
    sendto(socket.get(), &count, sizeof(count), 0, reinterpret_cast<const sockaddr*>(&target), sizeof(target));
  }
  const std::vector<Seen> seen = collect(*source, 10);
  ASSERT_EQ(seen.size(), 10u);
  for (int count = 0; count < 10; ++count) {
    EXPECT_EQ(std::memcmp(seen[static_cast<std::size_t>(count)].bytes.data() + 42, &count, sizeof(count)), 0);
  }
  ASSERT_TRUE(test::wait_until(*source,
                               [&] { return test::drain(*source).empty() && source->live_counters().filtered == 10; }));
  const LiveCounters counters = source->live_counters();
  EXPECT_EQ(counters.packets, 10u);
  EXPECT_EQ(counters.received_by_kernel, 20u);
}

TEST(LiveSourceTest, TunnelsGiveRawIp) {
  const Descriptor tunnel(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!tunnel.is_open()) GTEST_SKIP() << "there is no /dev/net/tun";
  const std::string name = test::own_name("t");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::copy(name.begin(), name.end(), request.ifr_name);
  ASSERT_EQ(ioctl(tunnel.get(), TUNSETIFF, &request), 0);
  ASSERT_TRUE(test::ip("link set dev " + name + " up"));
  Frame packet{0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2, 0, 5, 0, 9, 0, 8, 0, 0};
  for (const Open open : {&open_ring, &open_pcap_live}) {
    const auto source = opened(open, {.interface = name, .filter = "udp port 9"});
    ASSERT_NE(source, nullptr);
    EXPECT_EQ(source->interfaces()[0].link_type, 101);
    ASSERT_EQ(write(tunnel.get(), packet.data(), packet.size()), static_cast<ssize_t>(packet.size()));
    const std::vector<Seen> seen = collect(*source, 1);
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].bytes, packet);
    EXPECT_EQ(seen[0].wire_bytes, packet.size());
  }
}

TEST(LiveSourceTest, LibpcapSeesWhatTheRingSees) {
  const VethPair pair;
  const auto ring = opened(&open_ring, {.interface = pair.far, .filter = "ether proto 0x88b5 or vlan"});
  const auto pcap = opened(&open_pcap_live, {.interface = pair.far, .filter = "ether proto 0x88b5 or vlan"});
  ASSERT_TRUE(ring != nullptr && pcap != nullptr);
  EXPECT_EQ(pcap->interfaces()[0].link_type, 1);
  const FrameSender sender(pair.near);
  for (std::uint32_t number = 0; number < 500; ++number) {
    const std::vector<test::Tag> tags(number % 3 == 0 ? 1 : 0, test::Tag{.tag = 9});
    sender.send(
        make_frame(number, 60 + number * 11 % 1400, number % 2 == 0 ? test::kTestType : test::kOtherType, tags));
  }
  constexpr std::size_t kMatching = 250 + 83;  // even ones, and odd ones with a tag
  const std::vector<Seen> from_ring = collect(*ring, kMatching), from_pcap = collect(*pcap, kMatching);
  ASSERT_EQ(from_ring.size(), kMatching);
  ASSERT_EQ(from_pcap.size(), kMatching);
  for (std::size_t at = 0; at < kMatching; ++at) {
    ASSERT_EQ(from_ring[at].bytes, from_pcap[at].bytes) << at;
    ASSERT_EQ(from_ring[at].wire_bytes, from_pcap[at].wire_bytes) << at;
    // One packet, stamped once by the kernel.
    ASSERT_EQ(from_ring[at].time_ns, from_pcap[at].time_ns) << at;
  }
  const LiveCounters counters = pcap->live_counters();
  EXPECT_EQ(counters.packets, kMatching);
  EXPECT_EQ(counters.received_by_kernel, 500u);  // a filter that names vlan is ours
  EXPECT_EQ(counters.dropped_by_ring, 0u);
  EXPECT_FALSE(counters.ring_freezes.has_value());
  EXPECT_FALSE(counters.stamps.has_value());
  EXPECT_EQ(pcap->stamp_source(), StampSource::kUnknown);
}

TEST(LiveSourceTest, LibpcapCountsWhatASlowReaderLost) {
  const VethPair pair;
  const auto source = opened(&open_pcap_live, {.interface = pair.far, .block_bytes = 262144, .block_count = 2});
  ASSERT_NE(source, nullptr);
  const FrameSender sender(pair.near);
  constexpr std::uint64_t kSent = 5000;
  for (std::uint64_t sent = 0; sent < kSent;) {
    for (int burst = 0; burst < 100; ++burst) sender.send(make_frame(static_cast<std::uint32_t>(sent++), 1000));
    ASSERT_TRUE(test::wait_until(*source, [&] { return source->live_counters().received_by_kernel == sent; }));
  }
  std::vector<Seen> seen;
  ASSERT_TRUE(test::wait_until(*source, [&] {
    const std::vector<Seen> more = test::drain(*source);
    seen.insert(seen.end(), more.begin(), more.end());
    return seen.size() + source->live_counters().dropped_by_ring.value_or(0) == kSent;
  }));
  EXPECT_GT(source->live_counters().dropped_by_ring.value_or(0), 0u);
}

TEST(LiveSourceTest, LibpcapNoticesDownUpAndGone) {
  const VethPair pair;
  const auto source = opened(&open_pcap_live, {.interface = pair.far});
  ASSERT_NE(source, nullptr);
  const auto pump = [&](LinkState wanted) {
    return test::wait_until(*source, [&] {
      test::drain(*source);
      return source->state() == wanted;
    });
  };
  ASSERT_TRUE(test::ip("link set dev " + pair.far + " down"));
  EXPECT_TRUE(pump(LinkState::kDown));
  ASSERT_TRUE(test::ip("link set dev " + pair.far + " up"));
  EXPECT_TRUE(pump(LinkState::kRunning));
  FrameSender(pair.near).send(make_frame(1, 60));
  EXPECT_EQ(collect(*source, 1).size(), 1u);
  ASSERT_TRUE(test::ip("link del dev " + pair.far));
  EXPECT_TRUE(pump(LinkState::kGone));
}

TEST(LiveSourceTest, RefusalsSayWhatToDo) {
  const VethPair pair;
  const auto expect = [](const std::string& text, std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  for (const Open open : {&open_ring, &open_pcap_live}) {
    expect(complaint_of(open, {.interface = pair.far + "0"}), {"no such interface; there are " + pair.far, "lo"});
    expect(complaint_of(open, {.interface = std::string(40, 'x')}), {"no such interface"});
    expect(complaint_of(open, {.interface = pair.far, .filter = "tcp prot 80"}), {"filter 'tcp prot 80': ", "syntax"});
    expect(complaint_of(open, {.interface = "lo", .network_namespace = "/run/netns/hoptap-none"}),
           {"/run/netns/hoptap-none: cannot open the network namespace: No such file"});
    expect(complaint_of(open, {.interface = "lo", .network_namespace = "/proc/self/exe"}),
           {"is not a network namespace"});
    expect(complaint_of(open, {.interface = "lo", .block_bytes = 65536}), {"block_bytes 65536", "at least 262144"});
    expect(complaint_of(open, {.interface = "lo", .block_count = 1}), {"block_count 1: must be at least 2"});
    expect(complaint_of(open, {.interface = "lo", .block_count = 1u << 30}), {"more than half of this host's memory"});
    expect(complaint_of(open, {.interface = "lo", .block_timeout_ms = 0}), {"block_timeout_ms 0: must be 1 to 1000"});
    expect(complaint_of(open, {.interface = "lo", .snap_bytes = 0}), {"snap_bytes 0: must be 1 to 262144"});
    ASSERT_EQ(seteuid(65534), 0);
    const std::string refused = complaint_of(open, {.interface = pair.far});
    const std::string kept_out = complaint_of(open, {.interface = "lo", .network_namespace = "/proc/self/ns/net"});
    ASSERT_EQ(seteuid(0), 0);
    expect(refused, {"needs CAP_NET_RAW: run as root or `setcap cap_net_raw+ep /", "live_test`"});
    expect(kept_out, {"needs CAP_SYS_ADMIN"});
  }
  expect(complaint_of(&open_ring, {.interface = pair.far, .filter = "vlan 5 and tcp prot 80"}), {"filter", "syntax"});
  expect(complaint_of(&open_pcap_live, {.interface = "lo", .fanout = Fanout{}}), {"no fanout"});
  ASSERT_TRUE(test::ip("link set dev " + pair.far + " down"));
  expect(complaint_of(&open_pcap_live, {.interface = pair.far}), {"is down: `ip link set dev"});
}

TEST(LiveSourceTest, PromiscuousOnRequestOnlyAndNoLonger) {
  const VethPair pair;
  const auto has = [&](const std::string& text) {
    return test::ip("-d link show dev " + pair.far + " | grep -q '" + text + " '");
  };
  for (const Open open : {&open_ring, &open_pcap_live}) {
    auto source = opened(open, {.interface = pair.far});
    EXPECT_TRUE(has("promiscuity 0"));
    source = opened(open, {.interface = pair.far, .is_promiscuous = true});
    EXPECT_TRUE(has("promiscuity 1"));
    source.reset();
    EXPECT_TRUE(has("promiscuity 0"));
  }
}

TEST(LiveSourceTest, NicTimeThatCannotBeHadIsNoFailure) {
  const VethPair pair;
  const auto source = opened(&open_ring, {.interface = pair.far, .asks_nic_time = true});
  ASSERT_NE(source, nullptr);
  EXPECT_NE(source->complaint().find("NIC does not stamp"), std::string::npos) << source->complaint();
  FrameSender(pair.near).send(make_frame(1, 60));
  EXPECT_EQ(collect(*source, 1).size(), 1u);
  EXPECT_EQ(source->stamp_source(), StampSource::kKernel);
}

TEST(Interfaces, AreKnownInTheirNamespace) {
  const VethPair pair;
  const NamedNamespace named(pair.far);
  const std::vector<NamedInterface> here = interfaces().value(), there = interfaces(named.path()).value();
  const auto holds = [](const std::vector<NamedInterface>& all, const std::string& name) {
    return std::any_of(all.begin(), all.end(), [&](const NamedInterface& one) { return one.name == name; });
  };
  EXPECT_TRUE(holds(here, pair.near) && holds(there, pair.far) && holds(here, "lo"));
  EXPECT_FALSE(holds(here, pair.far) || holds(there, pair.near));
  EXPECT_FALSE(interfaces("/run/netns/no-such-one"));
  EXPECT_FALSE(interface_traits(pair.far)) << "it is in another namespace";
  const auto traits = interface_traits(pair.far, named.path());
  ASSERT_TRUE(traits);
  EXPECT_EQ(traits->driver, "veth");
  EXPECT_TRUE(traits->is_up);
}

TEST(Interfaces, TellWhatIsOffloaded) {
  const VethPair pair;
  const auto before = interface_traits(pair.near);
  ASSERT_TRUE(before);
  ASSERT_TRUE(before->offloads.tso);
  EXPECT_NE(on_text(before->offloads).find("tso"), std::string::npos) << "as veth begins";
  if (std::system(("ethtool -K " + pair.near + " tso off gso off").c_str()) != 0) GTEST_SKIP() << "no ethtool";
  const auto after = interface_traits(pair.near);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->offloads.tso, false);
  EXPECT_EQ(on_text(after->offloads).find("tso"), std::string::npos);
}

}  // namespace
}  // namespace hoptap::capture
