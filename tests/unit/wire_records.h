// Random record batches with extremes, for tests and fuzzing. For tests only.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/hash.h"
#include "export/wire/batch.h"

namespace hoptap::test {

using exporting::Batch;
using flowtable::HopRecord;
using flowtable::LegRecord;
using flowtable::MessageRecord;

/// Numbers of all sizes, with the extremes and small ones often. The same for the same seed.
class AnyNumber {
 public:
  explicit AnyNumber(std::uint64_t seed) : state_(seed << 32) {}
  std::uint64_t bits() { return base::hash_values(state_++, 5); }
  std::uint64_t below(std::uint64_t limit) { return bits() % limit; }
  template <class Number>
  void fill(Number& number) {
    switch (below(5)) {
      case 0: number = 0; break;
      case 1: number = static_cast<Number>(-1); break;
      case 2: number = static_cast<Number>(below(4)); break;
      case 3: number = static_cast<Number>(std::uint64_t{1} << (8 * sizeof(Number) - 1)); break;
      default: number = static_cast<Number>(bits() >> below(64)); break;
    }
  }
  template <class... Numbers>
  void fill_all(Numbers&... numbers) {
    (fill(numbers), ...);
  }
  std::string text() {
    std::string text(below(4) == 0 ? below(300) : below(3), '\0');
    for (char& character : text) character = static_cast<char>(bits());
    return text;
  }

