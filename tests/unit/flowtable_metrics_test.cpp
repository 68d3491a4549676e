// TCP metrics against scripts of packets: one for each definition of docs/metrics.md.
#include "flowtable/metrics.h"

#include "tests/unit/metrics_script.h"

namespace hoptap::tests {
namespace {

using decode::Decoded;
using flowtable::DirectionMetrics;
using flowtable::FlowMetrics;
using flowtable::Times;

constexpr std::uint64_t kMs = kMillisecond;

void expect_times(const Times& times, std::uint32_t count, std::uint64_t sum_ns) {
  EXPECT_EQ(times.count, count);
  EXPECT_EQ(times.sum_ns, sum_ns);
}

TEST(Metrics, PacketsBytesAndFlags) {
  MetricsScript script;
  script.client.touch = script.server.touch = [](Decoded& packet) { packet.ip_bytes = 40 + packet.payload_wire_bytes; };
  script.open();
  script.client.fin();
  script.server.fin();
  script.client.ack();
  const FlowMetrics& flow = script.report();
  EXPECT_TRUE(flow.opened && flow.closed);
  EXPECT_EQ(flow.to_server.packets, 6u);
  EXPECT_EQ(flow.to_server.bytes, 6 * 40u + 3);
  EXPECT_EQ(flow.to_server.payload_bytes, 3u);
  EXPECT_EQ(flow.to_client.packets, 4u);
  EXPECT_EQ(flow.to_client.payload_bytes, 6u);
  EXPECT_EQ(flow.to_server.syn, 1u);
  EXPECT_EQ(flow.to_client.syn, 1u);
  EXPECT_EQ(flow.to_server.fin, 1u);
  EXPECT_EQ(flow.to_client.fin, 1u);
  EXPECT_EQ(flow.to_server.rst + flow.to_client.rst, 0u);
  EXPECT_EQ(flow.to_server.acknowledged_bytes, 3u);
  EXPECT_EQ(flow.to_client.acknowledged_bytes, 6u);
}

TEST(Metrics, Resets) {
  MetricsScript script;
  script.open();
  script.server.reset();
  script.client.reset();
  script.client.reset();
  const FlowMetrics& flow = script.report();
  EXPECT_EQ(flow.to_server.rst, 2u);
  EXPECT_EQ(flow.to_client.rst, 1u);
}

TEST(Metrics, TheHandshakeIsSplitAtThePoint) {
  MetricsScript script;
  script.client.syn();
  script.wait(9 * kMs);
  script.server.syn();
  script.wait(4 * kMs);
  script.client.ack();
  const FlowMetrics& flow = script.report();
  expect_times(flow.handshake_server, 1, 10 * kMs);
  expect_times(flow.handshake_client, 1, 5 * kMs);
  expect_times(flow.handshake, 1, 15 * kMs);
}

TEST(Metrics, RoundTripsAllAlong) {
  MetricsScript script;
  script.handshake();
  for (int i = 0; i < 3; ++i) {
    script.client.send("ask");
    script.wait(2 * kMs);
    script.server.ack();
  }
  script.server.send("answer");
  script.client.ack();
  const FlowMetrics& flow = script.report();
  expect_times(flow.to_server.rtt, 3, 9 * kMs);
  EXPECT_EQ(flow.to_server.rtt.min_ns, 3 * kMs);
  expect_times(flow.to_client.rtt, 1, kMs);
}

TEST(Metrics, NoRoundTripOfASegmentThatWasSentAgain) {  // Karn: which copy is acknowledged cannot be told
  MetricsScript script;
  script.open();
  script.client.send("ask");
  script.wait(300 * kMs);
  script.client.send_at(3, "ask");
  script.server.ack();
  const FlowMetrics& flow = script.report();
  expect_times(flow.to_server.rtt, 1, kMs);  // that of open()
  expect_times(flow.server_response, 1, kMs);
}

TEST(Metrics, WhatWaitsBehindAHoleIsNotTimed) {
  MetricsScript script;
  script.open();
  script.client.send("aaa");
  script.client.lose(3);
  script.client.send("ccc");
  script.server.ack_at(6);  // of the first: not yet the answer to all
  script.wait(200 * kMs);
  script.client.send_at(6, "bbb");
  script.server.ack();
  const FlowMetrics& flow = script.report();
  expect_times(flow.to_server.rtt, 2, 3 * kMs);
  expect_times(flow.server_response, 1, kMs);  // that of open()
  EXPECT_EQ(flow.to_server.in_flight_bytes_max, 9u);
  EXPECT_EQ(flow.to_server.out_of_order, 1u);
}

TEST(Metrics, AClockThatGoesBackwardsMeasuresNothing) {
  MetricsScript script;
  script.server.ack();  // a stray
  script.wait(20 * kMs);
  script.client.syn();
  script.now_ns -= 10 * kMs;
  script.server.syn();
  script.client.ack();
  const FlowMetrics& flow = script.report();
  expect_times(flow.handshake_server, 1, 0);
  expect_times(flow.handshake_client, 1, kMs);
  expect_times(flow.handshake, 1, 0);
}

TEST(Metrics, RoundTripsByTimestamps) {
  MetricsScript script;
  script.open();
  script.client.set_timestamps(500);
  script.client.send("ask");
  script.wait(3 * kMs);
  script.server.set_timestamps(900);
  script.server.touch = [](Decoded& packet) { packet.tcp.tsecr = 500; };
  script.server.ack();
  expect_times(script.report().to_server.rtt_timestamps, 1, 4 * kMs);
}

TEST(Metrics, KernelAndProcessAnswer) {
  MetricsScript script;
  script.handshake();
  script.client.send("first half, ");
  script.client.send("second half");
  script.wait(kMs);
  script.server.ack();  // 2 ms after the last byte
  script.wait(9 * kMs);
  script.server.send("answer");  // 12 ms after it
  script.client.ack();
  script.wait(99 * kMs);
  script.client.send("next");  // 101 ms after the answer
  const FlowMetrics& flow = script.report();
  expect_times(flow.server_response, 1, 2 * kMs);
  expect_times(flow.application_response, 1, 12 * kMs);
  expect_times(flow.client_idle, 1, 101 * kMs);
}

TEST(Metrics, BytesInFrontOfAFinThatWasSeenAreOutOfOrder) {
  MetricsScript script;
  script.open();
  script.client.lose(3);
  script.client.fin();
  script.client.send_at(3, "abc");
  const FlowMetrics& flow = script.report();
  EXPECT_EQ(flow.to_server.out_of_order, 1u);
  EXPECT_EQ(flow.to_server.retransmissions(), 0u);
}

TEST(Metrics, OutOfOrderAndDuplicateAcknowledgments) {
  MetricsScript script;
  script.open();
  script.client.send_at(6, "ghi");
  script.server.ack_at(3);
  script.server.ack_at(3);
  script.client.send_at(3, "def");
  script.client.lose(6);
  script.server.ack();
  const FlowMetrics& flow = script.report();
  EXPECT_EQ(flow.to_server.out_of_order, 1u);
  EXPECT_EQ(flow.to_server.duplicate_acks, 2u);
  EXPECT_EQ(flow.to_client.duplicate_acks, 0u);
  EXPECT_EQ(flow.to_server.retransmissions(), 0u);
}

TEST(Metrics, AWindowUpdateIsNoDuplicateAcknowledgment) {
  MetricsScript script;
  script.open();
  script.client.send_at(6, "ghi");
  script.server.set_window(60000);
  script.server.ack_at(3);
  script.server.set_window(50000);
  script.server.ack_at(3);
  EXPECT_EQ(script.report().to_server.duplicate_acks, 0u);
}

TEST(Metrics, SackBlocks) {
  MetricsScript script;
  script.open();
  script.client.send_at(6, "ghi");
  script.server.touch = [](Decoded& packet) { packet.tcp.sack_blocks = 2; };
  script.server.ack_at(3);
  EXPECT_EQ(script.report().to_server.sack_blocks, 2u);
}

TEST(Metrics, ZeroWindows) {
  MetricsScript script;
  script.open();
  for (int i = 0; i < 2; ++i) {
    script.server.set_window(0);
    script.server.ack();
    script.wait(10 * kMs);
    script.server.ack();  // still closed: the same zero window
    script.wait(8 * kMs);
    script.server.set_window(1000);
    script.server.ack();
  }
  const FlowMetrics& flow = script.report();
  EXPECT_EQ(flow.to_server.zero_windows, 2u);
  EXPECT_EQ(flow.to_server.zero_window_ns, 40 * kMs);
  EXPECT_EQ(flow.to_client.zero_windows, 0u);
}

TEST(Metrics, AZeroWindowThatAFlowBeginsWith) {  // measured from the second packet on
  MetricsScript script;
  script.server.set_window(0);
  script.server.ack();
  script.server.ack();
  script.wait(9 * kMs);
  script.server.set_window(500);
  script.server.ack();
  const FlowMetrics& flow = script.report();
  EXPECT_EQ(flow.to_server.zero_windows, 1u);
  EXPECT_EQ(flow.to_server.zero_window_ns, 10 * kMs);
}

/// The server's window is 250 bytes, or 250 units of its scale; the client sends 200 and waits.
std::uint64_t limited_ns(bool client_scales) {
  MetricsScript script;
  script.server.touch = [](Decoded& packet) {
    packet.tcp.has_window_scale = packet.tcp.has(decode::tcp_flag::kSyn);
    packet.tcp.mss = packet.tcp.has_window_scale ? 100 : 0;
    packet.tcp.window_scale = packet.tcp.has_window_scale ? 7 : 0;
  };
  script.client.touch = [client_scales](Decoded& packet) {
    packet.tcp.has_window_scale = client_scales && packet.tcp.has(decode::tcp_flag::kSyn);
  };
  script.server.set_window(250);
  script.handshake();
  script.server.ack();
  script.client.send(filled(100));
  script.client.send(filled(100));
  script.wait(20 * kMs);
  script.server.ack();
  EXPECT_EQ(script.report().to_client.window_scale, 7u);
  return script.records.reports[0].to_server.window_limited_ns;
}

TEST(Metrics, AWindowIsScaledWhenBothEndsAskedForIt) {  // RFC 7323 section 2.2
  EXPECT_EQ(limited_ns(true), 0u);
  EXPECT_EQ(limited_ns(false), 21 * kMs);
}

TEST(Metrics, LimitedByTheWindow) {
  MetricsScript script;
  script.server.touch = [](Decoded& packet) { packet.tcp.mss = packet.tcp.has(decode::tcp_flag::kSyn) ? 100 : 0; };
  script.server.set_window(250);
  script.handshake();
  script.server.ack();  // windows of SYNs are not scaled: the first plain one counts
  script.client.send(filled(100));
  script.client.send(filled(100));  // 50 bytes of the window are free: less than a segment
  script.wait(20 * kMs);
  script.server.ack();
  const FlowMetrics& flow = script.report();
  EXPECT_EQ(flow.to_server.window_limited_ns, 21 * kMs);
  EXPECT_EQ(flow.to_server.in_flight_bytes_max, 200u);
  EXPECT_EQ(flow.to_client.mss, 100u);
}

TEST(Metrics, AWindowWhoseScaleIsUnknownLimitsNothing) {
  MetricsScript script;
  script.server.set_window(10);
  script.server.ack();
  script.client.send(filled(100));
  script.client.send(filled(100));
  script.wait(20 * kMs);
  script.server.ack();
  EXPECT_EQ(script.report().to_server.window_limited_ns, 0u);
}

TEST(Metrics, OptionsOfTheHandshake) {
  MetricsScript script;
  script.client.touch = [](Decoded& packet) {
    packet.tcp.mss = 1460;
    packet.tcp.has_window_scale = true;
    packet.tcp.window_scale = 7;
  };
  script.handshake();
  const FlowMetrics& flow = script.report();
  EXPECT_EQ(flow.to_server.mss, 1460u);
  EXPECT_EQ(flow.to_server.window_scale, 7u);
  EXPECT_EQ(flow.to_client.mss, 0u);
}

TEST(Metrics, CongestionMarksEchoesAndTtl) {
  MetricsScript script;
  script.open();
  script.client.touch = [](Decoded& packet) { packet.traffic_class = 3; };
  script.client.send("a");
  script.client.touch = [](Decoded& packet) { packet.ttl = 60; };
  script.server.touch = [](Decoded& packet) { packet.tcp.flags |= decode::tcp_flag::kEce; };
  script.server.ack();
  script.client.send("b");
  script.client.touch = nullptr;
  script.client.send("c");
  const FlowMetrics& flow = script.report();
  EXPECT_EQ(flow.to_server.ecn_congestion, 1u);
  EXPECT_EQ(flow.to_client.ecn_echo, 1u);
  EXPECT_EQ(flow.to_server.ttl_changes, 2u);
}

TEST(Metrics, Completeness) {
  MetricsScript script;
  script.open();
  script.client.lose(10);
  script.client.send("seen");
  script.server.ack();
  script.wait(10 * kMs);
  script.server.ack();
  const FlowMetrics& flow = script.report();
  EXPECT_EQ(flow.to_server.unseen_bytes, 10u);
  EXPECT_EQ(flow.to_server.acknowledged_bytes, 17u);
}

TEST(Metrics, TheReplyToADatagram) {
  MetricsScript script;
  script.client.datagram("ask");
  script.wait(6 * kMs);
  script.server.datagram("answer");
  script.server.datagram("more");
  const FlowMetrics& flow = script.report();
  EXPECT_EQ(flow.transport, 17u);
  expect_times(flow.reply, 1, 7 * kMs);
  EXPECT_EQ(flow.to_client.packets, 2u);
}

TEST(Metrics, IcmpErrorsCountForTheFlowTheyQuote) {
  MetricsScript script;
  script.client.datagram("ask");
  Decoded error;
  error.time_ns = script.now_ns + kMs;
  error.outcome = decode::Outcome::kIcmp;
  error.protocol = 1;
  error.source = {endpoint(99, 0).address, 0};  // a router on the way
  error.target = {script.client.self().address, 0};
  error.icmp.quoted = {.source = script.client.self(), .target = script.server.self(), .protocol = 17, .valid = true};
  script.play(error);
  error.icmp.quoted.target.port = 9;
  script.play(error);
  EXPECT_EQ(script.report().icmp_errors, 1u);
  EXPECT_EQ(script.table.counters().icmp_errors, 1u);
  EXPECT_EQ(script.table.counters().icmp_errors_unmatched, 1u);
}

TEST(Metrics, IntervalsAddUp) {
  const auto play = [](MetricsScript& script) {
    script.handshake();
    for (int i = 0; i < 20; ++i) {
      script.client.send(filled(50));
      script.client.send_at(0, filled(50));
      script.server.ack();
      script.server.send(filled(70));
      script.client.ack();
      script.wait(300 * kMs);
    }
    script.finish();
  };
  MetricsScript whole, parts(metrics_config(kSecond));
  play(whole);
  play(parts);
  ASSERT_EQ(whole.records.reports.size(), 1u);
  ASSERT_GT(parts.records.reports.size(), 5u);
  const FlowMetrics& one = whole.records.reports[0];
  DirectionMetrics sum;
  Times rtt;
  int opened = 0, closed = 0;
  for (const FlowMetrics& part : parts.records.reports) {
    EXPECT_LE(part.last_ns - part.first_ns, kSecond);
    sum.packets += part.to_server.packets;
    sum.payload_bytes += part.to_server.payload_bytes;
    sum.acknowledged_bytes += part.to_server.acknowledged_bytes;
    sum.retransmissions_spurious += part.to_server.retransmissions_spurious;
    rtt.count += part.to_server.rtt.count;
    rtt.sum_ns += part.to_server.rtt.sum_ns;
    opened += part.opened ? 1 : 0;
    closed += part.closed ? 1 : 0;
  }
  EXPECT_EQ(sum.packets, one.to_server.packets);
  EXPECT_EQ(sum.payload_bytes, one.to_server.payload_bytes);
  EXPECT_EQ(sum.acknowledged_bytes, one.to_server.acknowledged_bytes);
  EXPECT_EQ(sum.retransmissions_spurious, one.to_server.retransmissions_spurious);
  expect_times(rtt, one.to_server.rtt.count, one.to_server.rtt.sum_ns);
  EXPECT_EQ(opened, 1);
  EXPECT_EQ(closed, 1);
}

/// Packets that are plain take a short way; one mark of congestion before each sends the next the long way.
TEST(Metrics, BothWaysMeasureTheSame) {
  const auto play = [](MetricsScript& script, bool long_way) {
    script.handshake();
    int packet_number = 0;
    const auto touch = [&, long_way](Decoded& packet) {
      if (long_way) packet.ttl = static_cast<std::uint8_t>(64 + packet_number++ % 2);
    };
    script.client.touch = script.server.touch = touch;
    for (int i = 0; i < 10; ++i) {
      script.client.send(filled(30));
      script.server.ack();
      script.server.send(filled(200));
      script.server.send(filled(200));
      script.client.ack();
    }
    return script.report();
  };
  MetricsScript shorter, longer;
  const FlowMetrics plain = play(shorter, false), any = play(longer, true);
  EXPECT_GT(any.to_server.ttl_changes, 5u);
  EXPECT_EQ(plain.to_server.rtt, any.to_server.rtt);
  EXPECT_EQ(plain.to_client.rtt, any.to_client.rtt);
  EXPECT_EQ(plain.server_response, any.server_response);
  EXPECT_EQ(plain.application_response, any.application_response);
  EXPECT_EQ(plain.client_idle, any.client_idle);
  EXPECT_EQ(plain.to_client.in_flight_bytes_max, any.to_client.in_flight_bytes_max);
  EXPECT_EQ(plain.to_client.payload_bytes, any.to_client.payload_bytes);
  EXPECT_EQ(plain.to_client.acknowledged_bytes, any.to_client.acknowledged_bytes);
}

}  // namespace
}  // namespace hoptap::tests
