// The short way by recent_flows.h against the way by keys: a table with many flows takes the latter, and says the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "../fuzz/flowtable_talks.h"
#include "export/json.h"
#include "flowtable/flow_table.h"

namespace hoptap::tests {
namespace {

using decode::Decoded;

/// What a table says of point 0, each record as text.
struct Texts : flowtable::RecordSink {
  void hop(const flowtable::HopRecord& record) override {
    if (record.point != 0) return;
    flowtable::HopRecord copy = record;
    copy.record_id = 0;
    texts.push_back(exporting::hop_json(copy));
  }
  void leg(const flowtable::LegRecord& record) override {
    if (record.point == 0) texts.push_back(exporting::leg_json(record));
  }
  void metrics(const flowtable::FlowMetrics& report) override {
    if (report.point != 0) return;
    std::string text = std::to_string(report.first_ns);
    for (const flowtable::DirectionMetrics& one : {report.to_server, report.to_client})
      for (const std::uint64_t value :
           {one.packets, one.bytes, one.payload_bytes, std::uint64_t{one.ttl_changes}, one.rtt.sum_ns,
            one.rtt_timestamps.sum_ns, one.zero_window_ns, one.window_limited_ns, std::uint64_t{one.keep_alives},
            std::uint64_t{one.retransmissions()}, std::uint64_t{one.duplicate_acks}, std::uint64_t{one.out_of_order},
            std::uint64_t{one.in_flight_bytes_max}, one.unseen_bytes})
        text += ' ' + std::to_string(value);
    for (const flowtable::Times& times : {report.server_response, report.application_response, report.client_idle})
      text += ' ' + std::to_string(times.sum_ns) + '/' + std::to_string(times.count);
    texts.push_back(text);
  }
  std::vector<std::string> texts;
};

/// At another point: so many flows that their memory is not looked for in the cache.
void crowd(flowtable::FlowTable& table, std::uint64_t time_ns) {
  for (std::uint16_t port = 1; port <= 5000; ++port) {
    Decoded packet;
    packet.time_ns = time_ns;
    packet.outcome = decode::Outcome::kTcp;
    packet.protocol = 6;
    packet.interface_id = 1;
    packet.source.port = port;
    packet.target.port = 80;
    packet.ip_id = port;
    packet.tcp.flags = decode::tcp_flag::kSyn;
    table.add(std::span(&packet, 1));
  }
}

std::vector<std::string> play(const std::vector<std::uint8_t>& script, bool crowded) {
  Texts texts;
  flowtable::FlowTableConfig config;
  config.metrics_interval_ns = 1'000'000'000;
  config.opening_timeout_ns = UINT64_MAX / 4;  // the crowd stays
  config.duplicate_uncertain_ns = 0;           // bare packets of the crowd must not hide others in the filter
  flowtable::FlowTable table(config, 0, texts);
  base::ByteCursor in(script);
  fuzz::Talks talks(in);
  std::uint64_t now_ns = 1'700'000'000'000'000'000;
  if (crowded) crowd(table, now_ns);
  while (talks.more()) {
    Decoded packet = talks.next();
    // Without leaps: the crowd would change when reports are due.
    if (packet.time_ns < now_ns || packet.time_ns > now_ns + 1'000'000'000) packet.time_ns = now_ns + 1'000;
    now_ns = packet.time_ns;
    table.add(std::span(&packet, 1));
  }
  table.finish();
  return texts.texts;
}

TEST(RecentFlows, SayTheSameAsKeys) {
  std::mt19937 random(11);
  std::size_t records = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<std::uint8_t> script(600);
    for (std::uint8_t& byte : script) byte = static_cast<std::uint8_t>(random());
    // Three bytes a packet, or nearly: plain mostly, and soon after the one before.
    for (std::size_t at = 0; at + 2 < script.size(); at += 3) {
      if (random() % 8 != 0) script[at] &= 0x87;
      if (random() % 8 != 0) script[at + 2] = static_cast<std::uint8_t>(random() % 4);
    }
    const std::vector<std::string> few = play(script, false), many = play(script, true);
    ASSERT_EQ(few, many) << "round " << round;
    records += few.size();
  }
  EXPECT_GT(records, 1000u);
}

}  // namespace
}  // namespace hoptap::tests
