// One direction in order: loss, reorder, overlap, retransmission, holes, cut packets.
#include "flowtable/half_stream.h"

#include <gtest/gtest.h>

#include "tests/unit/tcp_script.h"

namespace hoptap::tests {
namespace {

using flowtable::FlowTableConfig;
using flowtable::HopRecord;
namespace record_flag = flowtable::record_flag;

/// Segments of one request as they pass, each at a position of the stream.
struct OrderCase {
  std::string name;
  std::vector<std::pair<std::uint32_t, std::string>> segments;
  std::uint32_t retransmissions, out_of_order;
};

class Order : public testing::TestWithParam<OrderCase> {};

// "GET /abcdef HTTP/1.1\r\n\r\n": the target is at 4.
TEST_P(Order, TheRequestIsWhole) {
  Script script;
  script.handshake();
  for (const auto& [at, text] : GetParam().segments) script.client.send_at(at, text);
  script.client.lose(24);
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].resource, "/abcdef");
  EXPECT_EQ(hops[0].request.bytes, 24u);
  EXPECT_TRUE(hops[0].response.seen());
  EXPECT_EQ(script.records.legs[0].to_server.retransmissions, GetParam().retransmissions);
  EXPECT_EQ(script.records.legs[0].to_server.out_of_order, GetParam().out_of_order);
}

INSTANTIATE_TEST_SUITE_P(
    Segments, Order,
    testing::Values(OrderCase{"InOrder", {{0, "GET /abc"}, {8, "def HTTP/1.1\r\n\r\n"}}, 0, 0},
                    OrderCase{"Swapped", {{8, "def HTTP/1.1\r\n\r\n"}, {0, "GET /abc"}}, 0, 1},
                    OrderCase{"Backwards", {{20, "\r\n\r\n"}, {8, "def HTTP/1.1"}, {0, "GET /abc"}}, 0, 2},
                    OrderCase{"FirstCopyWins", {{0, "GET /abc"}, {5, "XXXdef HTTP/1.1\r\n\r\n"}}, 0, 0},
                    OrderCase{"FirstHeldCopyWins", {{8, "def HTTP/1.1\r\n\r\n"}, {0, "GET /abcXXX"}}, 0, 1},
                    OrderCase{"HeldOverlap", {{8, "def"}, {10, "X HTTP/1.1\r\n\r\n"}, {0, "GET /abc"}}, 0, 2},
                    OrderCase{"HeldSpansHeld", {{10, "f"}, {8, "deX HTTP/1.1\r\n\r\n"}, {0, "GET /abcXX"}}, 0, 2},
                    OrderCase{"SentAgain", {{0, "GET /abc"}, {0, "GET /abc"}, {8, "def HTTP/1.1\r\n\r\n"}}, 1, 0},
                    OrderCase{"HeldAgain", {{8, "def HTTP/1.1\r\n\r\n"}, {8, "def"}, {0, "GET /abc"}}, 1, 1},
                    OrderCase{"OtherBoundaries", {{0, "GET /abc"}, {0, "GET /abcdef HTTP/1.1\r\n\r\n"}}, 0, 0}),
    [](const auto& tested) { return tested.param.name; });

TEST(HalfStream, TheMessageEndsWhenTheHoleIsFilled) {
  Script script;
  script.handshake();
  script.client.send(get("/"));
  const std::string response = ok(filled(20));
  script.server.send_at(0, response.substr(0, 10));
  script.server.send_at(30, response.substr(30));
  script.wait(50 * kMillisecond);
  script.server.send_at(10, response.substr(10, 20));
  const std::uint64_t filled_ns = script.now_ns;
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].response.last_ns, filled_ns);
  EXPECT_EQ(hops[0].response.out_of_order, 1u);
  EXPECT_EQ(hops[0].flags & record_flag::kResponseGap, 0u);
}

TEST(HalfStream, SequenceNumbersWrap) {
  Script script({}, 80, 0xfffffff0, 0xfffffffd);
  script.handshake();
  for (int i = 0; i < 3; ++i) {
    script.client.send(get("/"));
    script.server.send(ok(filled(30)));
    script.client.ack();
  }
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 3u);
  for (const HopRecord& hop : hops) EXPECT_TRUE(hop.response.seen());
  EXPECT_EQ(script.table.counters().gaps, 0u);
  EXPECT_EQ(script.table.counters().legs, 1u);
}

