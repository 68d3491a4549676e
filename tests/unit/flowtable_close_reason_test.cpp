// How connections end: one script of packets for each CloseReason.
#include <algorithm>
#include <functional>
#include <string>

#include "tests/unit/metrics_script.h"

namespace hoptap::tests {
namespace {

using flowtable::CloseReason;

struct Ending {
  CloseReason reason;
  std::function<void(MetricsScript&)> play;
};

class Close : public testing::TestWithParam<Ending> {};

void fade(MetricsScript& script) { script.wait(400 * kSecond); }

/// A packet of another connection, so that time passes in the table.
void pass_time(MetricsScript& script) {
  decode::Decoded packet;
  packet.time_ns = script.now_ns;
  packet.outcome = decode::Outcome::kUdp;
  packet.protocol = 17;
  packet.source = endpoint(9, 9);
  packet.target = endpoint(8, 8);
  script.play(packet);
}

TEST_P(Close, IsTold) {
  MetricsScript script;
  GetParam().play(script);
  pass_time(script);
  script.finish();
  const auto& reports = script.records.reports;
  const auto first = std::find_if(reports.begin(), reports.end(), [](const auto& report) { return report.closed; });
  ASSERT_NE(first, reports.end());
  EXPECT_EQ(flowtable::close_reason_name(first->close), flowtable::close_reason_name(GetParam().reason));
}

const Ending kEndings[] = {
    {CloseReason::kNormal,
     [](MetricsScript& s) {
       s.open();
       s.client.fin();
       s.server.fin();
       s.client.ack();
       s.wait(5 * kSecond);
     }},
    {CloseReason::kHalfClosed,
     [](MetricsScript& s) {
       s.open();
       s.client.fin();
       s.server.ack();
       fade(s);
     }},
    {CloseReason::kRefused,
     [](MetricsScript& s) {
       s.client.syn();
       s.server.reset();
       s.wait(5 * kSecond);
     }},
    {CloseReason::kClientResetOpening,
     [](MetricsScript& s) {
       s.client.syn();
       s.server.syn();
       s.client.reset();
       s.wait(5 * kSecond);
     }},
    {CloseReason::kServerResetOpening,
     [](MetricsScript& s) {
       s.client.syn();
       s.server.syn();
       s.server.reset();
       s.wait(5 * kSecond);
     }},
    {CloseReason::kClientReset,
     [](MetricsScript& s) {
       s.open();
       s.client.reset();
       s.wait(5 * kSecond);
     }},
    {CloseReason::kServerReset,
     [](MetricsScript& s) {
       s.open();
       s.server.reset();
       s.wait(5 * kSecond);
     }},
    {CloseReason::kClientResetClosing,
     [](MetricsScript& s) {
       s.open();
       s.server.fin();
       s.client.reset();
       s.wait(5 * kSecond);
     }},
    {CloseReason::kServerResetClosing,
     [](MetricsScript& s) {
       s.open();
       s.client.fin();
       s.server.reset();
       s.wait(5 * kSecond);
     }},
    {CloseReason::kUnansweredSyn,
     [](MetricsScript& s) {
       s.client.syn();
       fade(s);
     }},
    {CloseReason::kUnansweredSynAck,
     [](MetricsScript& s) {
       s.client.syn();
       s.server.syn();
       fade(s);
     }},
    {CloseReason::kQueueOverflow,
     [](MetricsScript& s) {
       s.handshake();
       s.wait(kSecond);
       s.server.syn();
       s.wait(2 * kSecond);
       s.server.syn();
       fade(s);
     }},
    {CloseReason::kTimeout,
     [](MetricsScript& s) {
       s.open();
       fade(s);
     }},
    {CloseReason::kReused,
     [](MetricsScript& s) {
       s.open();
       s.client.touch = [](decode::Decoded& packet) {
         packet.tcp.flags = decode::tcp_flag::kSyn;
         packet.tcp.sequence = 777777;
       };
       s.client.syn();
     }},
    {CloseReason::kOpen, [](MetricsScript& s) { s.open(); }},
};

INSTANTIATE_TEST_SUITE_P(Reasons, Close, testing::ValuesIn(kEndings), [](const auto& tested) {
  return std::string(flowtable::close_reason_name(tested.param.reason));
});

CloseReason end_of(MetricsScript& script) {
  fade(script);
  pass_time(script);
  const auto& reports = script.records.reports;
  const auto first = std::find_if(reports.begin(), reports.end(), [](const auto& report) { return report.closed; });
  EXPECT_NE(first, reports.end());
  return first == reports.end() ? CloseReason::kOpen : first->close;
}

TEST(CloseReason, NormalThoughBytesWereNotCaptured) {
  MetricsScript script;
  script.open();
  script.server.set_acknowledged(3);
  script.client.lose(100);
  script.client.fin();
  script.server.fin();
  EXPECT_EQ(end_of(script), CloseReason::kNormal);
}

TEST(CloseReason, TheFirstResetDecides) {
  MetricsScript script;
  script.open();
  script.server.reset();
  script.client.reset();
  EXPECT_EQ(end_of(script), CloseReason::kServerReset);
}

TEST(CloseReason, NoOverflowOfAQueueWhenTheServerAnswersAfterAll) {
  MetricsScript script;
  script.handshake();
  script.wait(kSecond);
  script.server.syn();
  script.client.send("ask");
  script.server.send("answer");
  script.client.ack();
  EXPECT_EQ(end_of(script), CloseReason::kTimeout);
}

TEST(CloseReason, Evicted) {
  flowtable::FlowTableConfig config = metrics_config();
  config.flows_max = 1;
  MetricsScript script(config);
  script.open();
  pass_time(script);
  ASSERT_FALSE(script.records.reports.empty());
  EXPECT_EQ(script.records.reports[0].close, CloseReason::kEvicted);
}

}  // namespace
}  // namespace hoptap::tests
