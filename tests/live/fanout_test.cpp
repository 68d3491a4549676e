// Both directions of a connection come to one member of a fanout group, in tunnels too.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <set>
#include <tuple>

#include "bpf-optional/head_tap.h"
#include "capture/live/descriptor.h"
#include "capture/live/ring_source.h"
#include "tests/live/network.h"

namespace hoptap::capture {
namespace {

using test::Frame;

enum class Shape {
  kTcp,
  kVxlan,
  kIpip,
  kGre,
  kFragment,
  kIpv6,
  // By eBPF only:
  kGeneve,
  kGreWithKey,
  kErspan,
  kNumberedErspan,
  kVxlanInIpv6,
  kIpv6WithExtensions,
  kTwoTags,
};

/// Who shares out.
enum class Program { kOwn, kEbpf };

void put16(Frame& frame, std::uint32_t value) {
  frame.push_back(static_cast<std::uint8_t>(value >> 8));
  frame.push_back(static_cast<std::uint8_t>(value));
}
void put32(Frame& frame, std::uint32_t value) {
  put16(frame, value >> 16);
  put16(frame, value & 0xffff);
}
void put_ethernet(Frame& frame, std::uint16_t type) {
  frame.insert(frame.end(), {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2});
  put16(frame, type);
}

/// Header of 20 bytes; the rest of the packet follows.
void put_ipv4(Frame& frame, std::uint8_t protocol, std::uint32_t source, std::uint32_t target, std::size_t bytes,
              std::uint16_t fragment = 0) {
  put16(frame, 0x4500);
  put16(frame, static_cast<std::uint32_t>(20 + bytes));
  put16(frame, 7);
  put16(frame, fragment);
  put16(frame, static_cast<std::uint32_t>(64 << 8 | protocol));
  put16(frame, 0);
  put32(frame, source);
  put32(frame, target);
}

/// Header of 40 bytes; the innermost addresses' last words are the IPv4 ones.
void put_ipv6(Frame& frame, std::uint8_t next, std::uint32_t source, std::uint32_t target, std::size_t bytes) {
  put32(frame, 0x60000000);
  put32(frame, static_cast<std::uint32_t>(bytes << 16) | static_cast<std::uint32_t>(next << 8) | 64);
  for (const std::uint32_t address : {source, target})
    for (const std::uint32_t word : {0x20010db8u, 0u, 0u, address}) put32(frame, word);
}

constexpr std::size_t kTcpBytes = 20, kInnerBytes = 20 + kTcpBytes, kEthernetBytes = 14;

/// UDP header whose source port depends on the connection and the way, and what follows it up to the inner frame.
void put_udp_tunnel(Frame& frame, std::uint32_t source_port, Shape shape) {
  const bool is_geneve = shape == Shape::kGeneve;
  put16(frame, source_port);
  put16(frame, is_geneve ? 6081 : 4789);
  put32(frame, static_cast<std::uint32_t>(8 + (is_geneve ? 16 : 8) + kEthernetBytes + kInnerBytes) << 16);
  if (is_geneve) {
    put32(frame, 0x02006558);  // two words of options
    put32(frame, 42 << 8);
    put32(frame, 0x01020001);
    put32(frame, 7);
  } else {
    put32(frame, 0x08000000);
    put32(frame, 42 << 8);
  }
  put_ethernet(frame, 0x0800);
}

/// What is around the inner IPv4 packet. `way`: the outer addresses.
void put_outside(Frame& frame, Shape shape, std::uint32_t n, bool back) {
  const std::uint32_t source = back ? 0xc6120001 : 0xc6120002, target = back ? 0xc6120002 : 0xc6120001;
  const std::uint32_t source_port = 50000 + n * 7 + (back ? 1 : 0);
  switch (shape) {
    case Shape::kVxlan:
    case Shape::kGeneve:
      put_ipv4(frame, 17, source, target, (shape == Shape::kGeneve ? 24 : 16) + kEthernetBytes + kInnerBytes);
      put_udp_tunnel(frame, source_port, shape);
      break;
    case Shape::kVxlanInIpv6:
      put_ipv6(frame, 17, source, target, 16 + kEthernetBytes + kInnerBytes);
      put_udp_tunnel(frame, source_port, shape);
      break;
    case Shape::kIpip: put_ipv4(frame, 4, source, target, kInnerBytes); break;
    case Shape::kGre:
      put_ipv4(frame, 47, source, target, 4 + kInnerBytes);
      put32(frame, 0x0800);
      break;
    case Shape::kGreWithKey:
      put_ipv4(frame, 47, source, target, 12 + kInnerBytes);
      put32(frame, 0x30000800);
      put32(frame, 77);                        // key
      put32(frame, 2 * n + (back ? 1u : 0u));  // sequence number
      break;
    case Shape::kErspan:
      put_ipv4(frame, 47, source, target, 4 + kEthernetBytes + kInnerBytes);
      put32(frame, 0x000088be);  // type I
      put_ethernet(frame, 0x0800);
      break;
    case Shape::kNumberedErspan:
      put_ipv4(frame, 47, 0xc6120002, 0xc6120001, 16 + kEthernetBytes + kInnerBytes);  // all from the switch
      put32(frame, 0x100088be);
      put32(frame, 2 * n + (back ? 1u : 0u));
      put32(frame, 0x10000007u + (back ? 1 : 0));
      put32(frame, 0);
      put_ethernet(frame, 0x0800);
      break;
    default: break;
  }
}

bool is_ipv6_outside(Shape shape) {
  return shape == Shape::kIpv6 || shape == Shape::kVxlanInIpv6 || shape == Shape::kIpv6WithExtensions;
}

/// Connection `n`, one way or the other. Outer ports and payload depend on the way.
Frame frame_of(Shape shape, std::uint32_t n, bool back) {
  const std::uint32_t client = 0x0a000001 + n * 77, server = 0x0a800000 + n % 3;
  const std::uint32_t source = back ? server : client, target = back ? client : server;
  const std::uint32_t source_port = back ? 80 : 40000 + n, target_port = back ? 40000 + n : 80;
  Frame frame;
  if (shape == Shape::kTwoTags) {
    put_ethernet(frame, 0x88a8);
    put32(frame, 7 << 16 | 0x8100);
    put32(frame, 9 << 16 | 0x0800);
  } else {
    put_ethernet(frame, is_ipv6_outside(shape) ? 0x86dd : 0x0800);
  }
  put_outside(frame, shape, n, back);
  if (shape == Shape::kIpv6) {
    put_ipv6(frame, 6, source, target, kTcpBytes);
  } else if (shape == Shape::kIpv6WithExtensions) {
    put_ipv6(frame, 0, source, target, 16 + kTcpBytes);
    for (const std::uint32_t next : {60u, 6u}) {  // hop-by-hop options, then those of the target, both padding
      put32(frame, next << 24 | 0x000104);
      put32(frame, 0);
    }
  } else {
    put_ipv4(frame, 6, source, target, kTcpBytes, shape == Shape::kFragment ? 0x2000 : 0);
  }
  put16(frame, source_port);
  put16(frame, target_port);
  frame.resize(frame.size() + kTcpBytes - 8, back ? 1 : 0);
  put32(frame, n);
  return frame;
}

constexpr std::uint32_t kConnections = 200;
using Got = std::array<std::multiset<std::uint32_t>, 2>;

/// Sends both directions of so many connections. @return the numbers of those that each of two members got
void share_out(Shape shape, int program, Got& got) {
  const test::VethPair pair;
  const Fanout fanout{.group = fanout_group(2), .by_inner_flow = true, .program = program};
  std::array<std::unique_ptr<LiveSource>, 2> members;
  for (auto& member : members) {
    auto opened = open_ring({.interface = pair.far, .fanout = fanout});
    ASSERT_TRUE(opened) << opened.error().what;
    member = *std::move(opened);
  }
  const test::FrameSender sender(pair.near);
  for (std::uint32_t n = 0; n < kConnections; ++n)
    for (const bool back : {false, true}) sender.send(frame_of(shape, n, back));
  std::size_t sum = 0;
  for (int tries = 0; tries < 1000 && sum < 2 * kConnections; ++tries) {
    for (std::size_t at = 0; at < members.size(); ++at) {
      members[at]->wait(10);
      for (const test::Seen& seen : test::drain(*members[at])) {
        got[at].insert(static_cast<std::uint32_t>(base::load_be(base::Bytes(seen.bytes).last(4))));
        ++sum;
      }
    }
  }
  ASSERT_EQ(sum, 2 * kConnections);
}

class FanoutTest : public testing::TestWithParam<std::tuple<Shape, Program>> {};

TEST_P(FanoutTest, BothDirectionsComeToOneMember) {
  const auto [shape, who] = GetParam();
  Descriptor program;
  if (who == Program::kEbpf) {
    const auto loaded = bpf::load_fanout_program();
    if (!loaded) GTEST_SKIP() << loaded.error().what;
    program = Descriptor(*loaded);
  }
  Got got;
  share_out(shape, program.get(), got);
  for (const auto& numbers : got) {
    EXPECT_GT(numbers.size(), kConnections / 4);  // shared out
    for (const std::uint32_t number : numbers) EXPECT_EQ(numbers.count(number), 2u) << number;
  }
}

TEST(Fanout, KeepsNumberedMirrorSessionsOfASwitchTogether) {  // the directions may be two sessions
  const auto loaded = bpf::load_fanout_program();
  if (!loaded) GTEST_SKIP() << loaded.error().what;
  const Descriptor program(*loaded);
  Got got;
  share_out(Shape::kNumberedErspan, program.get(), got);
  EXPECT_EQ(std::max(got[0].size(), got[1].size()), 2 * kConnections);
}

INSTANTIATE_TEST_SUITE_P(Own, FanoutTest,
                         testing::Combine(testing::Values(Shape::kTcp, Shape::kVxlan, Shape::kIpip, Shape::kGre,
                                                          Shape::kFragment, Shape::kIpv6),
                                          testing::Values(Program::kOwn)));
INSTANTIATE_TEST_SUITE_P(Ebpf, FanoutTest,
                         testing::Combine(testing::Values(Shape::kTcp, Shape::kVxlan, Shape::kIpip, Shape::kGre,
                                                          Shape::kFragment, Shape::kIpv6, Shape::kGeneve,
                                                          Shape::kGreWithKey, Shape::kErspan, Shape::kVxlanInIpv6,
                                                          Shape::kIpv6WithExtensions, Shape::kTwoTags),
                                          testing::Values(Program::kEbpf)));

}  // namespace
}  // namespace hoptap::capture
