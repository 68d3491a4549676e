// What lies between two networks, one case for each form of header: type, id and the packet inside.
#include <gtest/gtest.h>

#include "decode/tunnel/erspan_view.h"
#include "decode/tunnel/mpls.h"
#include "tests/unit/decode_one.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::decode_one;
using test::OneDecoded;
using test::Writer;

constexpr std::uint8_t kUdp = 17, kGre = 47, kMplsInIp = 137;
constexpr std::uint16_t kVxlanGpePort = 4790, kGenevePort = 6081, kGtpPort = 2152, kL2tpPort = 1701, kTeredoPort = 3544;
constexpr std::uint16_t kIpv4Type = 0x0800, kIpv6Type = 0x86dd, kBridged = 0x6558, kMplsType = 0x8847,
                        kPppoeType = 0x8864;
constexpr std::uint16_t kPbbType = 0x88e7, kNshType = 0x894f, kIpcp = 0x8021, kPppIpv4 = 0x0021, kPppIpv6 = 0x0057;

Buffer inner() { return test::ipv4({.source = 0x0a010101}, test::tcp({}, test::text("hello"))); }
Buffer inner_v6() { return test::ipv6({}, test::tcp({}, test::text("hello"))); }
Buffer frame(const Buffer& packet) {
  return test::ethernet({.target = 0x0a0000000002, .source = 0x0a0000000001}, packet);
}
Buffer framed(std::uint16_t type, const Buffer& payload) { return test::ethernet({.type = type}, payload); }
Buffer in_ip(std::uint8_t protocol, const Buffer& payload) {
  return test::ethernet({}, test::ipv4({.source = 0xac100001, .target = 0xac100002, .protocol = protocol}, payload));
}
Buffer in_udp(std::uint16_t port, const Buffer& payload) {
  return in_ip(kUdp, test::udp({.target_port = port}, payload));
}
Buffer from_udp(std::uint16_t port, const Buffer& payload) {
  return in_ip(kUdp, test::udp({.source_port = port, .target_port = 50000}, payload));
}
Buffer in_gre(std::uint16_t type, const Buffer& payload) { return in_ip(kGre, test::gre({.type = type}, payload)); }

struct Case {
  std::string name;
  Buffer packet;
  std::vector<Tunnel> tunnels;  ///< type and id; the addresses are checked apart
  Outcome outcome = Outcome::kTcp;
};

class EncapsulationTest : public testing::TestWithParam<Case> {};

TEST_P(EncapsulationTest, LeadsToTheInnerPacket) {
  DecodeConfig config;
  if (GetParam().name.starts_with("Teredo")) config.teredo_ports = {kTeredoPort};
  const OneDecoded one = decode_one(GetParam().packet, 1, 0, config);
  EXPECT_EQ(outcome_name(one->outcome), outcome_name(GetParam().outcome));
  ASSERT_EQ(one->tunnels.used().size(), GetParam().tunnels.size());
  for (std::size_t at = 0; at < GetParam().tunnels.size(); ++at) {
    EXPECT_EQ(one->tunnels.layers[at].type, GetParam().tunnels[at].type) << at;
    EXPECT_EQ(one->tunnels.layers[at].id, GetParam().tunnels[at].id) << at;
  }
  if (one->outcome == Outcome::kTcp) {
    EXPECT_EQ(base::as_text(one->payload), "hello");
    EXPECT_EQ(one->payload_wire_bytes, 5u);
  }
}

