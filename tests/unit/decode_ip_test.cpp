#include <gtest/gtest.h>

#include "decode/ip/extensions.h"
#include "decode/ip/ipv4_view.h"
#include "decode/ip/ipv6_view.h"
#include "tests/unit/decode_one.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::decode_one;
using test::OneDecoded;

constexpr std::uint8_t kTcp = 6, kIcmp = 1, kHopByHop = 0, kRouting = 43, kFragmentHeader = 44, kAh = 51;
constexpr std::uint8_t kDestination = 60, kEsp = 50;
constexpr capture::LinkType kRaw = 101;

Buffer segment() { return test::tcp({.source_port = 40000, .target_port = 443}, test::text("hello")); }

struct Case {
  std::string name;
  Buffer packet;
  Outcome expected;
  std::uint8_t protocol = kTcp;
};

class IpTest : public testing::TestWithParam<Case> {};

TEST_P(IpTest, HasTheOutcome) {
  const OneDecoded one = decode_one(GetParam().packet, kRaw);
  EXPECT_EQ(one->outcome, GetParam().expected);
  EXPECT_EQ(one->protocol, GetParam().protocol);
  const bool has_ports = one->outcome == Outcome::kTcp || GetParam().name == "FirstFragment";
  EXPECT_EQ(one->source.port, has_ports ? 40000 : 0);
  if (one->outcome == Outcome::kTcp) {
    EXPECT_EQ(base::as_text(one->payload), "hello");
    EXPECT_EQ(one->payload_wire_bytes, 5u);
  }
}

/// The bytes of a header with one of them changed.
Buffer with_byte(Buffer packet, std::size_t at, std::uint8_t value) {
  packet.at(at) = value;
  return packet;
}

INSTANTIATE_TEST_SUITE_P(
    V4, IpTest,
    testing::Values(
        Case{"Plain", test::ipv4({}, segment()), Outcome::kTcp},
        Case{"Options", test::ipv4({.options = Buffer(40, 1)}, segment()), Outcome::kTcp},
        Case{"SenderOffload", test::ipv4({.total_bytes = 0}, segment()), Outcome::kTcp},
        Case{"MayFragment", test::ipv4({.fragment = 0}, segment()), Outcome::kTcp},
        Case{"ReservedFlag", test::ipv4({.fragment = 0x8000}, segment()), Outcome::kTcp},
        Case{"FirstFragment", test::ipv4({.fragment = 0x2000}, segment()), Outcome::kFragment},
        Case{"LaterFragment", test::ipv4({.fragment = 0x0001}, segment()), Outcome::kFragment},
        Case{"Authenticated", test::ipv4({.protocol = kAh}, test::authentication(kTcp, segment())), Outcome::kTcp},
        Case{"AuthenticatedTwice",
             test::ipv4({.protocol = kAh}, test::authentication(kAh, test::authentication(kTcp, segment()))),
             Outcome::kTcp},
        Case{"Icmp", test::ipv4({.protocol = kIcmp}, Buffer(8)), Outcome::kIcmp, kIcmp},
        Case{"Esp", test::ipv4({.protocol = kEsp}, Buffer(8)), Outcome::kOtherIp, kEsp},
        Case{"HopByHopIsNotOfIpv4", test::ipv4({.protocol = kHopByHop}, Buffer(8)), Outcome::kOtherIp, kHopByHop},
        Case{"HeaderLengthTooSmall", with_byte(test::ipv4({}, segment()), 0, 0x44), Outcome::kMalformed, 0},
        Case{"HeaderLongerThanPacket", with_byte(test::ipv4({.total_bytes = 24}, {}), 0, 0x4f), Outcome::kMalformed, 0},
        Case{"TotalLengthTooSmall", test::ipv4({.total_bytes = 19}, segment()), Outcome::kMalformed, 0},
        Case{"TooShort", Buffer(19, 0x45), Outcome::kMalformed, 0}),
    [](const testing::TestParamInfo<Case>& one) { return one.param.name; });

Buffer extensions(int count, const Buffer& payload) {
  Buffer packet = payload;
  for (int at = 0; at < count; ++at) packet = test::extension(at == 0 ? kTcp : kDestination, packet);
  return test::ipv6({.next_header = kDestination}, packet);
}

