// Every stack of headers that is decoded, cut at every byte: by the capture, and on the wire.
#include <gtest/gtest.h>

#include "tests/unit/decode_one.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::decode_one;
using test::OneDecoded;

Buffer segment() { return test::tcp({.options = test::timestamps_option(1, 2)}, test::text("payload")); }
Buffer datagram() { return test::udp({}, test::text("payload")); }
Buffer in_vxlan(const Buffer& frame) { return test::udp({.target_port = 4789}, test::vxlan(1, frame)); }

struct Stack {
  std::string name;
  capture::LinkType link_type;
  Buffer frame;
  std::size_t headers_bytes;  ///< up to where the outcome is sure: TCP's 20 bytes, UDP's 8
  Outcome whole;
};

class TruncationTest : public testing::TestWithParam<Stack> {};

Buffer first_bytes(const Buffer& frame, std::size_t count) {
  return {frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(count)};
}

TEST_P(TruncationTest, ByTheCapture) {
  const Stack& stack = GetParam();
  const auto wire_bytes = static_cast<std::uint32_t>(stack.frame.size());
  for (std::size_t cut = 0; cut <= stack.frame.size(); ++cut) {
    const OneDecoded one = decode_one(first_bytes(stack.frame, cut), stack.link_type, wire_bytes);
    EXPECT_EQ(one->outcome, cut < stack.headers_bytes ? Outcome::kTruncated : stack.whole) << cut;
    if (cut >= stack.headers_bytes) {
      EXPECT_EQ(one->payload_wire_bytes, 7u) << cut;
      EXPECT_LE(one->payload.size(), 7u) << cut;
    }
  }
}

TEST_P(TruncationTest, OnTheWire) {
  const Stack& stack = GetParam();
  for (std::size_t cut = 0; cut <= stack.frame.size(); ++cut) {
    const OneDecoded one = decode_one(first_bytes(stack.frame, cut), stack.link_type);
    // The outermost IP length is believed over the frame's, so what is behind it counts as cut by the capture.
    const bool is_whole = cut >= stack.headers_bytes;
    const bool is_short = one->outcome == Outcome::kTruncated || one->outcome == Outcome::kMalformed;
    EXPECT_EQ(is_whole ? one->outcome == stack.whole : is_short, true) << cut << " " << outcome_name(one->outcome);
  }
}

TEST_P(TruncationTest, EveryByteChanged) {
  const Stack& stack = GetParam();
  for (std::size_t at = 0; at < stack.frame.size(); ++at) {
    for (const std::uint8_t value : Buffer{0x00, 0x01, 0x0f, 0x40, 0x7f, 0x80, 0xff}) {
      Buffer frame = stack.frame;
      frame[at] = value;
      const OneDecoded one = decode_one(frame, stack.link_type);
      EXPECT_LE(one->payload.size(), one->payload_wire_bytes) << at;
      EXPECT_LE(one->tunnels.depth, TunnelStack::kDepthMax) << at;
    }
  }
}

constexpr std::size_t kEthernet = 14, kIpv4 = 20, kIpv6 = 40, kTcp = 20, kUdp = 8, kVxlan = 8;

INSTANTIATE_TEST_SUITE_P(
    Stacks, TruncationTest,
    testing::Values(
        Stack{"Ipv4Tcp", 1, test::ethernet({}, test::ipv4({}, segment())), kEthernet + kIpv4 + kTcp, Outcome::kTcp},
        Stack{"Ipv4OptionsUdp", 1,
              test::ethernet({}, test::ipv4({.protocol = 17, .options = Buffer(12, 1)}, datagram())),
              kEthernet + kIpv4 + 12 + kUdp, Outcome::kUdp},
        Stack{"VlansIpv6Tcp", 1, test::ethernet({.vlans = {{1, 0x88a8}, {2}}}, test::ipv6({}, segment())),
              kEthernet + 8 + kIpv6 + kTcp, Outcome::kTcp},
        Stack{"CookedIpv4", 113, test::cooked(test::ipv4({}, segment()), 0x0800), 16 + kIpv4 + kTcp, Outcome::kTcp},
        Stack{"Cooked2Ipv6", 276, test::cooked2(test::ipv6({}, segment()), 0x86dd, 1), 20 + kIpv6 + kTcp,
              Outcome::kTcp},
        Stack{"NullIpv4", 0, test::Writer().u32(2).add(test::ipv4({}, segment())).take(), 4 + kIpv4 + kTcp,
              Outcome::kTcp},
        Stack{"RawExtensions", 101,
              test::ipv6({.next_header = 0},
                         test::extension(44, test::fragment(51, 0, false, test::authentication(6, segment())), 1)),
              kIpv6 + 16 + 8 + 24 + kTcp, Outcome::kTcp},
        Stack{"Vxlan", 1,
              test::ethernet({}, test::ipv4({.protocol = 17}, in_vxlan(test::ethernet({}, test::ipv4({}, segment()))))),
              kEthernet + kIpv4 + kUdp + kVxlan + kEthernet + kIpv4 + kTcp, Outcome::kTcp},
        Stack{
            "GreIpv6", 1,
            test::ethernet({}, test::ipv4({.protocol = 47}, test::gre({.type = 0x86dd, .has_checksum = true, .key = 1},
                                                                      test::ipv6({}, segment())))),
            kEthernet + kIpv4 + 12 + kIpv6 + kTcp, Outcome::kTcp},
        Stack{"Erspan", 1,
              test::ethernet({}, test::ipv4({.protocol = 47},
                                            test::gre({.type = 0x88be, .sequence = 1},
                                                      test::erspan2(1, test::ethernet({.vlans = {{5}}},
                                                                                      test::ipv4({}, segment())))))),
              kEthernet + kIpv4 + 8 + 8 + kEthernet + 4 + kIpv4 + kTcp, Outcome::kTcp},
        Stack{"IpInIpInIp", 1,
              test::ethernet({}, test::ipv4({.protocol = 41},
                                            test::ipv6({.next_header = 4}, test::ipv4({.protocol = 17}, datagram())))),
              kEthernet + kIpv4 + kIpv6 + kIpv4 + kUdp, Outcome::kUdp}),
    [](const testing::TestParamInfo<Stack>& one) { return one.param.name; });

}  // namespace
}  // namespace hoptap::decode
