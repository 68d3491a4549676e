// Random segments on a few flows: limits hold, and every leg is given out.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "flowtable/flow_table.h"

namespace {

using namespace hoptap;

struct Count : flowtable::RecordSink {
  void hop(const flowtable::HopRecord&) override { ++hops; }
  void leg(const flowtable::LegRecord&) override { ++legs; }
  std::size_t hops = 0, legs = 0;
};

void require(bool holds) {
  if (!holds) std::abort();
}

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
  packet.tcp.flags = flags & 0x17;
  packet.tcp.sequence = 0xffffffc0u + position;  // across the wrap
  packet.tcp.acknowledgment = 0xffffffc0u + acknowledged;
  packet.tcp.window = wait;
  packet.payload = payload;
  packet.payload_wire_bytes = static_cast<std::uint32_t>(payload.size()) + ((which & 0x20) != 0 ? 8 : 0);
  return packet;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flowtable::FlowTableConfig config;
  config.flows_max = 3;
  config.held_bytes_flow_max = 512;
  config.held_bytes_max = 1024;
  config.head_bytes_max = 128;
  config.exchanges_flow_max = 4;
  config.settle_ns = 100'000'000;  // so that a few waits reach them
  config.idle_timeout_ns = 500'000'000;
  Count count;
  flowtable::FlowTable table(config, 0, count);
  base::ByteCursor in(base::Bytes(data, size));
  std::uint64_t now_ns = 1;
  while (in.rest().size() >= 6) {
    const decode::Decoded packet = packet_from(in, now_ns);
    table.add(std::span(&packet, 1));
    require(table.live_legs() <= config.flows_max);
    require(table.held_bytes() <= config.held_bytes_max + 256);
  }
  table.finish();
  require(table.held_bytes() == 0);
  require(count.legs == table.counters().legs && count.hops == table.counters().exchanges);
  return 0;
}