INSTANTIATE_TEST_SUITE_P(
    V6, IpTest,
    testing::Values(
        Case{"Plain", test::ipv6({}, segment()), Outcome::kTcp},
        Case{"PayloadLengthZero", test::ipv6({.payload_bytes = 0}, segment()), Outcome::kTcp},
        Case{"HopByHop", test::ipv6({.next_header = kHopByHop}, test::extension(kTcp, segment())), Outcome::kTcp},
        Case{"Routing", test::ipv6({.next_header = kRouting}, test::extension(kTcp, segment(), 2)), Outcome::kTcp},
        Case{"Authenticated", test::ipv6({.next_header = kAh}, test::authentication(kTcp, segment())), Outcome::kTcp},
        Case{"AllInOrder",
             test::ipv6({.next_header = kHopByHop},
                        test::extension(kDestination,
                                        test::extension(kRouting,
                                                        test::extension(kAh, test::authentication(kTcp, segment()))))),
             Outcome::kTcp},
        Case{"AtomicFragment", test::ipv6({.next_header = kFragmentHeader}, test::fragment(kTcp, 0, false, segment())),
             Outcome::kTcp},
        Case{"FirstFragment", test::ipv6({.next_header = kFragmentHeader}, test::fragment(kTcp, 0, true, segment())),
             Outcome::kFragment},
        Case{"LaterFragment", test::ipv6({.next_header = kFragmentHeader}, test::fragment(kTcp, 8, false, segment())),
             Outcome::kFragment},
        Case{"ExtensionsMax", extensions(8, segment()), Outcome::kTcp},
        Case{"ExtensionsTooMany", extensions(9, segment()), Outcome::kUnsupported, kDestination},
        Case{"NoNextHeader", test::ipv6({.next_header = 59}, {}), Outcome::kOtherIp, 59},
        Case{"Icmp", test::ipv6({.next_header = 58}, Buffer(8)), Outcome::kIcmp, 58},
        Case{"IcmpOfTheOtherVersion", test::ipv6({.next_header = kIcmp}, Buffer(8)), Outcome::kOtherIp, kIcmp},
        Case{"Mobility", test::ipv6({.next_header = 135}, test::extension(kTcp, segment())), Outcome::kTcp},
        Case{"ExtensionLongerThanPacket", test::ipv6({.next_header = kRouting}, Buffer{kTcp, 200, 0, 0, 0, 0, 0, 0}),
             Outcome::kMalformed, kRouting},
        Case{"ExtensionTooShort", test::ipv6({.next_header = kRouting}, Buffer(7)), Outcome::kMalformed, kRouting},
        Case{"TooShort", Buffer(39, 0x60), Outcome::kMalformed, 0}),
    [](const testing::TestParamInfo<Case>& one) { return one.param.name; });

TEST(IpFieldsTest, OfIpv4) {
  const OneDecoded one = decode_one(
      test::ipv4({.source = 0xc0a80102, .target = 0x08080808, .ttl = 57, .traffic_class = 0xb8, .id = 0xabcd},
                 segment()),
      kRaw);
  EXPECT_EQ(one->source.text(), "192.168.1.2:40000");
  EXPECT_EQ(one->target.text(), "8.8.8.8:443");
  EXPECT_EQ(one->ttl, 57);
  EXPECT_EQ(one->traffic_class, 0xb8);
  EXPECT_EQ(one->ip_id, 0xabcd);
  EXPECT_EQ(one->ip_bytes, 45u);
}

TEST(IpFieldsTest, OfIpv6) {
  const OneDecoded one =
      decode_one(test::ipv6({.source = 0x15, .target = 0x16, .hop_limit = 57, .traffic_class = 0xb8}, segment()), kRaw);
  EXPECT_EQ(one->source.text(), "[2001:db8::15]:40000");
  EXPECT_EQ(one->target.text(), "[2001:db8::16]:443");
  EXPECT_EQ(one->ttl, 57);
  EXPECT_EQ(one->traffic_class, 0xb8);
  EXPECT_EQ(one->ip_id, 0);
  EXPECT_EQ(one->ip_bytes, 65u);
}

TEST(IpFieldsTest, OfAFirstFragmentAreThePortsButNotThePayload) {
  const OneDecoded one = decode_one(test::ipv4({.id = 77, .fragment = 0x2000}, segment()), kRaw);
  EXPECT_EQ(one->source.text(), "10.0.0.1:40000");
  EXPECT_EQ(one->ip_id, 77);
  EXPECT_TRUE(one->payload.empty());
}

TEST(IpFieldsTest, PaddingIsDropped) {
  const OneDecoded v4 = decode_one(test::ethernet({.padding = 6}, test::ipv4({}, test::tcp({}))));
  EXPECT_EQ(v4->payload.size(), 0u);
  EXPECT_EQ(v4->payload_wire_bytes, 0u);
  const OneDecoded v6 = decode_one(test::ethernet({.padding = 6}, test::ipv6({}, test::tcp({}))));
  EXPECT_EQ(v6->payload.size(), 0u);
  EXPECT_EQ(v6->payload_wire_bytes, 0u);
}

TEST(IpFieldsTest, OffloadedLengthIsTheFrames) {
  const Buffer large = test::tcp({}, Buffer(70'000, 'x'));
  const Buffer v4 = test::ethernet({}, test::ipv4({.total_bytes = 0}, large));
  EXPECT_EQ(decode_one(v4)->payload_wire_bytes, 70'000u);
  const Buffer v6 = test::ethernet({}, test::ipv6({.payload_bytes = 0}, large));
  EXPECT_EQ(decode_one(v6)->payload_wire_bytes, 70'000u);
  // Cut by the capture: the frame's length on the wire tells.
  const Buffer cut(v4.begin(), v4.begin() + 200);
  const OneDecoded one = decode_one(cut, 1, static_cast<std::uint32_t>(v4.size()));
  EXPECT_EQ(one->payload.size(), 200u - 54);
  EXPECT_EQ(one->payload_wire_bytes, 70'000u);
}

TEST(IpFieldsTest, TheIpLengthIsBelievedOverTheFrames) {
  Buffer frame = test::ethernet({}, test::ipv4({}, test::tcp({}, Buffer(1000, 'x'))));
  frame.resize(154);  // by a mirror or an anonymiser, which does not say so
  const OneDecoded one = decode_one(frame);
  EXPECT_EQ(one->outcome, Outcome::kTcp);
  EXPECT_EQ(one->payload.size(), 100u);
  EXPECT_EQ(one->payload_wire_bytes, 1000u);
}

}  // namespace
}  // namespace hoptap::decode
