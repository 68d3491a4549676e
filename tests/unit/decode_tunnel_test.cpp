#include <gtest/gtest.h>

#include "decode/tunnel/erspan_view.h"
#include "decode/tunnel/gre_view.h"
#include "decode/tunnel/vxlan_view.h"
#include "tests/unit/decode_one.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::decode_one;
using test::OneDecoded;

constexpr capture::LinkType kRaw = 101;
constexpr std::uint8_t kIpv4InIp = 4, kUdp = 17, kIpv6InIp = 41, kGre = 47;
constexpr std::uint32_t kOuterSource = 0xac100001, kOuterTarget = 0xac100002;

Buffer inner() {
  return test::ipv4({.source = 0x0a010101, .target = 0x0a020202, .ttl = 9}, test::tcp({}, test::text("hello")));
}
Buffer inner_v6() { return test::ipv6({}, test::tcp({}, test::text("hello"))); }
Buffer inner_frame() {
  return test::ethernet({.target = 0x0a0000000002, .source = 0x0a0000000001, .vlans = {{.id = 33}}, .padding = 4},
                        inner());
}
Buffer outer(std::uint8_t protocol, const Buffer& payload) {
  return test::ipv4({.source = kOuterSource, .target = kOuterTarget, .protocol = protocol, .ttl = 200}, payload);
}
Buffer in_vxlan(const Buffer& frame, std::uint32_t id = 77, std::uint16_t port = 4789, std::uint8_t flags = 8) {
  return outer(kUdp, test::udp({.target_port = port}, test::vxlan(id, frame, flags)));
}

struct Case {
  std::string name;
  Buffer packet;
  TunnelType type;
  std::uint32_t id;
};

class TunnelTest : public testing::TestWithParam<Case> {};

TEST_P(TunnelTest, LeadsToTheInnerPacket) {
  const OneDecoded one = decode_one(GetParam().packet, kRaw);
  ASSERT_EQ(one->outcome, Outcome::kTcp);
  EXPECT_EQ(base::as_text(one->payload), "hello");
  EXPECT_EQ(one->payload_wire_bytes, 5u);
  EXPECT_NE(one->ttl, 200);
  ASSERT_EQ(one->tunnels.depth, 1);
  const Tunnel& layer = one->tunnels.layers[0];
  EXPECT_EQ(layer.type, GetParam().type);
  EXPECT_EQ(layer.id, GetParam().id);
  EXPECT_EQ(layer.source.text(), "172.16.0.1");
  EXPECT_EQ(layer.target.text(), "172.16.0.2");
}

INSTANTIATE_TEST_SUITE_P(
    Types, TunnelTest,
    testing::Values(
        Case{"Vxlan", in_vxlan(inner_frame(), 0xabcdef), TunnelType::kVxlan, 0xabcdef},
        Case{"VxlanOldPort", in_vxlan(inner_frame(), 5, 8472), TunnelType::kVxlan, 5},
        Case{"VxlanPolicyFlags", in_vxlan(inner_frame(), 5, 4789, 0x88), TunnelType::kVxlan, 5},
        Case{"Ipv4InIpv4", outer(kIpv4InIp, inner()), TunnelType::kIpInIp, 0},
        Case{"Ipv6InIpv4", outer(kIpv6InIp, inner_v6()), TunnelType::kIpInIp, 0},
        Case{"Gre", outer(kGre, test::gre({}, inner())), TunnelType::kGre, 0},
        Case{"GreIpv6", outer(kGre, test::gre({.type = 0x86dd}, inner_v6())), TunnelType::kGre, 0},
        Case{"GreKey", outer(kGre, test::gre({.key = 0x01020304}, inner())), TunnelType::kGre, 0x01020304},
        Case{"GreAllFields", outer(kGre, test::gre({.has_checksum = true, .key = 6, .sequence = 9}, inner())),
             TunnelType::kGre, 6},
        Case{"GreChecksumAndSequence", outer(kGre, test::gre({.has_checksum = true, .sequence = 9}, inner())),
             TunnelType::kGre, 0},
        Case{"Teb", outer(kGre, test::gre({.type = 0x6558, .key = 6}, inner_frame())), TunnelType::kTeb, 6},
        Case{"ErspanOne", outer(kGre, test::gre({.type = 0x88be}, inner_frame())), TunnelType::kErspan1, 0},
        Case{"ErspanTwo",
             outer(kGre, test::gre({.type = 0x88be, .sequence = 1}, test::erspan2(0xfc00 | 0x155, inner_frame()))),
             TunnelType::kErspan2, 0x155}),
    [](const testing::TestParamInfo<Case>& one) { return one.param.name; });

