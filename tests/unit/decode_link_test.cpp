#include "decode/link.h"

#include <gtest/gtest.h>

#include "tests/unit/decode_one.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::decode_one;
using test::OneDecoded;
using test::Writer;

Buffer v4() { return test::ipv4({}, test::tcp({}, test::text("hello"))); }
Buffer v6() { return test::ipv6({}, test::tcp({}, test::text("hello"))); }

/// An 802.3 frame: a length instead of a type, then LLC.
Buffer llc_frame(const Buffer& llc_and_payload, std::size_t padding = 0) {
  return test::ethernet({.type = static_cast<std::uint16_t>(llc_and_payload.size()), .padding = padding},
                        llc_and_payload);
}
Buffer snap(std::uint16_t type, const Buffer& payload, std::uint32_t organisation = 0) {
  return Writer().u8(0xaa).u8(0xaa).u8(3).u24(organisation).u16(type).add(payload).take();
}

struct Case {
  std::string name;
  capture::LinkType link_type;
  Buffer frame;
  Outcome expected;
};

class LinkTest : public testing::TestWithParam<Case> {};

TEST_P(LinkTest, LeadsToTheNetworkLayer) {
  const OneDecoded one = decode_one(GetParam().frame, GetParam().link_type);
  EXPECT_EQ(one->outcome, GetParam().expected);
  if (one->outcome != Outcome::kTcp) return;
  EXPECT_EQ(one->source.port, 40000);
  EXPECT_EQ(base::as_text(one->payload), "hello");
}

constexpr capture::LinkType kNull = 0, kEthernet = 1, kRaw = 101, kLoop = 108, kCooked = 113, kIpv4 = 228, kIpv6 = 229;
constexpr capture::LinkType kCooked2 = 276, kRadiotap = 127, kPpp = 9, kPppHdlc = 50, kPppoe = 51, kCiscoHdlc = 104;

Buffer loopback(std::uint32_t family, const Buffer& ip) { return Writer().u32(family).add(ip).take(); }