std::string name_of(const testing::TestParamInfo<Case>& one) { return one.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Vxlan, EncapsulationTest,
    testing::Values(
        Case{"GpeIpv4", in_udp(kVxlanGpePort, test::vxlan_gpe(1, 7, inner())), {{TunnelType::kVxlanGpe, 7}}},
        Case{"GpeIpv6", in_udp(kVxlanGpePort, test::vxlan_gpe(2, 7, inner_v6())), {{TunnelType::kVxlanGpe, 7}}},
        Case{"GpeEthernet", in_udp(kVxlanGpePort, test::vxlan_gpe(3, 7, frame(inner()))), {{TunnelType::kVxlanGpe, 7}}},
        Case{"GpeWithoutProtocol",
             in_udp(kVxlanGpePort, test::vxlan_gpe(0, 7, frame(inner()), 0x08)),
             {{TunnelType::kVxlanGpe, 7}}},
        Case{"GpeNsh",
             in_udp(kVxlanGpePort, test::vxlan_gpe(4, 7, test::nsh(1, 0x123, inner()))),
             {{TunnelType::kVxlanGpe, 7}, {TunnelType::kNsh, 0x123}}},
        Case{"GpeMpls",
             in_udp(kVxlanGpePort, test::vxlan_gpe(5, 7, test::mpls({16, 17}, inner()))),
             {{TunnelType::kVxlanGpe, 7}, {TunnelType::kMpls, 17}}},
        Case{"GpeOther",
             in_udp(kVxlanGpePort, test::vxlan_gpe(9, 7, inner())),
             {{TunnelType::kVxlanGpe, 7}},
             Outcome::kNotIp},
        Case{"GpeVersion", in_udp(kVxlanGpePort, test::vxlan_gpe(1, 7, inner(), 0x1c)), {}, Outcome::kUdp},
        Case{"NshInEthernet", framed(kNshType, test::nsh(3, 9, frame(inner()), 4)), {{TunnelType::kNsh, 9}}},
        Case{"NshTooShort", framed(kNshType, Buffer{0, 1, 2, 1, 0, 0, 0, 0}), {}, Outcome::kMalformed},
        Case{"NshVersion", framed(kNshType, Buffer{0x40, 2, 2, 1, 0, 0, 0, 0}), {}, Outcome::kMalformed}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Geneve, EncapsulationTest,
    testing::Values(
        Case{"Ethernet",
             in_udp(kGenevePort, test::geneve(kBridged, 0xabcdef, frame(inner()))),
             {{TunnelType::kGeneve, 0xabcdef}}},
        Case{"Ipv4", in_udp(kGenevePort, test::geneve(kIpv4Type, 1, inner())), {{TunnelType::kGeneve, 1}}},
        Case{"Ipv6", in_udp(kGenevePort, test::geneve(kIpv6Type, 1, inner_v6())), {{TunnelType::kGeneve, 1}}},
        Case{"Options", in_udp(kGenevePort, test::geneve(kBridged, 1, frame(inner()), 63)), {{TunnelType::kGeneve, 1}}},
        Case{"Other",
             in_udp(kGenevePort, test::geneve(0x1234, 1, Buffer(20))),
             {{TunnelType::kGeneve, 1}},
             Outcome::kNotIp},
        Case{"Version", in_udp(kGenevePort, test::geneve(kIpv4Type, 1, inner(), 0x40)), {}, Outcome::kUdp},
        Case{"OptionsBeyond", in_udp(kGenevePort, Buffer{0x3f, 0, 8, 0, 0, 0, 1, 0}), {}, Outcome::kUdp},
        Case{"TooShort", in_udp(kGenevePort, Buffer(7)), {}, Outcome::kUdp}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Gtp, EncapsulationTest,
    testing::Values(
        Case{"Ipv4", in_udp(kGtpPort, test::gtp(0xfedcba98, inner())), {{TunnelType::kGtp, 0xfedcba98}}},
        Case{"Ipv6", in_udp(kGtpPort, test::gtp(1, inner_v6())), {{TunnelType::kGtp, 1}}},
        Case{"Sequence", in_udp(kGtpPort, test::gtp(1, inner(), 0x02, Buffer{0, 9, 0, 0})), {{TunnelType::kGtp, 1}}},
        // The last byte counts with the extension flag only.
        Case{"NoExtension",
             in_udp(kGtpPort, test::gtp(1, inner(), 0x02, Buffer{0, 9, 0, 0x85})),
             {{TunnelType::kGtp, 1}}},
        Case{
            "Extensions",
            in_udp(kGtpPort, test::gtp(1, inner(), 0x04, Buffer{0, 0, 0, 0x85, 1, 0, 9, 0xc0, 2, 0, 0, 0, 0, 0, 0, 0})),
            {{TunnelType::kGtp, 1}}},
        Case{"ExtensionOfNothing",
             in_udp(kGtpPort, test::gtp(1, inner(), 0x04, Buffer{0, 0, 0, 0x85, 0, 0, 0, 0})),
             {},
             Outcome::kUdp},
        Case{"Echo", in_udp(kGtpPort, test::gtp(0, {}, 0x02, Buffer{0, 9, 0, 0}, 1)), {}, Outcome::kUdp},
        Case{"VersionTwo", in_udp(kGtpPort, Buffer{0x48, 255, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0}), {}, Outcome::kUdp},
        Case{"LengthBeyond", in_udp(kGtpPort, Buffer{0x30, 255, 1, 0, 0, 0, 0, 1}), {}, Outcome::kUdp},
        Case{"Empty", in_udp(kGtpPort, test::gtp(1, {})), {{TunnelType::kGtp, 1}}, Outcome::kNotIp}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    L2tp, EncapsulationTest,
    testing::Values(
        Case{"Plain",
             in_udp(kL2tpPort, test::l2tp({7, 9}, test::ppp(kPppIpv4, inner(), true))),
             {{TunnelType::kL2tp, 7u << 16 | 9}}},
        Case{"FromThePort",
             from_udp(kL2tpPort, test::l2tp({7, 9}, test::ppp(kPppIpv6, inner_v6()))),
             {{TunnelType::kL2tp, 7u << 16 | 9}}},
        Case{"AllFields",
             in_udp(kL2tpPort,
                    test::l2tp({.has_length = true, .has_sequence = true, .offset = 3}, test::ppp(kPppIpv4, inner()))),
             {{TunnelType::kL2tp, 1u << 16 | 2}}},
        Case{"LinkControl",
             in_udp(kL2tpPort, test::l2tp({}, test::ppp(0xc021, Buffer(10)))),
             {{TunnelType::kL2tp, 1u << 16 | 2}},
             Outcome::kNotIp},
        Case{"Control", in_udp(kL2tpPort, Buffer{0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 0, 0, 0}), {}, Outcome::kUdp},
        Case{"VersionThree", in_udp(kL2tpPort, Buffer{0, 3, 0, 0, 0, 0, 0, 1, 0x45, 0}), {}, Outcome::kUdp},
        Case{"LengthBeyond", in_udp(kL2tpPort, Buffer{0x40, 2, 1, 0, 0, 1, 0, 2, 0, 0x21}), {}, Outcome::kUdp}),
    name_of);

Buffer teredo_extras(const Buffer& packet) {
  return Writer().u16(1).u8(2).u8(3).fill(5 + 9).u16(0).fill(6).add(packet).take();
}

INSTANTIATE_TEST_SUITE_P(
    OthersInUdp, EncapsulationTest,
    testing::Values(
        Case{"Teredo", in_udp(kTeredoPort, inner_v6()), {{TunnelType::kTeredo, 0}}},
        Case{"TeredoIndications", from_udp(kTeredoPort, teredo_extras(inner_v6())), {{TunnelType::kTeredo, 0}}},
        Case{"TeredoOfIpv4", in_udp(kTeredoPort, inner()), {}, Outcome::kUdp},
        Case{"OpaqueTeredo", in_udp(kTeredoPort, inner_v6()), {}, Outcome::kUdp},
        Case{"FromThePortOfOthers", from_udp(kGenevePort, test::geneve(kIpv4Type, 1, inner())), {}, Outcome::kUdp}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Gre, EncapsulationTest,
    testing::Values(
        Case{"Nvgre",
             in_ip(kGre, test::gre({.type = kBridged, .key = 0x00123401}, frame(inner()))),
             {{TunnelType::kTeb, 0x00123401}}},
        Case{"RedirectOne", in_gre(0x883e, inner()), {{TunnelType::kGre, 0}}},
        Case{"RedirectTwo", in_gre(0x883e, Writer().u32(0x00330000).add(inner()).take()), {{TunnelType::kGre, 0}}},
        Case{"RedirectOfNothing", in_gre(0x883e, Buffer(3)), {}, Outcome::kMalformed},
        Case{"Mpls", in_gre(kMplsType, test::mpls({18}, inner())), {{TunnelType::kGre, 0}, {TunnelType::kMpls, 18}}},
        Case{"Nsh", in_gre(kNshType, test::nsh(1, 3, inner())), {{TunnelType::kGre, 0}, {TunnelType::kNsh, 3}}},
        Case{"Pptp",
             in_ip(
                 kGre,
                 Writer().u32(0x3081880b).u16(49).u16(77).u32(1).u32(1).add(test::ppp(kPppIpv4, inner(), true)).take()),
             {{TunnelType::kGre, 77}}},
        Case{"PptpAcknowledgment",
             in_ip(kGre, Writer().u32(0x2081880b).u16(0).u16(77).u32(1).take()),
             {},
             Outcome::kOtherIp}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Labels, EncapsulationTest,
    testing::Values(Case{"Ipv4", framed(kMplsType, test::mpls({100, 200}, inner())), {{TunnelType::kMpls, 200}}},
                    Case{"Ipv6", framed(0x8848, test::mpls({100}, inner_v6())), {{TunnelType::kMpls, 100}}},
                    Case{"ExplicitNull", framed(kMplsType, test::mpls({100, 0}, inner())), {{TunnelType::kMpls, 0}}},
                    Case{"ExplicitNullIpv6", framed(kMplsType, test::mpls({2}, inner_v6())), {{TunnelType::kMpls, 2}}},
                    Case{"ControlWord",
                         framed(kMplsType, test::mpls({100}, test::control_word(frame(inner())))),
                         {{TunnelType::kMpls, 100}}},
                    Case{"NoControlWord",
                         framed(kMplsType, test::mpls({100}, test::ethernet({.target = 0x001122334455}, inner()))),
                         {{TunnelType::kMpls, 100}}},
                    Case{"AddressLikeIpv4",
                         framed(kMplsType, test::mpls({100}, test::ethernet({.target = 0x401122334455}, inner()))),
                         {{TunnelType::kMpls, 100}}},
                    Case{"AddressLikeIpv6",
                         framed(kMplsType, test::mpls({100}, test::ethernet({.target = 0x6011223344ff}, inner()))),
                         {{TunnelType::kMpls, 100}}},
                    Case{"Channel",
                         framed(kMplsType, test::mpls({100}, Writer().u32(0x10000021).fill(20).take())),
                         {{TunnelType::kMpls, 100}},
                         Outcome::kNotIp},
                    Case{"GenericChannel",
                         framed(kMplsType, test::mpls({100, 13}, Writer().u32(0x10000021).fill(20).take())),
                         {{TunnelType::kMpls, 13}},
                         Outcome::kNotIp},
                    Case{"LabelsMax",
                         framed(kMplsType, test::mpls(std::vector<std::uint32_t>(16, 20), inner())),
                         {{TunnelType::kMpls, 20}}},
                    Case{"LabelsTooMany",
                         framed(kMplsType, test::mpls(std::vector<std::uint32_t>(17, 20), inner())),
                         {},
                         Outcome::kUnsupported},
                    Case{"NoBottom", framed(kMplsType, Buffer(8)), {}, Outcome::kMalformed},
                    Case{"InIp", in_ip(kMplsInIp, test::mpls({9}, inner())), {{TunnelType::kMpls, 9}}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Links, EncapsulationTest,
    testing::Values(
        Case{
            "Pppoe", framed(kPppoeType, test::pppoe(0x11, test::ppp(kPppIpv4, inner()))), {{TunnelType::kPppoe, 0x11}}},
        Case{"PppoePadded",
             test::ethernet({.type = kPppoeType, .padding = 9}, test::pppoe(0x11, test::ppp(kPppIpv6, inner_v6()))),
             {{TunnelType::kPppoe, 0x11}}},
        Case{"PppoeControl",
             framed(kPppoeType, test::pppoe(0x11, test::ppp(kIpcp, Buffer(10)))),
             {{TunnelType::kPppoe, 0x11}},
             Outcome::kNotIp},
        Case{"PppoeDiscovery", framed(0x8863, Buffer(20)), {}, Outcome::kNotIp},
        Case{"PppoeVersion", framed(kPppoeType, Buffer(20)), {}, Outcome::kMalformed},
        Case{"PppoeOfLabels",
             framed(kPppoeType, test::pppoe(1, test::ppp(0x0281, test::mpls({5}, inner())))),
             {{TunnelType::kPppoe, 1}, {TunnelType::kMpls, 5}}},
        Case{"Pbb",
             framed(kPbbType, Writer().u32(0x60123456).add(frame(inner())).take()),
             {{TunnelType::kPbb, 0x123456}}},
        Case{"PbbTooShort", framed(kPbbType, Buffer(3)), {}, Outcome::kMalformed},
        Case{"FiveDeep",
             framed(kMplsType,
                    test::mpls({1}, in_udp(kVxlanGpePort,
                                           test::vxlan_gpe(
                                               4, 2, test::nsh(4, 3, test::nsh(5, 4, test::mpls({5}, inner()))))))),
             {{TunnelType::kMpls, 1}, {TunnelType::kVxlanGpe, 2}, {TunnelType::kNsh, 3}, {TunnelType::kNsh, 4}},
             Outcome::kUnsupported}),
    name_of);

TEST(TunnelAddressesTest, AreThoseOfTheNearestIpHeaderAround) {
  const OneDecoded one = decode_one(
      framed(kMplsType, test::mpls({1}, test::ipv4({.source = 0xac100001, .target = 0xac100002, .protocol = kGre},
                                                   test::gre({.type = kMplsType}, test::mpls({2}, inner()))))));
  ASSERT_EQ(one->tunnels.depth, 3);
  EXPECT_EQ(one->tunnels.layers[0].source, base::IpAddress{});
  EXPECT_EQ(one->tunnels.layers[1].source.text(), "172.16.0.1");
  EXPECT_EQ(one->tunnels.layers[2].source.text(), "172.16.0.1");
  EXPECT_EQ(one->tunnels.layers[2].target.text(), "172.16.0.2");
}

TEST(MirrorTest, TypeOneSaysNothing) {
  const OneDecoded one = decode_one(in_gre(0x88be, frame(inner())));
  EXPECT_EQ(one->mirror.type, 1);
  EXPECT_FALSE(one->mirror.has_sequence);
  EXPECT_EQ(decode_one(frame(inner()))->mirror.type, 0);
}

TEST(MirrorTest, TypeTwo) {
  const Buffer header = Writer().u16(0x1064).u16(0x0700 | 0x155).u32(0xfff12345).take();
  Buffer packet = header;
  const Buffer mirrored = frame(inner());
  packet.insert(packet.end(), mirrored.begin(), mirrored.end());
  const OneDecoded one = decode_one(in_ip(kGre, test::gre({.type = 0x88be, .sequence = 0xabcd1234}, packet)));
  ASSERT_EQ(one->outcome, Outcome::kTcp);
  EXPECT_EQ(one->mirror.type, 2);
  EXPECT_TRUE(one->mirror.has_sequence);
  EXPECT_EQ(one->mirror.sequence, 0xabcd1234);
  EXPECT_EQ(one->mirror.session_id, 0x355);
  EXPECT_EQ(one->mirror.vlan, 0x64);
  EXPECT_EQ(one->mirror.port, 0x12345u);
  EXPECT_TRUE(one->mirror.truncated);
  EXPECT_FALSE(one->mirror.has_timestamp);
}

TEST(MirrorTest, TypeThree) {
  const test::Erspan3Fields fields{
      .session_id = 0x3ff, .vlan = 7, .timestamp = 0xfeedbeef, .hardware_id = 0x2a, .egress = true, .granularity = 2};
  const OneDecoded one =
      decode_one(in_ip(kGre, test::gre({.type = 0x22eb, .sequence = 5}, test::erspan3(fields, frame(inner())))));
  ASSERT_EQ(one->outcome, Outcome::kTcp);
  EXPECT_EQ(one->tunnels.layers[0].type, TunnelType::kErspan3);
  EXPECT_EQ(one->tunnels.layers[0].id, 0x3ffu);
  EXPECT_EQ(one->mirror.type, 3);
  EXPECT_EQ(one->mirror.sequence, 5u);
  EXPECT_EQ(one->mirror.session_id, 0x3ff);
  EXPECT_EQ(one->mirror.vlan, 7);
  EXPECT_TRUE(one->mirror.has_timestamp);
  EXPECT_EQ(one->mirror.timestamp, 0xfeedbeef);
  EXPECT_FALSE(one->mirror.timestamp_wide);
  EXPECT_EQ(one->mirror.hardware_id, 0x2a);
  EXPECT_TRUE(one->mirror.egress);
  EXPECT_EQ(one->mirror.granularity, Granularity::kNanoseconds);
}

TEST(MirrorTest, TypeThreeWithASubheader) {
  struct {
    std::uint64_t subheader;
    bool wide;
    std::uint32_t port, high;
  } const cases[] = {{3ull << 58 | 0xfff0123ull << 32 | 0x11223344, true, 0x123, 0x11223344},
                     {5ull << 58 | 0x3ff1234ull << 32 | 0x11223344, true, 0x1234, 0x11223344},
                     {1ull << 58 | 0x3ff1234ull << 32 | 0x11223344, false, 0, 0}};
  for (const auto& one : cases) {
    const Buffer mirrored = test::erspan3({.subheader = one.subheader}, frame(inner()));
    const OneDecoded decoded = decode_one(in_ip(kGre, test::gre({.type = 0x22eb, .sequence = 5}, mirrored)));
    ASSERT_EQ(decoded->outcome, Outcome::kTcp);
    EXPECT_EQ(decoded->mirror.timestamp_wide, one.wide);
    EXPECT_EQ(decoded->mirror.port, one.port);
    EXPECT_EQ(decoded->mirror.timestamp_high, one.high);
  }
}

TEST(MirrorTest, TypeThreeOfAnIpPacket) {
  const Buffer mirrored = test::erspan3({.frame_type = 2}, inner_v6());
  EXPECT_EQ(decode_one(in_ip(kGre, test::gre({.type = 0x22eb, .sequence = 5}, mirrored)))->outcome, Outcome::kTcp);
}

}  // namespace
}  // namespace hoptap::decode