/// What the capture cut off cannot be looked at: neither VXLAN nor anything else.
TEST(TunnelTest, VxlanCutBeforeItsFramesType) {
  const Buffer packet = in_vxlan(inner_frame(), 5, 4789, 0x88);
  constexpr std::size_t kFrameAt = 20 + 8 + 8;
  for (std::size_t cut = kFrameAt; cut < kFrameAt + 14; ++cut) {
    const OneDecoded one = decode_one(Buffer(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(cut)), kRaw,
                                      static_cast<std::uint32_t>(packet.size()));
    EXPECT_EQ(one->outcome, Outcome::kTruncated) << cut;
    EXPECT_EQ(one->tunnels.depth, 0) << cut;
  }
}

TEST(TunnelTest, Ipv6Outside) {
  for (const bool is_v6 : {false, true}) {
    const OneDecoded one =
        decode_one(test::ipv6({.source = 0xa, .target = 0xb, .next_header = is_v6 ? kIpv6InIp : kIpv4InIp},
                              is_v6 ? inner_v6() : inner()),
                   kRaw);
    ASSERT_EQ(one->outcome, Outcome::kTcp);
    EXPECT_EQ(one->tunnels.layers[0].source.text(), "2001:db8::a");
    EXPECT_EQ(one->tunnels.layers[0].target.text(), "2001:db8::b");
    EXPECT_EQ(one->source.text(), is_v6 ? "[2001:db8::1]:40000" : "10.1.1.1:40000");
    EXPECT_EQ(one->ip_id, is_v6 ? 0 : 1);
  }
}

TEST(TunnelTest, InnerFieldsReplaceTheOuterOnes) {
  const Buffer packet = test::ipv4({.protocol = kIpv6InIp, .ttl = 200, .traffic_class = 0xb8, .id = 77}, inner_v6());
  const OneDecoded one = decode_one(packet, kRaw);
  EXPECT_EQ(one->ttl, 64);
  EXPECT_EQ(one->traffic_class, 0);
  EXPECT_EQ(one->ip_id, 0);
  EXPECT_EQ(one->protocol, 6);
}

struct OutcomeCase {
  std::string name;
  Buffer packet;
  Outcome expected;
  std::uint8_t depth;
};

class TunnelOutcomeTest : public testing::TestWithParam<OutcomeCase> {};

TEST_P(TunnelOutcomeTest, IsAsExpected) {
  const OneDecoded one = decode_one(GetParam().packet, kRaw);
  EXPECT_EQ(one->outcome, GetParam().expected);
  EXPECT_EQ(one->tunnels.depth, GetParam().depth);
}

Buffer arp_frame() { return test::ethernet({.type = 0x0806}, Buffer(28)); }

/// To VXLAN's port, in an 8-byte header that is VXLAN's or looks a bit like it.
Buffer to_vxlan_port(const Buffer& header, const Buffer& rest, std::uint16_t source_port = 40000) {
  return outer(
      kUdp, test::udp({.source_port = source_port, .target_port = 4789}, test::Writer().add(header).add(rest).take()));
}

const Buffer kGroupPolicy{0x88, 0, 0x12, 0x34, 0, 0, 5, 0}, kLastByteSet{8, 0, 0, 0, 0, 0, 5, 0x81};
const Buffer kExact{8, 0, 0, 0, 0, 0, 5, 0};

/// A DNS answer whose id has VXLAN's flag (0x2e0d), for a client whose port is 4789 or 8472.
Buffer dns_answer(std::uint16_t target_port) {
  const Buffer message = test::Writer()
                             .u16(0x2e0d)
                             .u16(0x8180)
                             .u16(1)
                             .u16(1)
                             .u32(0)
                             .u8(4)
                             .add(test::text("shop"))
                             .u8(7)
                             .add(test::text("example"))
                             .u8(0)
                             .u32(0x00010001)
                             .u32(0xc00c0001)
                             .u16(1)
                             .u32(60)
                             .u16(4)
                             .u32(0x0a000007)
                             .take();
  return outer(kUdp, test::udp({.source_port = 53, .target_port = target_port}, message));
}

