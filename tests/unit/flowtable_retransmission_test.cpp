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
  script.server.touch = [](Decoded& packet) { packet.tcp.sack_blocks = 1; };
  script.server.ack_at(3);
  script.client.send_at(3, filled(10));
  EXPECT_EQ(kinds_of(script.report().to_server), (Kinds{.fast = 1}));
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