TEST(HalfStream, AGapInsideABodyCostsNothing) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  script.server.send(ok(filled(3000)).substr(0, 1000));
  script.server.lose(1000);
  script.server.send(filled(static_cast<std::size_t>(ok(filled(3000)).size() - 2000)));
  script.client.ack();
  script.wait(10 * kMillisecond);
  script.client.send(get("/2"));
  script.server.send(ok(""));
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_NE(hops[0].flags & record_flag::kResponseGap, 0u);
  EXPECT_EQ(hops[0].response.bytes, ok(filled(3000)).size());
  EXPECT_EQ(hops[0].response.unseen_bytes, 1000u);
  EXPECT_EQ(hops[1].status, 200u);
  EXPECT_EQ(script.table.counters().resyncs, 0u);
}

TEST(HalfStream, ACutPacketIsAGapOfKnownLength) {
  Script script;
  script.handshake();
  script.client.send(get("/"));
  script.server.send_cut(ok(filled(1000)), 96);
  script.server.send_cut(filled(10), 0);
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].response.bytes, ok(filled(1000)).size());
  EXPECT_NE(hops[0].flags & record_flag::kTruncated, 0u);
  EXPECT_NE(hops[0].flags & record_flag::kResponseGap, 0u);
  EXPECT_EQ(hops[0].response.unseen_bytes, 0u) << "it was captured, only cut";
}

TEST(HalfStream, AKeepAliveProbeIsNoRetransmission) {
  Script script;
  script.handshake();
  script.client.send(get("/"));
  script.server.send(ok(""));
  const auto size = static_cast<std::uint32_t>(get("/").size());
  script.client.send_at(size - 1, "\n");
  script.server.ack();
  script.finish();
  EXPECT_EQ(script.records.legs[0].to_server.retransmissions, 0u);
}

TEST(HalfStream, AcknowledgedButUnseenBytesAreCounted) {
  Script script;
  script.handshake();
  script.client.lose(100);
  script.server.ack();
  script.wait(10 * kMillisecond);
  script.server.ack();
  script.finish();
  EXPECT_EQ(script.records.legs[0].to_server.unseen_bytes, 100u);
  EXPECT_EQ(script.records.legs[0].to_server.acknowledged_bytes, 100u);
}

TEST(HalfStream, HeldBytesHaveALimit) {
  FlowTableConfig config;
  config.held_bytes_flow_max = 4096;
  Script script(config);
  script.handshake();
  script.client.send(get("/"));
  for (std::uint32_t at = 100; at < 20000; at += 100) script.server.send_at(at, filled(100));
  EXPECT_GT(script.table.counters().gaps, 0u);
  script.finish();
  EXPECT_EQ(script.records.legs.size(), 1u);
}

TEST(HalfStream, ADirectionThatWasNeverSeenHasNoHole) {
  Script script;  // picked up in the middle, and only what the client sends
  script.client.send(get("/1"));
  script.client.ack();
  const auto& hops = script.finish();
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].response.unseen_bytes, 0u);
  EXPECT_EQ(script.records.legs[0].to_client.unseen_bytes, 0u);
  EXPECT_EQ(script.table.counters().gaps, 0u);
}

TEST(HalfStream, BytesBehindALongHoleAreNotOutOfOrder) {
  Script script;
  script.handshake();
  script.client.send(get("/1"));
  for (int i = 0; i < 48; ++i) {  // 3 GiB, more than half of the sequence space
    script.server.lose(64u << 20);
    script.client.ack();
    script.wait(10 * kMillisecond);
    script.client.ack();
  }
  script.server.send("a");
  script.server.send("b");
  script.finish();
  EXPECT_EQ(script.records.legs[0].to_client.out_of_order, 0u);
  EXPECT_EQ(script.records.legs[0].to_client.unseen_bytes, 48ull * (64u << 20));
}

}  // namespace
}  // namespace hoptap::tests
