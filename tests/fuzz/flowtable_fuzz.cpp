// Random segments on a few flows, and ones that nearly fit (flowtable_talks.h): limits hold, every leg is given out,
// and reports of metrics add up to the legs.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "flowtable/flow_table.h"
#include "flowtable_talks.h"

namespace {

using namespace hoptap;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

/// Sums over all flows of what legs and what reports say.
struct Count : flowtable::RecordSink {
  void hop(const flowtable::HopRecord& record) override {
    require(record.record_id > last_id, "record ids ascend");
    last_id = record.record_id;
    ++hops;
  }
  void leg(const flowtable::LegRecord& record) override {
    ++legs;
    for (const flowtable::LegRecord::Direction* one : {&record.to_server, &record.to_client}) {
      packets += one->packets;
      bytes += one->bytes;
      retransmissions += one->retransmissions;
      out_of_order += one->out_of_order;
      duplicates += one->duplicates_removed;
      unseen += one->unseen_bytes;
    }
  }
  void metrics(const flowtable::FlowMetrics& report) override {
    opened += report.opened ? 1 : 0;
    closed += report.closed ? 1 : 0;
    for (const flowtable::DirectionMetrics* one : {&report.to_server, &report.to_client}) {
      reported_packets += one->packets;
      reported_bytes += one->payload_bytes;
      reported_retransmissions += one->retransmissions();
      reported_out_of_order += one->out_of_order;
      reported_duplicates += one->duplicates_removed;
      reported_unseen += one->unseen_bytes;
    }
  }
  std::size_t hops = 0, legs = 0, opened = 0, closed = 0;
  std::uint64_t last_id = 0;
  std::uint64_t packets = 0, bytes = 0, retransmissions = 0;
  std::uint64_t out_of_order = 0, duplicates = 0, unseen = 0;
  std::uint64_t reported_packets = 0, reported_bytes = 0, reported_retransmissions = 0;
  std::uint64_t reported_out_of_order = 0, reported_duplicates = 0, reported_unseen = 0;
};

/// Six bytes say which flow, direction, flags, position and length; the payload follows.
decode::Decoded packet_from(base::ByteCursor& in, std::uint64_t& now_ns) {
  const std::uint8_t which = in.u8(), flags = in.u8(), wait = in.u8(), position = in.u8(), acknowledged = in.u8();
  const base::Bytes payload = in.take(std::min<std::size_t>(in.u8() % 48, in.rest().size()));
  now_ns += wait * 100'000ULL;
  decode::Decoded packet;
  packet.time_ns = now_ns;
  packet.outcome = (which & 0x10) != 0 ? decode::Outcome::kUdp : decode::Outcome::kTcp;
  packet.protocol = (which & 0x10) != 0 ? 17 : 6;
  packet.source.port = 40000;
  packet.target.port = static_cast<std::uint16_t>((which & 0x03) == 0 ? 53 : 80 + (which & 0x03));
  if ((which & 0x04) != 0) std::swap(packet.source, packet.target);
  packet.ttl = (which & 0x08) != 0 ? 64 : 63;
  packet.ip_id = position;
  packet.tcp.flags = flags & 0x57;
  packet.tcp.has_timestamps = (flags & 0x08) != 0;
  packet.tcp.tsval = packet.tcp.has_timestamps ? wait : 0;
  packet.tcp.tsecr = packet.tcp.has_timestamps ? acknowledged : 0;
  packet.tcp.sack_blocks = (flags & 0x20) != 0 ? 1 : 0;
  packet.tcp.has_window_scale = (flags & 0x80) != 0;
  packet.tcp.window_scale = packet.tcp.has_window_scale ? position & 0x0f : 0;
  packet.traffic_class = which >> 6;
  packet.ip_bytes = 40;
  packet.tcp.sequence = 0xffffffc0u + position;  // across the wrap
  packet.tcp.acknowledgment = 0xffffffc0u + acknowledged;
  packet.tcp.window = wait;
  packet.payload = payload;
  packet.payload_wire_bytes = static_cast<std::uint32_t>(payload.size()) + ((which & 0x20) != 0 ? 8 : 0);
  return packet;
}

flowtable::FlowTableConfig small_limits(std::uint8_t choice) {
  flowtable::FlowTableConfig config;
  config.flows_max = 1 + (choice & 3);
  config.ledgers_max = config.flows_max - ((choice & 4) != 0 ? config.flows_max / 2 : 0);
  config.metrics_interval_ns = (choice & 8) != 0 ? 1 : 50'000'000;
  config.l7 = (choice & 0x70) != 0x70;
  config.quiet_ns = 300'000'000;
  config.udp_timeout_ns = config.opening_timeout_ns = 200'000'000;
  config.held_bytes_flow_max = 512;
  config.held_bytes_max = 1024;
  config.head_bytes_max = 128;
  config.exchanges_flow_max = (choice & 0x10) != 0 ? 1 : 4;
  config.settle_ns = 100'000'000;  // so that a few waits reach them
  config.idle_timeout_ns = 500'000'000;
  config.key.tunnel_id = (choice & 0x20) != 0;
  return config;
}

void check_end(const Count& count, const flowtable::FlowTable& table) {
  const flowtable::FlowCounters& counters = table.counters();
  require(table.held_bytes() == 0 && table.live_legs() == 0, "nothing is held at the end");
  require(count.legs == counters.legs && count.hops == counters.exchanges, "all is given out");
  require(count.opened == count.legs && count.closed == count.legs, "every leg opens and closes once in reports");
  require(count.packets == count.reported_packets + counters.unreported_packets &&
              count.bytes == count.reported_bytes + counters.unreported_bytes,
          "reports add up");
  require(count.retransmissions == count.reported_retransmissions, "retransmissions add up");
  require(count.out_of_order == count.reported_out_of_order, "out of order adds up");
  require(count.duplicates == count.reported_duplicates, "duplicates add up");
  require(count.unseen == count.reported_unseen, "unseen bytes add up");
}

}  // namespace

/// The first byte chooses between the ways to make packets, the second the limits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kBytesMax = 4096;
  base::ByteCursor in(base::Bytes(data, std::min(size, kBytesMax)));
  const bool talks = in.u8() % 4 != 0;
  const flowtable::FlowTableConfig config = small_limits(in.u8());
  Count count;
  flowtable::FlowTable table(config, 0, count);
  fuzz::Talks talk(in);
  std::uint64_t now_ns = 1;
  while (talks ? talk.more() : in.rest().size() >= 6) {
    const decode::Decoded packet = talks ? talk.next() : packet_from(in, now_ns);
    table.add(std::span(&packet, 1));
    require(table.live_legs() <= config.flows_max, "flows_max");
    require(table.held_bytes() <= config.held_bytes_max + 256, "held_bytes_max");
  }
  table.finish();
  check_end(count, table);
  return 0;
}
