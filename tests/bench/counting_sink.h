// A sink that keeps sums only: what the engine's speed is measured with. Header only.
#pragma once

#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "flowtable/sink.h"

namespace hoptap::bench {

/// Reads every kind of field of every record, so that none may be left unmade, and keeps only sums.
class CountingSink final : public flowtable::RecordSink {
 public:
  static constexpr std::array<std::string_view, 4> kProtocols{"http", "dns", "tls", "opaque"};

  void hop(const flowtable::HopRecord& record) override {
    ++hops_;
    answered_ += record.request.seen() && record.response.seen() ? 1 : 0;
    for (std::size_t at = 0; at < kProtocols.size(); ++at) {
      if (record.protocol != kProtocols[at]) continue;
      ++protocol_[at];
      protocol_answered_[at] += record.request.seen() && record.response.seen() ? 1 : 0;
    }
    sum_ += record.record_id + record.leg_id + record.point + record.flags + record.closing + record.status +
            record.key + record.canonical_hash + record.client_isn + record.server_isn;
    touch(record.client, record.server, record.vantage);
    touch(record.request);
    touch(record.response);
    sum_ += record.to_server_reset.time_ns + record.to_client_reset.time_ns;
    touch(record.protocol);
    touch(record.method);
    touch(record.resource);
    touch(record.endpoint);
    for (const flowtable::HeaderId& id : record.ids) touch(id.value);
  }

  void leg(const flowtable::LegRecord& record) override {
    ++legs_;
    sum_ += record.leg_id + record.flags + record.first_ns + record.last_ns + record.syn_ns + record.syn_ack_ns +
            record.ack_ns + record.syn_fingerprint + record.exchanges;
    touch(record.client, record.server, record.vantage);
    for (const auto& direction : {record.to_server, record.to_client}) {
      packets_ += direction.packets + direction.duplicates_removed;
      payload_bytes_ += direction.bytes;
      retransmissions_ += direction.retransmissions;
      out_of_order_ += direction.out_of_order;
      sum_ += direction.unseen_bytes + direction.acknowledged_bytes + direction.syn_copies + direction.ttl;
    }
  }

  void metrics(const flowtable::FlowMetrics& report) override {
    ++reports_;
    for (const auto& direction : {report.to_server, report.to_client}) {
      report_packets_ += direction.packets;
      sum_ += direction.payload_bytes + direction.retransmissions_timeout + direction.retransmissions_fast +
              direction.duplicate_acks + direction.zero_window_ns + direction.unseen_bytes + direction.rtt.sum_ns +
              direction.rtt_timestamps.sum_ns;
    }
    sum_ += report.handshake.sum_ns + report.application_response.sum_ns + report.first_ns;
  }

  void add(const CountingSink& other) {
    hops_ += other.hops_;
    answered_ += other.answered_;
    legs_ += other.legs_;
    reports_ += other.reports_;
    report_packets_ += other.report_packets_;
    packets_ += other.packets_;
    payload_bytes_ += other.payload_bytes_;
    retransmissions_ += other.retransmissions_;
    out_of_order_ += other.out_of_order_;
    sum_ += other.sum_;
    for (std::size_t at = 0; at < kProtocols.size(); ++at) {
      protocol_[at] += other.protocol_[at];
      protocol_answered_[at] += other.protocol_answered_[at];
    }
  }

  void print() const {
    std::printf("\"hops\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"leg_records\":%" PRIu64 ",\"reports\":%" PRIu64
                ",\"report_packets\":%" PRIu64 ",\"leg_packets\":%" PRIu64 ",\"payload_bytes\":%" PRIu64
                ",\"retransmissions\":%" PRIu64 ",\"out_of_order\":%" PRIu64 ",\"sum\":\"%" PRIx64 "\"",
                hops_, answered_, legs_, reports_, report_packets_, packets_, payload_bytes_, retransmissions_,
                out_of_order_, sum_);
    for (std::size_t at = 0; at < kProtocols.size(); ++at)
      std::printf(",\"%s\":%" PRIu64 ",\"%s_answered\":%" PRIu64, kProtocols[at].data(), protocol_[at],
                  kProtocols[at].data(), protocol_answered_[at]);
  }

 private:
  void touch(std::string_view text) {
    sum_ += text.empty() ? 0 : text.size() + static_cast<unsigned char>(text.back());
  }
  void touch(const base::Endpoint& client, const base::Endpoint& server, const flowtable::Vantage& vantage) {
    sum_ += client.port + client.address.bytes[15] + server.port + server.address.bytes[15] +
            vantage.link.source.bytes[5] + vantage.link.vlans[0] + vantage.tunnels.used().size();
  }
  void touch(const flowtable::MessageRecord& message) {
    sum_ += message.first_ns + message.last_ns + message.last_copy_ns + message.ack_ns + message.ack_wait_ns +
            message.bytes + message.head_hash + message.sequence + message.end_sequence + message.tsval +
            message.ip_id + message.ttl + message.copies + message.copy[0].delay_ns + message.retransmissions +
            message.out_of_order + message.duplicate_acks + message.unseen_bytes + message.zero_window_ns;
  }

  std::uint64_t hops_ = 0, answered_ = 0, legs_ = 0, reports_ = 0, report_packets_ = 0, packets_ = 0,
                payload_bytes_ = 0, retransmissions_ = 0, out_of_order_ = 0, sum_ = 0;
  std::array<std::uint64_t, kProtocols.size()> protocol_{}, protocol_answered_{};
};

}  // namespace hoptap::bench
