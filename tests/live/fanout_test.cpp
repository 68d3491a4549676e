// Both directions of a connection come to one member of a fanout group, in tunnels too.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <set>

#include "capture/live/ring_source.h"
#include "tests/live/network.h"

namespace hoptap::capture {
namespace {

using test::Frame;

enum class Shape { kTcp, kVxlan, kIpip, kGre, kFragment, kIpv6 };

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

/// Connection `n`, one way or the other. Outer ports and payload depend on the way.
Frame frame_of(Shape shape, std::uint32_t n, bool back) {
  constexpr std::size_t kTcpBytes = 20, kInnerBytes = 20 + kTcpBytes;
  const std::uint32_t client = 0x0a000001 + n * 77, server = 0x0a800000 + n % 3;
  const std::uint32_t source = back ? server : client, target = back ? client : server;
  const std::uint32_t source_port = back ? 80 : 40000 + n, target_port = back ? 40000 + n : 80;
  const std::uint32_t outer_source = back ? 0xc6120001 : 0xc6120002, outer_target = back ? 0xc6120002 : 0xc6120001;
  Frame frame;
  put_ethernet(frame, shape == Shape::kIpv6 ? 0x86dd : 0x0800);
  if (shape == Shape::kIpv6) {
    put32(frame, 0x60000000);
    put32(frame, kTcpBytes << 16 | 6 << 8 | 64);
    for (const std::uint32_t address : {source, target})
      for (const std::uint32_t word : {0x20010db8u, 0u, 0u, address}) put32(frame, word);
  } else {
    if (shape == Shape::kVxlan) {
      put_ipv4(frame, 17, outer_source, outer_target, 16 + 14 + kInnerBytes);
      put16(frame, 50000 + n * 7 + (back ? 1 : 0));
      put16(frame, 4789);
      put32(frame, (8 + 8 + 14 + kInnerBytes) << 16);
      put32(frame, 0x08000000);
      put32(frame, 42 << 8);
      put_ethernet(frame, 0x0800);
    } else if (shape == Shape::kIpip) {
      put_ipv4(frame, 4, outer_source, outer_target, kInnerBytes);
    } else if (shape == Shape::kGre) {
      put_ipv4(frame, 47, outer_source, outer_target, 4 + kInnerBytes);
      put32(frame, 0x0800);
    }
    put_ipv4(frame, 6, source, target, kTcpBytes, shape == Shape::kFragment ? 0x2000 : 0);
  }
  put16(frame, source_port);
  put16(frame, target_port);
  frame.resize(frame.size() + kTcpBytes - 8, back ? 1 : 0);
  put32(frame, n);
  return frame;
}

class FanoutTest : public testing::TestWithParam<Shape> {};

TEST_P(FanoutTest, BothDirectionsComeToOneMember) {
  constexpr std::uint32_t kConnections = 200;
  const test::VethPair pair;
  const Fanout fanout{.group = fanout_group(2), .by_inner_flow = true};
  std::array<std::unique_ptr<LiveSource>, 2> members;
  for (auto& member : members) {
    auto opened = open_ring({.interface = pair.far, .fanout = fanout});
    ASSERT_TRUE(opened) << opened.error().what;
    member = *std::move(opened);
  }
  const test::FrameSender sender(pair.near);
  for (std::uint32_t n = 0; n < kConnections; ++n) {
    for (const bool back : {false, true}) {
      sender.send(frame_of(GetParam(), n, back));
    }
  }
  std::array<std::multiset<std::uint32_t>, 2> got;
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
  for (const auto& numbers : got) {
    EXPECT_GT(numbers.size(), kConnections / 4);  // shared out
    for (const std::uint32_t number : numbers) EXPECT_EQ(numbers.count(number), 2u) << number;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, FanoutTest,
                         testing::Values(Shape::kTcp, Shape::kVxlan, Shape::kIpip, Shape::kGre, Shape::kFragment,
                                         Shape::kIpv6));

}  // namespace
}  // namespace hoptap::capture