INSTANTIATE_TEST_SUITE_P(
    Outcomes, TunnelOutcomeTest,
    testing::Values(
        OutcomeCase{"VxlanWithoutIdentifierIsUdp", in_vxlan(inner_frame(), 5, 4789, 0), Outcome::kUdp, 0},
        OutcomeCase{"VxlanTooShortIsUdp", outer(kUdp, test::udp({.target_port = 4789}, Buffer(7, 8))), Outcome::kUdp,
                    0},
        OutcomeCase{"VxlanFromThePortIsUdp",
                    outer(kUdp, test::udp({.source_port = 4789, .target_port = 99}, test::vxlan(5, inner_frame()))),
                    Outcome::kUdp, 0},
        OutcomeCase{"VxlanDnsAnswer", dns_answer(4789), Outcome::kUdp, 0},
        OutcomeCase{"VxlanDnsAnswerOldPort", dns_answer(8472), Outcome::kUdp, 0},
        OutcomeCase{"VxlanGroupPolicy", to_vxlan_port(kGroupPolicy, inner_frame()), Outcome::kTcp, 1},
        OutcomeCase{"VxlanLastByteSet", to_vxlan_port(kLastByteSet, inner_frame()), Outcome::kTcp, 1},
        OutcomeCase{"VxlanGroupPolicyOfArp", to_vxlan_port(kGroupPolicy, arp_frame()), Outcome::kNotIp, 1},
        OutcomeCase{"VxlanGroupPolicyOfNoFrame", to_vxlan_port(kGroupPolicy, Buffer(40, 'x')), Outcome::kUdp, 0},
        OutcomeCase{"VxlanGroupPolicyOfTooLittle", to_vxlan_port(kGroupPolicy, Buffer(13, 8)), Outcome::kUdp, 0},
        OutcomeCase{"VxlanGroupPolicyFromAService", to_vxlan_port(kGroupPolicy, inner_frame(), 1023), Outcome::kUdp, 0},
        OutcomeCase{"VxlanGroupPolicyFromAnother", to_vxlan_port(kGroupPolicy, inner_frame(), 1024), Outcome::kTcp, 1},
        OutcomeCase{"VxlanExactFromAService", to_vxlan_port(kExact, inner_frame(), 53), Outcome::kTcp, 1},
        OutcomeCase{"VxlanExactOfAnotherType", to_vxlan_port(kExact, test::ethernet({.type = 0x88cc}, Buffer(50))),
                    Outcome::kNotIp, 1},
        OutcomeCase{"VxlanOfArp", in_vxlan(arp_frame()), Outcome::kNotIp, 1},
        OutcomeCase{"VxlanOfNothing", in_vxlan({}), Outcome::kMalformed, 1},
        OutcomeCase{"VxlanOfFragment", in_vxlan(test::ethernet({}, test::ipv4({.fragment = 0x2000}, Buffer(80)))),
                    Outcome::kFragment, 1},
        OutcomeCase{"VxlanOfIcmp", in_vxlan(test::ethernet({}, test::ipv4({.protocol = 1}, Buffer(8)))), Outcome::kIcmp,
                    1},
        OutcomeCase{"FragmentOfATunnel", test::ipv4({.protocol = kIpv4InIp, .fragment = 0x2000}, inner()),
                    Outcome::kFragment, 0},
        OutcomeCase{"WrongVersionInside", outer(kIpv4InIp, inner_v6()), Outcome::kMalformed, 1},
        OutcomeCase{"GrePptp", outer(kGre, test::gre({.type = 0x880b, .more_flags = 1}, Buffer(20))), Outcome::kOtherIp,
                    0},
        OutcomeCase{"GreRouting", outer(kGre, test::gre({.more_flags = 0x4000}, inner())), Outcome::kUnsupported, 0},
        OutcomeCase{"GreOfArp", outer(kGre, test::gre({.type = 0x0806}, Buffer(28))), Outcome::kNotIp, 1},
        OutcomeCase{"GreOfMpls", outer(kGre, test::gre({.type = 0x8847}, Buffer(28))), Outcome::kMalformed, 1},
        OutcomeCase{"GreTooShort", outer(kGre, Buffer(3)), Outcome::kMalformed, 0},
        OutcomeCase{"GreFieldsTooShort", outer(kGre, Buffer{0x20, 0, 8, 0, 1, 2, 3}), Outcome::kMalformed, 0},
        OutcomeCase{"ErspanThreeOfAnotherVersion", outer(kGre, test::gre({.type = 0x22eb, .sequence = 1}, Buffer(80))),
                    Outcome::kMalformed, 0},
        OutcomeCase{"ErspanOfAnotherVersion", outer(kGre, test::gre({.type = 0x88be, .sequence = 1}, Buffer(80, 0x20))),
                    Outcome::kMalformed, 0},
        OutcomeCase{"ErspanTooShort", outer(kGre, test::gre({.type = 0x88be, .sequence = 1}, Buffer(7, 0x10))),
                    Outcome::kMalformed, 0}),
    [](const testing::TestParamInfo<OutcomeCase>& one) { return one.param.name; });

