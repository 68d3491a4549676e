// Retransmissions told apart: one script of packets for each kind of docs/metrics.md.
#include "flowtable/retransmission.h"

#include "tests/unit/metrics_script.h"

namespace hoptap::tests {
namespace {

using decode::Decoded;
using flowtable::DirectionMetrics;

constexpr std::uint64_t kMs = kMillisecond;

struct Kinds {
  std::uint32_t timeout = 0, fast = 0, probe = 0, spurious = 0;
  bool operator==(const Kinds&) const = default;
};

Kinds kinds_of(const DirectionMetrics& way) {
  return {way.retransmissions_timeout, way.retransmissions_fast, way.retransmissions_probe,
          way.retransmissions_spurious};
}

/// An open connection on which the client has sent three segments of ten bytes, from position 3 on.
class Sent : public MetricsScript {
 public:
  Sent() {
    open();
    for (int i = 0; i < 3; ++i) client.send(filled(10));
  }
};

std::function<void(Decoded&)> sack(std::uint8_t blocks, std::uint32_t left, std::uint32_t right) {
  return [=](Decoded& packet) {
    packet.tcp.sack_blocks = blocks;
    packet.tcp.sack_left = left;
    packet.tcp.sack_right = right;
  };
}

TEST(Retransmission, ByTimeout) {
  Sent script;
  script.wait(400 * kMs);
  script.client.send_at(3, filled(10));
  EXPECT_EQ(kinds_of(script.report().to_server), (Kinds{.timeout = 1}));
}

TEST(Retransmission, WhatFollowsATimeoutIsOfIt) {  // go-back-N: sent at once, no timer of its own
  Sent script;
  script.wait(400 * kMs);
  for (int i = 0; i < 3; ++i) script.client.send_at(static_cast<std::uint32_t>(3 + 10 * i), filled(10));
  EXPECT_EQ(kinds_of(script.report().to_server), (Kinds{.timeout = 3}));
}

TEST(Retransmission, FastByThreeDuplicateAcknowledgments) {
  Sent script;
  for (int i = 0; i < 4; ++i) script.server.ack_at(3);
  script.client.send_at(3, filled(10));
  const auto& flow = script.report();
  EXPECT_EQ(kinds_of(flow.to_server), (Kinds{.fast = 1}));
  EXPECT_EQ(flow.to_server.duplicate_acks, 4u);
}

TEST(Retransmission, FastBySack) {
  Sent script;
  script.server.touch = sack(1, script.client.start() + 13, script.client.start() + 23);
  script.server.ack_at(3);
  script.client.send_at(3, filled(10));
  EXPECT_EQ(kinds_of(script.report().to_server), (Kinds{.fast = 1}));
}

TEST(Retransmission, ADuplicateSackTellsOfNoHole) {  // RFC 2883 section 4
  Sent script;
  script.server.touch = sack(1, script.client.start() + 3, script.client.start() + 13);
  script.server.ack();
  script.client.send(filled(10));
  script.wait(400 * kMs);
  script.client.send_at(33, filled(10));
  const auto& flow = script.report();
  EXPECT_EQ(kinds_of(flow.to_server), (Kinds{.timeout = 1}));
  EXPECT_EQ(flow.to_server.sack_blocks, 1u);
}

TEST(Retransmission, ADuplicateSackWithAnotherBlockDoes) {
  Sent script;
  script.server.touch = sack(2, script.client.start(), script.client.start() + 3);
  script.server.ack_at(3);
  script.client.send_at(3, filled(10));
  EXPECT_EQ(kinds_of(script.report().to_server), (Kinds{.fast = 1}));
}

TEST(Retransmission, ByTimeoutWhenTheFastOneWasLostToo) {
  Sent script;
  for (int i = 0; i < 4; ++i) script.server.ack_at(3);
  script.client.send_at(3, filled(10));
  script.wait(400 * kMs);
  script.client.send_at(3, filled(10));
  EXPECT_EQ(kinds_of(script.report().to_server), (Kinds{.timeout = 1, .fast = 1}));
}

TEST(Retransmission, ATailLossProbe) {  // the last segment again, sooner than a timeout, and nobody has asked
  Sent script;
  script.wait(20 * kMs);
  script.client.send_at(23, filled(10));
  EXPECT_EQ(kinds_of(script.report().to_server), (Kinds{.probe = 1}));
}

TEST(Retransmission, SpuriousWhenAllOfItWasAcknowledged) {
  Sent script;
  script.server.ack();
  script.wait(400 * kMs);
  script.client.send_at(3, filled(10));
  EXPECT_EQ(kinds_of(script.report().to_server), (Kinds{.spurious = 1}));
}

TEST(Retransmission, EachCopyIsOfOneKind) {
  Sent script;
  script.wait(400 * kMs);
  script.client.send_at(3, filled(10));
  script.server.ack_at(13);
  for (int i = 0; i < 3; ++i) script.server.ack_at(13);
  script.client.send_at(13, filled(10));
  const auto& flow = script.report();
  EXPECT_EQ(flow.to_server.retransmissions(), 2u);
  EXPECT_EQ(flow.to_server.payload_bytes, 3u + 50);
}

TEST(Retransmission, OfSynAndSynAck) {
  MetricsScript script;
  script.client.syn();
  script.wait(kSecond);
  script.client.touch = [](Decoded& packet) { packet.tcp.flags = decode::tcp_flag::kSyn; };
  script.client.syn();
  script.client.touch = nullptr;
  script.server.syn();
  script.server.syn();
  script.client.ack();
  const auto& flow = script.report();
  EXPECT_EQ(flow.to_server.syn_retransmissions, 1u);
  EXPECT_EQ(flow.to_client.syn_retransmissions, 1u);
  EXPECT_EQ(flow.to_server.syn, 2u);
  EXPECT_EQ(flow.to_server.retransmissions() + flow.to_client.retransmissions(), 0u);
}

TEST(Retransmission, OfASingleByte) {  // as of a key pressed: not yet acknowledged, so no keep-alive
  MetricsScript script;
  script.open();
  script.client.send("k");
  script.wait(400 * kMs);
  script.client.send_at(3, "k");
  const auto& flow = script.report();
  EXPECT_EQ(kinds_of(flow.to_server), (Kinds{.timeout = 1}));
  EXPECT_EQ(flow.to_server.keep_alives, 0u);
}

TEST(Retransmission, AProbeOfAClosedWindowIsNone) {
  MetricsScript script;
  script.open();
  script.server.set_window(0);
  script.server.ack();
  for (int i = 0; i < 3; ++i) {
    script.wait(400 * kMs);
    script.client.send_at(3, "k");
  }
  const auto& flow = script.report();
  EXPECT_EQ(flow.to_server.keep_alives, 2u);
  EXPECT_EQ(kinds_of(flow.to_server), Kinds{});
}

TEST(Retransmission, AKeepAliveWithoutAByteIsNone) {  // as Linux sends it
  MetricsScript script;
  script.open();
  script.client.touch = [](Decoded& packet) { packet.tcp.sequence -= 1; };
  for (int i = 0; i < 4; ++i) {
    script.wait(10 * kSecond);
    script.client.ack();
    script.server.ack();
  }
  const auto& flow = script.report();
  EXPECT_EQ(flow.to_server.keep_alives, 4u);
  EXPECT_EQ(flow.to_client.keep_alives, 0u);
  EXPECT_EQ(flow.to_client.duplicate_acks + flow.to_server.duplicate_acks, 0u);
}

TEST(Retransmission, AKeepAliveOfAFlowWithoutData) {  // picked up in the middle: only acknowledgments tell the place
  MetricsScript script;
  script.client.ack();
  script.server.ack();
  script.client.touch = [](Decoded& packet) { packet.tcp.sequence -= 1; };
  for (int i = 0; i < 2; ++i) {
    script.wait(10 * kSecond);
    script.client.ack();
    script.server.ack();
  }
  const auto& flow = script.report();
  EXPECT_EQ(flow.to_server.keep_alives, 2u);
  EXPECT_EQ(flow.to_client.keep_alives, 0u);
}

TEST(Retransmission, AKeepAliveOfAHalfClosedConnection) {  // what it acknowledges is the other end's FIN
  MetricsScript script;
  script.open();
  script.server.fin();
  script.client.ack();
  script.client.touch = [](Decoded& packet) { packet.tcp.sequence -= 1; };
  for (int i = 0; i < 2; ++i) {
    script.wait(10 * kSecond);
    script.client.ack();
    script.server.ack();
  }
  EXPECT_EQ(script.report().to_server.keep_alives, 2u);
}

TEST(Retransmission, AKeepAliveIsNone) {  // the last byte again, or none at the place before the next
  MetricsScript script;
  script.open();
  script.wait(10 * kSecond);
  script.client.send_at(2, "k");
  script.server.ack();
  const auto& flow = script.report();
  EXPECT_EQ(flow.to_server.keep_alives, 1u);
  EXPECT_EQ(kinds_of(flow.to_server), Kinds{});
}

}  // namespace
}  // namespace hoptap::tests
