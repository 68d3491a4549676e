// Prints the TCP metrics of each capture, a JSON line each. For tcp_analysis_test.py.
//
// usage: hoptap-tcp-facts CAPTURE...
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "capture/file_source.h"
#include "decode/decoder.h"
#include "flowtable/flow_table.h"

namespace {

using namespace hoptap;

/// Sums of both directions of all TCP flows, and the round trip of each handshake.
class Facts : public flowtable::RecordSink {
 public:
  void hop(const flowtable::HopRecord&) override {}
  void leg(const flowtable::LegRecord&) override {}
  void metrics(const flowtable::FlowMetrics& flow) override {
    if (flow.transport != 6) return;
    for (const flowtable::DirectionMetrics* way : {&flow.to_server, &flow.to_client}) add(*way);
    ++flows_;
    if (flow.handshake.count == 0) return;
    handshakes_ += fmt::format(R"({}["{}","{}",{}])", handshakes_.empty() ? "" : ",", flow.client.text(),
                               flow.server.text(), flow.handshake.sum_ns);
  }

  std::string json(const std::string& path, std::uint64_t virtual_points, std::uint64_t backwards) const {
    return fmt::format(
        R"({{"file":"{}","flows":{},"packets":{},"retransmissions":{},"timeout":{},"fast":{},"probe":{},"spurious":{},)"
        R"("syn_retransmissions":{},"keep_alives":{},"out_of_order":{},"duplicate_acks":{},"zero_windows":{},)"
        R"("fin_copies":{},"rst":{},"virtual_points":{},"backwards":{},"captured_twice":{},"unseen_bytes":{},"handshakes":[{}]}})",
        path, flows_, sum_.packets, sum_.retransmissions(), sum_.retransmissions_timeout, sum_.retransmissions_fast,
        sum_.retransmissions_probe, sum_.retransmissions_spurious, sum_.syn_retransmissions, sum_.keep_alives,
        sum_.out_of_order, sum_.duplicate_acks, sum_.zero_windows, fin_copies_, sum_.rst, virtual_points, backwards,
        sum_.duplicates_removed, sum_.unseen_bytes, handshakes_);
  }

 private:
  void add(const flowtable::DirectionMetrics& way) {
    sum_.packets += way.packets;
    fin_copies_ += way.fin > 1 ? way.fin - 1 : 0;
    sum_.rst += way.rst;
    sum_.retransmissions_timeout += way.retransmissions_timeout;
    sum_.retransmissions_fast += way.retransmissions_fast;
    sum_.retransmissions_probe += way.retransmissions_probe;
    sum_.retransmissions_spurious += way.retransmissions_spurious;
    sum_.syn_retransmissions += way.syn_retransmissions;
    sum_.keep_alives += way.keep_alives;
    sum_.out_of_order += way.out_of_order;
    sum_.duplicate_acks += way.duplicate_acks;
    sum_.zero_windows += way.zero_windows;
    sum_.duplicates_removed += way.duplicates_removed;
    sum_.unseen_bytes += way.unseen_bytes;
  }

  flowtable::DirectionMetrics sum_;
  std::uint64_t flows_ = 0;
  std::uint64_t fin_copies_ = 0;
  std::string handshakes_;
};

int print(const std::string& path) {
  auto source = capture::open_file(path);
  if (!source) {
    std::fprintf(stderr, "hoptap-tcp-facts: %s\n", source.error().what.c_str());
    return 1;
  }
  flowtable::FlowTableConfig config;
  config.l7 = false;
  config.metrics_interval_ns = UINT64_MAX / 4;  // one report, when the flow ends
  config.quiet_ns = config.idle_timeout_ns = UINT64_MAX / 4;
  Facts facts;
  flowtable::FlowTable table(config, 0, facts);
  decode::Decoder decoder;
  std::vector<capture::Packet> packets(capture::kBatchPackets);
  std::vector<decode::Decoded> decoded(capture::kBatchPackets);
  std::uint64_t now_ns = 0, backwards = 0;  // packets earlier than one before them
  while (const std::size_t count = (*source)->poll(packets)) {
    for (const capture::Packet& packet : std::span(packets).first(count)) {
      backwards += packet.time_ns < now_ns ? 1 : 0;
      now_ns = std::max(now_ns, packet.time_ns);
    }
    decoder.decode(std::span(packets).first(count), (*source)->interfaces(), decoded);
    table.add(std::span(decoded).first(count));
  }
  table.finish();
  fmt::print("{}\n", facts.json(path, table.counters().virtual_points, backwards));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  int failed = 0;
  for (int at = 1; at < count; ++at) failed |= print(arguments[at]);
  return failed;
}
