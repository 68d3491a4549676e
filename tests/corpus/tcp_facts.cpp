// Prints the TCP metrics of each capture, a JSON line each; with --packets its TCP packets, one by one, and after each
// what it has changed in the metrics. For tcp_analysis_test.py.
//
// usage: hoptap-tcp-facts [--packets] CAPTURE...
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
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
    if (flow.handshake.count == 0) return;
    handshakes_ += fmt::format(R"({}["{}","{}",{},{}])", handshakes_.empty() ? "" : ",", flow.client.text(),
                               flow.server.text(), flow.first_ns, flow.handshake.sum_ns);
  }

  std::string json(const std::string& path) const {
    return fmt::format(
        R"({{"file":"{}","copies":{},"out_of_order":{},"keep_alives":{},"duplicate_acks":{},"zero_windows":{},)"
        R"("handshakes":[{}]}})",
        path, sum_.retransmissions() + sum_.syn_retransmissions, sum_.out_of_order, sum_.keep_alives,
        sum_.duplicate_acks, sum_.zero_windows, handshakes_);
  }

 private:
  void add(const flowtable::DirectionMetrics& way) {
    sum_.retransmissions_timeout += way.retransmissions();
    sum_.syn_retransmissions += way.syn_retransmissions;
    sum_.keep_alives += way.keep_alives;
    sum_.out_of_order += way.out_of_order;
    sum_.duplicate_acks += way.duplicate_acks;
    sum_.zero_windows += way.zero_windows;
  }

  flowtable::DirectionMetrics sum_;
  std::string handshakes_;
};

/// What each packet changes: a flow is reported as soon as time has gone on, so a report is of the packets of one
/// moment.
class Changes : public flowtable::RecordSink {
 public:
  void hop(const flowtable::HopRecord&) override {}
  void leg(const flowtable::LegRecord&) override {}
  void metrics(const flowtable::FlowMetrics& flow) override {
    if (flow.transport != 6) return;
    add(flow.client, flow.server, flow.to_server);
    add(flow.server, flow.client, flow.to_client);
  }

 private:
  /// Of what `source` sends, and of the answers to it.
  void add(const base::Endpoint& source, const base::Endpoint& target, const flowtable::DirectionMetrics& way) {
    const std::uint64_t counted = way.packets + way.retransmissions() + way.syn_retransmissions + way.out_of_order +
                                  way.keep_alives + way.duplicate_acks + way.zero_windows + way.duplicates_removed;
    if (counted == 0) return;
    fmt::print(R"(["{}","{}",{},{},{},{},{},{},{},{}])"
               "\n",
               source.text(), target.text(), way.packets, way.retransmissions(), way.syn_retransmissions,
               way.out_of_order, way.keep_alives, way.duplicate_acks, way.zero_windows, way.duplicates_removed);
  }
};

std::string wire_text(const decode::Decoded& packet) {
  std::string text =
      fmt::format("{} {} {} {}", packet.interface_id, packet.ttl, packet.link.source.text(), packet.link.target.text());
  for (std::size_t at = 0; at < packet.link.vlan_count; ++at) text += fmt::format(" v{}", packet.link.vlans[at]);
  for (const base::Tunnel& layer : packet.tunnels.used()) text += fmt::format(" t{}", layer.id);
  return text;
}

/// How much of the payload the frame had on its wire: less than the IP header promises when a mirror cut it, below 0
/// when it cut the TCP header.
std::int64_t framed_bytes(const capture::Packet& frame, const decode::Decoded& packet) {
  constexpr std::size_t kHeaderBytesMin = 20;
  constexpr std::uint64_t kFabricPath = 0x8903;  // Ethernet type
  const std::uint8_t* const header = packet.tcp.options.data() - kHeaderBytesMin;
  const std::uint8_t* const begin = frame.bytes.data();
  if (header < begin || header >= begin + frame.bytes.size()) return packet.payload_wire_bytes;  // from fragments
  std::int64_t end = header - begin + (header[12] >> 4) * 4 + std::int64_t{packet.payload_wire_bytes};
  if (base::load_be(frame.bytes.subspan(12, 2)) == kFabricPath)
    end += 4;  // FabricPath: for tshark it ends with a checksum
  return packet.payload_wire_bytes - std::max<std::int64_t>(end - frame.wire_bytes, 0);
}

void print_packet(const capture::Packet& frame, const decode::Decoded& packet) {
  const decode::Tcp& tcp = packet.tcp;
  fmt::print(R"({{"ns":{},"source":"{}","target":"{}","wire":"{}","ip_id":{},"seq":{},"ack":{},"window":{},"flags":{},)"
             R"("bytes":{},"framed":{},"checksum":{}}})"
             "\n",
             packet.time_ns, packet.source.text(), packet.target.text(), wire_text(packet), packet.ip_id, tcp.sequence,
             tcp.acknowledgment, tcp.window, tcp.flags, packet.payload_wire_bytes, framed_bytes(frame, packet),
             packet.l4_checksum);
}

int print(const std::string& path, bool packets_too) {
  auto source = capture::open_file(path);
  if (!source) {
    std::fprintf(stderr, "hoptap-tcp-facts: %s\n", source.error().what.c_str());
    return 1;
  }
  flowtable::FlowTableConfig config;
  config.l7 = false;
  config.metrics_interval_ns = packets_too ? 1 : UINT64_MAX / 4;  // else one report, when the flow ends
  config.quiet_ns = config.idle_timeout_ns = UINT64_MAX / 4;
  Facts facts;
  Changes changes;
  flowtable::FlowTable table(config, 0, packets_too ? static_cast<flowtable::RecordSink&>(changes) : facts);
  decode::Decoder decoder;
  std::vector<capture::Packet> packets(packets_too ? 1 : capture::kBatchPackets);
  std::vector<decode::Decoded> decoded(packets.size());
  while (const std::size_t count = (*source)->poll(packets)) {
    decoder.decode(std::span(packets).first(count), (*source)->interfaces(), decoded);
    table.add(std::span(decoded).first(count));
    if (packets_too && decoded[0].outcome == decode::Outcome::kTcp) print_packet(packets[0], decoded[0]);
  }
  table.finish();
  if (!packets_too) fmt::print("{}\n", facts.json(path));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const bool packets_too = count > 1 && std::string_view(arguments[1]) == "--packets";
  int failed = 0;
  for (int at = packets_too ? 2 : 1; at < count; ++at) failed |= print(arguments[at], packets_too);
  return failed;
}
