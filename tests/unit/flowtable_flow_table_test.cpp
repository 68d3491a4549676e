// Packets captured twice, both sides of a router in one feed, limits and idle legs.
#include "flowtable/flow_table.h"

#include <gtest/gtest.h>

#include "tests/unit/tcp_script.h"

namespace hoptap::tests {
namespace {

using flowtable::CloseType;
using flowtable::FlowTableConfig;

decode::Decoded packet(std::uint64_t time_ns, std::uint16_t client_port, std::uint8_t ttl, std::uint16_t ip_id) {
  decode::Decoded packet;
  packet.time_ns = time_ns;
  packet.outcome = decode::Outcome::kTcp;
  packet.protocol = 6;
  packet.source = endpoint(1, client_port);
  packet.target = endpoint(2, 80);
  packet.ttl = ttl;
  packet.ip_id = ip_id;
  packet.tcp.flags = decode::tcp_flag::kSyn;
  return packet;
}

TEST(FlowTable, APacketCapturedTwiceIsOne) {
  Script script;
  script.play(packet(kSecond, 40000, 64, 7));
  script.play(packet(kSecond + 10, 40000, 64, 7));
  script.finish();
  EXPECT_EQ(script.table.counters().duplicates, 1u);
  EXPECT_EQ(script.records.legs.size(), 1u);
  EXPECT_EQ(script.records.legs[0].to_server.duplicates_removed, 1u);
}

TEST(FlowTable, AcknowledgmentsThatDifferInTheirSackBlockAreTwo) {
  Script script;
  for (const std::uint32_t edge : {2000u, 3000u}) {
    decode::Decoded ack = packet(kSecond + edge, 40000, 64, 0);
    ack.tcp.flags = decode::tcp_flag::kAck;
    ack.tcp.has_timestamps = true;
    ack.tcp.tsval = 7;
    ack.tcp.sack_blocks = 1;
    ack.tcp.sack_left = 1000;
    ack.tcp.sack_right = edge;
    script.play(ack);
  }
  script.finish();
  EXPECT_EQ(script.table.counters().duplicates, 0u);
}

TEST(FlowTable, TimeGoesOnWithoutPackets) {
  Script script;
  script.handshake();
  script.client.send("GET / HTTP/1.1\r\n\r\n");
  script.server.send("HTTP/1.1 204 No Content\r\n\r\n");
  script.client.ack();
  EXPECT_TRUE(script.records.hops.empty());  // it may be sent again
  script.table.advance(script.now_ns + FlowTableConfig{}.settle_ns / 2);
  EXPECT_TRUE(script.records.hops.empty());
  script.table.advance(script.now_ns + 3 * FlowTableConfig{}.settle_ns);
  EXPECT_EQ(script.records.hops.size(), 1u);
  EXPECT_TRUE(script.records.legs.empty());
  script.table.advance(script.now_ns + 2 * FlowTableConfig{}.idle_timeout_ns);
  EXPECT_EQ(script.records.legs.size(), 1u);
  EXPECT_EQ(script.table.live_legs(), 0u);
  script.table.advance(0);  // never back
  EXPECT_EQ(script.records.legs.size(), 1u);
}

TEST(FlowTable, BothSidesOfARouterAreTwoLegs) {
  Script script;
  script.play(packet(kSecond, 40000, 64, 7));
  script.play(packet(kSecond + 10, 40000, 63, 7));
  script.finish();
  EXPECT_EQ(script.table.counters().virtual_points, 1u);
  ASSERT_EQ(script.records.legs.size(), 2u);
  EXPECT_NE(script.records.legs[0].leg_id, script.records.legs[1].leg_id);
}

TEST(FlowTable, LegsHaveALimit) {
  FlowTableConfig config;
  config.flows_max = 10;
  Script script(config);
  for (std::uint16_t port = 1; port <= 100; ++port) {
    script.play(packet(kSecond, port, 64, port));
    EXPECT_LE(script.table.live_legs(), 10u);
  }
  EXPECT_EQ(script.table.counters().legs_evicted, 90u);
  script.finish();
  EXPECT_EQ(script.records.legs.size(), 100u);
}

decode::Decoded data(std::uint64_t time_ns, std::uint16_t client_port, bool from_server) {
  decode::Decoded segment = packet(time_ns, client_port, 64, client_port);
  segment.tcp.flags = decode::tcp_flag::kAck;
  segment.payload = base::as_bytes("x");
  segment.payload_wire_bytes = 1;
  if (from_server) std::swap(segment.source, segment.target);
  return segment;
}

TEST(FlowTable, BusyLegsHaveALimit) {
  FlowTableConfig config;
  config.ledgers_max = 4;
  config.l7 = false;
  Script script(config);
  for (std::uint16_t port = 1; port <= 20; ++port) {  // all of them established
    script.play(data(kSecond + port, port, false));
    script.play(data(kSecond + port, port, true));
  }
  EXPECT_EQ(script.table.live_legs(), 20u);  // nothing idle could go: further ones are counted, no more
  EXPECT_EQ(script.table.counters().ledgers_refused, 16u);
  script.play(data(10 * kSecond, 50, false));  // the others are idle now: one of them goes
  EXPECT_EQ(script.table.counters().ledgers_refused, 16u);
  EXPECT_EQ(script.table.counters().legs_evicted, 1u);
  script.finish();
  ASSERT_EQ(script.records.legs.size(), 21u);
  for (const auto& leg : script.records.legs) EXPECT_GE(leg.to_server.packets, 1u);
}

TEST(FlowTable, ARefusedLegStillEnds) {
  FlowTableConfig config;
  config.ledgers_max = 1;
  config.l7 = false;
  Script script(config);
  script.play(data(kSecond, 1, false));
  script.play(data(kSecond, 1, true));
  script.handshake();
  script.client.send("ask");
  script.server.send("answer");
  script.client.fin();
  script.server.fin();
  script.client.ack();
  script.play(data(script.now_ns + 5 * kSecond, 1, false));
  ASSERT_EQ(script.records.legs.size(), 1u);
  EXPECT_EQ(script.records.legs[0].close, CloseType::kFin);
  EXPECT_NE(script.records.legs[0].ack_ns, 0u);
}

TEST(FlowTable, IdleLegsAreClosed) {
  Script script;
  script.play(packet(kSecond, 40000, 64, 1));
  script.play(packet(400 * kSecond, 40001, 64, 2));
  ASSERT_EQ(script.records.legs.size(), 1u);
  EXPECT_EQ(script.records.legs[0].close, CloseType::kIdle);
  EXPECT_EQ(script.table.live_legs(), 1u);
}

TEST(FlowTable, ACaptureMayBeginAtTimeZero) {
  Script script;
  script.play(packet(0, 40000, 64, 1));
  script.finish();
  EXPECT_NE(script.records.legs[0].syn_ns, 0u);
}

/// More flows than there may be, while no report falls due.
TEST(FlowTable, ReportsAreOfAllFlowsOfAFlood) {
  FlowTableConfig config;
  config.flows_max = config.ledgers_max = 8;
  config.metrics_interval_ns = kSecond;
  Script script(config);
  std::uint64_t packets = 0;
  for (std::uint16_t round = 0; round < 50; ++round) {
    for (std::uint16_t port = 1; port <= 5; ++port) {
      for (int copy = 0; copy < 2; ++copy) {
        script.now_ns = kSecond;  // time stands still
        script.client.touch = [&](decode::Decoded& packet) {
          packet.source.port = static_cast<std::uint16_t>(1000 + 16 * (port == 1 ? 0 : round) + port);
        };
        script.client.datagram("x" + std::to_string(copy));
      }
    }
  }
  script.finish();
  std::uint64_t opened = 0, closed = 0;
  for (const auto& report : script.records.reports) {
    packets += report.to_server.packets + report.to_client.packets;
    opened += report.opened ? 1 : 0;
    closed += report.closed ? 1 : 0;
  }
  EXPECT_EQ(packets, 500u);
  EXPECT_EQ(opened, script.records.legs.size());
  EXPECT_EQ(closed, script.records.legs.size());
}

}  // namespace
}  // namespace hoptap::tests
