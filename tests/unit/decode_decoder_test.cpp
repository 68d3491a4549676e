#include "decode/decoder.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "tests/unit/packet_builder.h"

namespace hoptap::decode {
namespace {

using test::Buffer;
using test::packet_of;

TEST(OutcomeTest, EveryOneHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t at = 0; at < kOutcomeCount; ++at) names.insert(outcome_name(static_cast<Outcome>(at)));
  EXPECT_EQ(names.size(), kOutcomeCount);
  EXPECT_EQ(outcome_name(Outcome::kTcp), "tcp");
  EXPECT_EQ(outcome_name(Outcome::kIcmp), "icmp");
  EXPECT_EQ(outcome_name(Outcome::kOtherIp), "other_ip");
  EXPECT_EQ(outcome_name(Outcome::kMalformed), "malformed");
}

TEST(DecoderTest, DecodesABatchWithTheLinkTypeOfEachInterface) {
  const Buffer segment = test::ipv4({}, test::tcp({}, test::text("hello")));
  const Buffer datagram = test::ipv4({.protocol = 17}, test::udp({}, test::text("hi")));
  const Buffer framed = test::ethernet({}, segment);
  std::array<capture::Packet, 3> packets{packet_of(framed, 10), packet_of(datagram, 20), packet_of(segment, 30)};
  packets[1].interface_id = packets[2].interface_id = 1;
  const std::array<capture::Interface, 2> interfaces{capture::Interface{.link_type = 1},
                                                     capture::Interface{.link_type = 101}};
  std::array<Decoded, 4> decoded;
  Decoder decoder;
  decoder.decode(packets, interfaces, decoded);
  EXPECT_EQ(decoded[0].outcome, Outcome::kTcp);
  EXPECT_EQ(decoded[0].time_ns, 10u);
  EXPECT_EQ(decoded[0].interface_id, 0);
  EXPECT_EQ(decoded[1].outcome, Outcome::kUdp);
  EXPECT_EQ(decoded[2].outcome, Outcome::kTcp);
  EXPECT_EQ(decoded[2].time_ns, 30u);
  EXPECT_EQ(decoded[2].interface_id, 1);
  EXPECT_EQ(decoder.counters()[static_cast<std::size_t>(Outcome::kTcp)], 2u);
  EXPECT_EQ(decoder.counters()[static_cast<std::size_t>(Outcome::kUdp)], 1u);
}

TEST(DecoderTest, LeavesNothingOfThePacketBefore) {
  const Buffer rich = test::ethernet(
      {.vlans = {{.id = 7}}},
      test::ipv4({.protocol = 17},
                 test::udp({.target_port = 4789},
                           test::vxlan(5, test::ethernet({}, test::ipv6({.traffic_class = 9},
                                                                        test::tcp({.options = test::mss_option(1460)},
                                                                                  test::text("x"))))))));
  const Buffer poor = test::ethernet({.type = 0x0806}, Buffer(28));
  const std::array<capture::Interface, 1> interfaces{};
  std::array<Decoded, 1> decoded;
  Decoder decoder;
  decoder.decode(std::array{packet_of(rich)}, interfaces, decoded);
  ASSERT_EQ(decoded[0].outcome, Outcome::kTcp);
  decoder.decode(std::array{packet_of(poor)}, interfaces, decoded);
  EXPECT_EQ(decoded[0].outcome, Outcome::kNotIp);
  EXPECT_EQ(decoded[0].source, base::Endpoint{});
  EXPECT_EQ(decoded[0].tunnels, base::TunnelStack{});
  EXPECT_EQ(decoded[0].link.vlan_count, 0u);
  EXPECT_EQ(decoded[0].tcp.mss, 0);
  EXPECT_EQ(decoded[0].traffic_class, 0);
  EXPECT_TRUE(decoded[0].payload.empty());
  EXPECT_EQ(decoded[0].payload_wire_bytes, 0u);
}

TEST(DecoderTest, TakesNoPackets) {
  Decoder decoder;
  decoder.decode({}, {}, {});
  EXPECT_EQ(std::accumulate(decoder.counters().begin(), decoder.counters().end(), std::uint64_t{0}), 0u);
}

}  // namespace
}  // namespace hoptap::decode