INSTANTIATE_TEST_SUITE_P(
    Ethernet, LinkTest,
    testing::Values(
        Case{"Ipv4", kEthernet, test::ethernet({}, v4()), Outcome::kTcp},
        Case{"Ipv6", kEthernet, test::ethernet({}, v6()), Outcome::kTcp},
        Case{"Padded", kEthernet, test::ethernet({.padding = 46}, v4()), Outcome::kTcp},
        Case{"Vlan", kEthernet, test::ethernet({.vlans = {{.id = 5}}}, v4()), Outcome::kTcp},
        Case{"VlanOverService", kEthernet, test::ethernet({.vlans = {{9, 0x88a8}, {5, 0x8100}}}, v6()), Outcome::kTcp},
        Case{"VlanOld", kEthernet, test::ethernet({.vlans = {{9, 0x9100}, {5, 0x8100}}}, v4()), Outcome::kTcp},
        Case{"VlansMax", kEthernet, test::ethernet({.vlans = std::vector<test::VlanTag>(8)}, v4()), Outcome::kTcp},
        Case{"VlansTooMany", kEthernet, test::ethernet({.vlans = std::vector<test::VlanTag>(9)}, v4()),
             Outcome::kUnsupported},
        Case{"Snap", kEthernet, llc_frame(snap(0x0800, v4())), Outcome::kTcp},
        Case{"SnapPadded", kEthernet, llc_frame(snap(0x0800, v4()), 20), Outcome::kTcp},
        Case{"SnapInVlan", kEthernet, test::ethernet({.vlans = {{.id = 5}}, .type = 53}, snap(0x0800, v4())),
             Outcome::kTcp},
        Case{"SnapOfAnOrganisation", kEthernet, llc_frame(snap(0x0800, v4(), 0x00000c)), Outcome::kNotIp},
        Case{"SpanningTree", kEthernet, llc_frame(Writer().u8(0x42).u8(0x42).u8(3).fill(35).take()), Outcome::kNotIp},
        Case{"LlcTooShort", kEthernet, llc_frame(Buffer{0xaa, 0xaa, 3}), Outcome::kNotIp},
        Case{"Arp", kEthernet, test::ethernet({.type = 0x0806}, Buffer(28)), Outcome::kNotIp},
        Case{"Lldp", kEthernet, test::ethernet({.type = 0x88cc}, Buffer(28)), Outcome::kNotIp},
        Case{"SnapOfABridgeTunnel", kEthernet, llc_frame(snap(0x0800, v4(), 0x0000f8)), Outcome::kTcp},
        Case{"IpInLlc", kEthernet, llc_frame(Writer().u8(6).u8(6).u8(3).add(v4()).take()), Outcome::kTcp},
        Case{"VirtualNetworkTag", kEthernet,
             test::ethernet({.type = 0x8926}, Writer().u32(0x00010002).u16(0x0800).add(v4()).take()), Outcome::kTcp},
        Case{"PortExtensionTag", kEthernet,
             test::ethernet({.type = 0x893f}, Writer().fill(6).u16(0x0800).add(v4()).take()), Outcome::kTcp},
        Case{"TooShort", kEthernet, Buffer(13), Outcome::kMalformed},
        Case{"Empty", kEthernet, {}, Outcome::kMalformed}),
    [](const testing::TestParamInfo<Case>& one) { return one.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Others, LinkTest,
    testing::Values(
        Case{"Cooked", kCooked, test::cooked(v4(), 0x0800), Outcome::kTcp},
        Case{"CookedVlan", kCooked, test::cooked(Writer().u16(5).u16(0x86dd).add(v6()).take(), 0x8100), Outcome::kTcp},
        Case{"CookedArp", kCooked, test::cooked(Buffer(28), 0x0806), Outcome::kNotIp},
        Case{"CookedLlc", kCooked, test::cooked(snap(0x0800, v4()), 4), Outcome::kTcp},
        Case{"CookedNovell", kCooked, test::cooked(v4(), 1), Outcome::kNotIp},
        Case{"Cooked2", kCooked2, test::cooked2(v6(), 0x86dd, 3), Outcome::kTcp},
        Case{"Cooked2Vlan", kCooked2, test::cooked2(Writer().u16(5).u16(0x0800).add(v4()).take(), 0x88a8, 3),
             Outcome::kTcp},
        Case{"RawIpv4", kRaw, v4(), Outcome::kTcp}, Case{"RawIpv6", kRaw, v6(), Outcome::kTcp},
        Case{"RawOther", kRaw, Buffer(40, 0x50), Outcome::kNotIp}, Case{"RawEmpty", kRaw, {}, Outcome::kMalformed},
        Case{"Ipv4Only", kIpv4, v4(), Outcome::kTcp}, Case{"Ipv6Only", kIpv6, v6(), Outcome::kTcp},
        Case{"Ipv4OnlyIsNot", kIpv4, v6(), Outcome::kMalformed},
        Case{"NullLittleEndian", kNull, loopback(0x02000000, v4()), Outcome::kTcp},
        Case{"NullBigEndian", kNull, loopback(2, v4()), Outcome::kTcp},
        Case{"NullLinux", kNull, loopback(0x0a000000, v6()), Outcome::kTcp},
        Case{"NullOpenBsd", kNull, loopback(0x18000000, v6()), Outcome::kTcp},
        Case{"NullFreeBsd", kNull, loopback(0x1c000000, v6()), Outcome::kTcp},
        Case{"NullMacOs", kNull, loopback(0x1e000000, v6()), Outcome::kTcp},
        Case{"NullOsi", kNull, loopback(0x07000000, v4()), Outcome::kNotIp},
        Case{"NullTooShort", kNull, Buffer(3), Outcome::kMalformed},
        Case{"Loop", kLoop, loopback(2, v4()), Outcome::kTcp},
        Case{"LoopIpv6", kLoop, loopback(24, v6()), Outcome::kTcp},
        Case{"Ppp", kPpp, Writer().u16(0x0021).add(v4()).take(), Outcome::kTcp},
        Case{"PppHdlc", kPppHdlc, Writer().u32(0xff030057).add(v6()).take(), Outcome::kTcp},
        Case{"PppCompressed", kPpp, Writer().u8(0x21).add(v4()).take(), Outcome::kTcp},
        Case{"PppControl", kPpp, Writer().u16(0xc021).fill(8).take(), Outcome::kNotIp},
        Case{"PppEncrypted", kPpp, Writer().u16(0x00fd).fill(8).take(), Outcome::kUnsupported},
        Case{"PppoeAlone", kPppoe, Writer().u16(0x1100).u16(7).u16(47).u16(0x0021).add(v4()).take(), Outcome::kTcp},
        Case{"CiscoHdlc", kCiscoHdlc, Writer().u16(0x0f00).u16(0x0800).add(v4()).take(), Outcome::kTcp},
        Case{"CiscoHdlcKeepalive", kCiscoHdlc, Writer().u16(0x8f00).u16(0x8035).fill(14).take(), Outcome::kNotIp},
        Case{"Radiotap", kRadiotap, v4(), Outcome::kUnsupported}),
    [](const testing::TestParamInfo<Case>& one) { return one.param.name; });

TEST(LinkFieldsTest, EthernetKeepsAddressesAndTheFirstVlans) {
  const OneDecoded one = decode_one(test::ethernet(
      {.target = 0x0a0b0c0d0e0f, .source = 0x010203040506, .vlans = {{0xf123, 0x88a8}, {0x0456, 0x8100}, {7, 0x8100}}},
      v4()));
  EXPECT_EQ(one->link.target.text(), "0a:0b:0c:0d:0e:0f");
  EXPECT_EQ(one->link.source.text(), "01:02:03:04:05:06");
  ASSERT_EQ(one->link.vlan_count, 2u);
  EXPECT_EQ(one->link.vlans[0], 0x123);  // without priority
  EXPECT_EQ(one->link.vlans[1], 0x456);
  EXPECT_EQ(one->link.interface_index, 0u);
}

TEST(LinkFieldsTest, CookedKeepsTheSenderAndTheInterface) {
  const OneDecoded first = decode_one(test::cooked(v4(), 0x0800, 0x010203040506), kCooked);
  EXPECT_EQ(first->link.source.text(), "01:02:03:04:05:06");
  EXPECT_EQ(first->link.target, base::MacAddress{});
  EXPECT_EQ(first->link.interface_index, 0u);
  const OneDecoded second =
      decode_one(test::cooked2(Writer().u16(5).u16(0x0800).add(v4()).take(), 0x8100, 70000, 0x010203040506), kCooked2);
  EXPECT_EQ(second->link.source.text(), "01:02:03:04:05:06");
  EXPECT_EQ(second->link.interface_index, 70000u);
  EXPECT_EQ(second->link.vlan_count, 1u);
  EXPECT_EQ(second->link.vlans[0], 5);
}

TEST(LinkFieldsTest, CookedAddressOfAnotherLengthIsNoMac) {
  Buffer frame = test::cooked(v4(), 0x0800, 0x010203040506);
  frame[5] = 8;
  EXPECT_EQ(decode_one(frame, kCooked)->link.source, base::MacAddress{});
  frame = test::cooked2(v4(), 0x0800, 1, 0x010203040506);
  frame[11] = 0;
  EXPECT_EQ(decode_one(frame, kCooked2)->link.source, base::MacAddress{});
}

}  // namespace
}  // namespace hoptap::decode