TEST(TunnelTest, UsesTheConfiguredPorts) {
  const DecodeConfig config{.vxlan_ports = {6081}};
  EXPECT_EQ(decode_one(in_vxlan(inner_frame(), 5, 6081), kRaw, 0, config)->outcome, Outcome::kTcp);
  EXPECT_EQ(decode_one(in_vxlan(inner_frame(), 5, 4789), kRaw, 0, config)->outcome, Outcome::kUdp);
}

TEST(TunnelTest, TheInnermostLinkLayerIsKept) {
  const test::EthernetFields fields{.target = 0x0c0000000002, .source = 0x0c0000000001, .vlans = {{1}, {2}}};
  const OneDecoded ethernet_inside = decode_one(test::ethernet(fields, in_vxlan(inner_frame())));
  EXPECT_EQ(ethernet_inside->link.source.text(), "0a:00:00:00:00:01");
  EXPECT_EQ(ethernet_inside->link.target.text(), "0a:00:00:00:00:02");
  ASSERT_EQ(ethernet_inside->link.vlan_count, 1u);
  EXPECT_EQ(ethernet_inside->link.vlans, (std::array<std::uint16_t, 2>{33, 0}));

  const OneDecoded ip_inside = decode_one(test::ethernet(fields, outer(kIpv4InIp, inner())));
  EXPECT_EQ(ip_inside->link.source.text(), "0c:00:00:00:00:01");
  EXPECT_EQ(ip_inside->link.vlan_count, 2u);

  constexpr capture::LinkType kCooked2 = 276;
  const OneDecoded cooked = decode_one(test::cooked2(in_vxlan(inner_frame()), 0x0800, 12), kCooked2);
  EXPECT_EQ(cooked->link.source.text(), "0a:00:00:00:00:01");
  EXPECT_EQ(cooked->link.interface_index, 12u);
}

TEST(TunnelTest, FourLayersOfEachKindButNotFive) {
  // From the inside out: GRE, IP in IP, VXLAN, ERSPAN.
  const Buffer one = outer(kGre, test::gre({.key = 1}, inner()));
  const Buffer two = outer(kIpv4InIp, one);
  const Buffer three = in_vxlan(test::ethernet({}, two), 3);
  const Buffer four =
      outer(kGre, test::gre({.type = 0x88be, .sequence = 1}, test::erspan2(4, test::ethernet({}, three))));
  const OneDecoded decoded = decode_one(four, kRaw);
  ASSERT_EQ(decoded->outcome, Outcome::kTcp);
  ASSERT_EQ(decoded->tunnels.used().size(), 4u);
  constexpr std::array kTypes{TunnelType::kErspan2, TunnelType::kVxlan, TunnelType::kIpInIp, TunnelType::kGre};
  constexpr std::array<std::uint32_t, 4> kIds{4, 3, 0, 1};
  for (std::size_t at = 0; at < kTypes.size(); ++at) {
    EXPECT_EQ(decoded->tunnels.layers[at].type, kTypes[at]) << at;
    EXPECT_EQ(decoded->tunnels.layers[at].id, kIds[at]) << at;
  }
  const OneDecoded five = decode_one(outer(kIpv4InIp, four), kRaw);
  EXPECT_EQ(five->outcome, Outcome::kUnsupported);
  EXPECT_EQ(five->tunnels.depth, 4);
}

TEST(TunnelTest, AMirrorMayCutTheInnerPacket) {
  Buffer frame = test::ethernet({}, test::ipv4({}, test::tcp({}, Buffer(1400, 'x'))));
  frame.resize(200);  // then wrapped: every outer length is right, the inner ones are the original packet's
  const OneDecoded one = decode_one(in_vxlan(frame), kRaw);
  EXPECT_EQ(one->outcome, Outcome::kTcp);
  EXPECT_EQ(one->payload.size(), 200u - 54);
  EXPECT_EQ(one->payload_wire_bytes, 1400u);
  frame.resize(14 + 20 + 19);
  EXPECT_EQ(decode_one(in_vxlan(frame), kRaw)->outcome, Outcome::kTruncated);
}

}  // namespace
}  // namespace hoptap::decode