 private:
  std::uint64_t state_;
};

inline void fill(AnyNumber& any, base::Endpoint& endpoint) {
  const std::uint64_t value = any.below(3);
  endpoint.address = value == 0 ? base::IpAddress{} : endpoint.address;
  for (std::uint8_t& byte : endpoint.address.bytes)
    if (value == 1) byte = static_cast<std::uint8_t>(any.below(2) * 255);
  const std::array<std::uint8_t, 4> v4{10, 0, 0, static_cast<std::uint8_t>(any.bits())};
  if (value == 2) endpoint.address = base::IpAddress::from(v4);
  any.fill(endpoint.port);
}

inline void fill(AnyNumber& any, flowtable::Vantage& vantage) {
  for (std::uint8_t& byte : vantage.link.source.bytes) any.fill(byte);
  if (any.below(2) == 0) vantage.link.target = vantage.link.source;
  if (any.below(2) == 0) any.fill_all(vantage.link.vlans[0], vantage.link.vlans[1], vantage.link.interface_index);
  vantage.link.vlan_count = static_cast<std::uint8_t>(any.below(3));
  vantage.tunnels.depth = static_cast<std::uint8_t>(any.below(5));
  for (std::size_t at = 0; at < vantage.tunnels.depth; ++at) {
    base::Tunnel& layer = vantage.tunnels.layers[at];
    layer.type = static_cast<base::TunnelType>(any.below(5));
    any.fill_all(layer.id, layer.source.bytes[3], layer.target.bytes[15]);
  }
}

inline void fill(AnyNumber& any, MessageRecord& message) {
  if (any.below(8) == 0) return;  // not seen
  any.fill_all(message.first_ns, message.last_ns, message.last_copy_ns, message.ack_ns, message.ack_wait_ns,
               message.ack_release_ns, message.bytes, message.head_hash, message.sequence, message.end_sequence,
               message.tsval, message.tsecr, message.ip_id, message.ttl, message.copies, message.retransmissions,
               message.out_of_order, message.duplicate_acks, message.sack_blocks, message.unseen_bytes,
               message.zero_window_ns);
  for (std::size_t at = 0; at < message.copies && at < message.copy.size(); ++at)
    any.fill_all(message.copy[at].delay_ns, message.copy[at].tsval, message.copy[at].ip_id);
}

inline void fill(AnyNumber& any, flowtable::Reset& reset) {
  any.fill(reset.time_ns);
  if (reset.seen()) any.fill_all(reset.ip_id, reset.ttl, reset.usual_ttl);
}

inline std::shared_ptr<const flowtable::Process> any_process(AnyNumber& any) {
  if (any.below(2) == 0) return nullptr;
  flowtable::Process process{.pid = 1, .name = any.text(), .container_id = any.text()};
  any.fill(process.pid);
  return std::make_shared<flowtable::Process>(process);
}

template <class Record>
void fill_connection(AnyNumber& any, Record& record, std::size_t points) {
  record.point = static_cast<std::uint32_t>(any.below(points));
  any.fill_all(record.leg_id, record.transport, record.client_isn, record.server_isn);
  fill(any, record.client);
  fill(any, record.server);
  fill(any, record.vantage);
}

inline HopRecord any_hop(AnyNumber& any, std::size_t points) {
  HopRecord record;
  fill_connection(any, record, points);
  any.fill_all(record.record_id, record.flags, record.closing, record.status, record.key, record.canonical_hash);
  record.has_status = any.below(2) == 0;
  fill(any, record.request);
  fill(any, record.response);
  fill(any, record.to_server_reset);
  fill(any, record.to_client_reset);
  for (std::string* text : {&record.protocol, &record.method, &record.resource, &record.endpoint}) *text = any.text();
  for (std::uint64_t count = any.below(4); count > 0; --count)
    record.ids.push_back({static_cast<flowtable::IdKind>(any.below(6)), any.below(2) == 0, any.text()});
  return record;
}

inline void fill(AnyNumber& any, LegRecord::Direction& direction) {
  any.fill_all(direction.packets, direction.bytes, direction.unseen_bytes, direction.acknowledged_bytes,
               direction.retransmissions, direction.out_of_order, direction.syn_copies, direction.duplicates_removed,
               direction.ttl);
}

inline LegRecord any_leg(AnyNumber& any, std::size_t points) {
  LegRecord record;
  fill_connection(any, record, points);
  any.fill_all(record.flags, record.closing, record.first_ns, record.last_ns, record.syn_ns, record.syn_ack_ns,
               record.ack_ns, record.syn_fingerprint, record.exchanges);
  record.close = static_cast<flowtable::CloseType>(any.below(6));
  record.protocol = any.text();
  fill(any, record.to_server);
  fill(any, record.to_client);
  return record;
}

inline exporting::MetricsRow any_metrics(AnyNumber& any, std::size_t points) {
  exporting::MetricsRow row;
  exporting::MetricsKey& key = row.key;
  base::Endpoint client;
  any.fill_all(row.start_ns, row.length_ns, key.tags, key.transport);
  fill(any, client);
  fill(any, key.server);
  key.client = client.address;
  key.protocol = any.text().substr(0, exporting::MetricsKey::kProtocolBytesMax);
  key.point = static_cast<std::uint32_t>(any.below(points));
  if (any.below(3) == 0) key = key.wider();
  if (any.below(3) == 0) key = key.wider();
  for (std::uint64_t& count : row.values.sums.counts) any.fill(count);
  for (auto& way : row.values.sums.ways)
    for (std::uint64_t& count : way) any.fill(count);
  for (exporting::TimeSums& times : row.values.sums.times) {
    any.fill(times.count);
    if (times.count != 0) any.fill_all(times.sum_ns, times.min_ns, times.max_ns);
  }
  for (std::uint64_t count = any.below(5); count > 0; --count)
    row.values.latency.add(static_cast<std::int64_t>(any.bits() >> any.below(64)));
  return row;
}

/// Some records share a connection, some repeat another.
inline Batch any_batch(std::uint64_t seed) {
  AnyNumber any(seed);
  Batch batch;
  const std::size_t points = 1 + any.below(3);
  for (std::size_t at = 0; at < points; ++at) {
    exporting::BatchPoint point{.name = any.text(), .role = any.text(), .ended = any.below(2) == 0};
    any.fill_all(point.reached_ns, point.packets);
    if (any.below(2) == 0) any.fill(point.order.emplace());
    if (any.below(2) == 0) any.fill(point.lost_packets.emplace());
    batch.points.push_back(point);
  }
  for (std::uint64_t count = any.below(20); count > 0; --count) {
    HopRecord hop = any_hop(any, points);
    if (!batch.hops.empty() && any.below(2) == 0) {
      const HopRecord& earlier = batch.hops[any.below(batch.hops.size())];
      HopRecord next = earlier;
      next.request = hop.request;
      next.resource = hop.resource;
      hop = next;
    }
    batch.hops.push_back(hop);
  }
  for (std::uint64_t count = any.below(8); count > 0; --count) batch.legs.push_back(any_leg(any, points));
  return batch;
}

/// The same with processes at the ends of connections: they came later, and batches without them are as before.
inline Batch any_batch_with_processes(std::uint64_t seed) {
  Batch batch = any_batch(seed);
  AnyNumber any(seed + 2'000'000);
  for (HopRecord& hop : batch.hops) hop.processes = {any_process(any), any_process(any)};
  for (LegRecord& leg : batch.legs) leg.processes = {any_process(any), any_process(any)};
  return batch;
}

/// The same with rows of metrics.
inline Batch any_batch_with_metrics(std::uint64_t seed) {
  Batch batch = any_batch(seed);
  AnyNumber any(seed + 1'000'000);
  for (std::uint64_t count = any.below(6); count > 0; --count)
    batch.metrics.push_back(any_metrics(any, batch.points.size()));
  return batch;
}

}  // namespace hoptap::test
