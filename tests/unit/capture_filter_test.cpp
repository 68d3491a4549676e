#include "capture/filter.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/unit/packet_builder.h"

namespace hoptap::capture {
namespace {

using test::Buffer;
using test::packet_of;

Buffer web_request() { return test::ipv4({}, test::tcp({.target_port = 80})); }
Buffer name_query() { return test::ipv4({.protocol = 17}, test::udp({.target_port = 53}, test::text("?"))); }

TEST(PacketFilterTest, CompactsTheBatchInOrderAndCountsTheRest) {
  auto filter = PacketFilter::compile("tcp port 80");
  ASSERT_TRUE(filter.has_value());
  const Buffer web = test::ethernet({}, web_request()), name = test::ethernet({}, name_query());
  const std::array<Interface, 1> interfaces{};
  std::array<Packet, 5> batch{packet_of(name, 1), packet_of(web, 2), packet_of(name, 3), packet_of(web, 4),
                              packet_of(web, 5)};
  ASSERT_EQ(filter->apply(batch, interfaces), 3u);
  EXPECT_EQ(batch[0].time_ns, 2u);
  EXPECT_EQ(batch[1].time_ns, 4u);
  EXPECT_EQ(batch[2].time_ns, 5u);
  EXPECT_EQ(filter->filtered_packets(), 2u);
  ASSERT_EQ(filter->apply(std::span(batch).first(3), interfaces), 3u);
  EXPECT_EQ(filter->filtered_packets(), 2u);
  EXPECT_EQ(filter->complaint(), "");
}

TEST(PacketFilterTest, CompilesForEachLinkType) {
  auto filter = PacketFilter::compile("udp port 53");
  ASSERT_TRUE(filter.has_value());
  const std::array<Interface, 4> interfaces{Interface{.link_type = 1}, Interface{.link_type = 101},
                                            Interface{.link_type = 113}, Interface{.link_type = 276}};
  const std::array<Buffer, 4> frames{test::ethernet({}, name_query()), name_query(), test::cooked(name_query(), 0x0800),
                                     test::cooked2(name_query(), 0x0800, 7)};
  std::array<Packet, 4> batch;
  for (std::size_t at = 0; at < batch.size(); ++at) {
    batch[at] = packet_of(frames[at]);
    batch[at].interface_id = static_cast<std::uint16_t>(at);
  }
  EXPECT_EQ(filter->apply(batch, interfaces), 4u);
  EXPECT_EQ(filter->filtered_packets(), 0u);
}

TEST(PacketFilterTest, SaysForWhichLinkTypeItMakesNoSense) {
  auto filter = PacketFilter::compile("ether host 02:00:00:00:00:01");
  ASSERT_TRUE(filter.has_value());
  const std::array<Interface, 1> interfaces{Interface{.link_type = 101}};
  const Buffer raw = web_request();
  std::array<Packet, 1> batch{packet_of(raw)};
  EXPECT_EQ(filter->apply(batch, interfaces), 0u);
  EXPECT_EQ(filter->filtered_packets(), 1u);
  EXPECT_NE(filter->complaint().find("matches nothing of link type 101"), std::string::npos) << filter->complaint();
}

TEST(PacketFilterTest, PassesOnLibpcapsWords) {
  const auto filter = PacketFilter::compile("tcp prot 80");
  ASSERT_FALSE(filter.has_value());
  EXPECT_NE(filter.error().what.find("filter 'tcp prot 80': "), std::string::npos);
  EXPECT_NE(filter.error().what.find("syntax error"), std::string::npos) << filter.error().what;
}

TEST(PacketFilterTest, UsesTheWireLength) {
  auto filter = PacketFilter::compile("greater 1000");
  ASSERT_TRUE(filter.has_value());
  const Buffer frame = test::ethernet({}, web_request());
  const std::array<Interface, 1> interfaces{};
  std::array<Packet, 2> batch{packet_of(frame, 1), packet_of(frame, 2, 1500)};
  ASSERT_EQ(filter->apply(batch, interfaces), 1u);
  EXPECT_EQ(batch[0].time_ns, 2u);
}

}  // namespace
}  // namespace hoptap::capture
