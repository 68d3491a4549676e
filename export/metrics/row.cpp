#include "export/metrics/row.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/hash.h"

namespace hoptap::exporting {
namespace {

using flowtable::HopRecord;
namespace record_flag = flowtable::record_flag;

/// Who a status blames. HTTP: RFC 9110 section 15. DNS: RFC 1035 section 4.1.1; a name that is not there, or a query
/// that cannot be read, is the client's.
std::optional<Count> blamed_by_status(const HopRecord& hop) {
  if (!hop.has_status) return std::nullopt;
  if (hop.protocol == "dns") {
    constexpr std::uint32_t kFormatError = 1, kNoSuchName = 3;
    if (hop.status == 0) return std::nullopt;
    return hop.status == kFormatError || hop.status == kNoSuchName ? Count::kClientErrors : Count::kServerErrors;
  }
  if (hop.status >= 500) return Count::kServerErrors;
  return hop.status >= 400 ? std::optional(Count::kClientErrors) : std::nullopt;
}

/// What became of a request, when it failed.
std::optional<Count> error_of(const HopRecord& hop) {
  if (hop.response.seen())
    if (const auto blamed = blamed_by_status(hop)) return blamed;
  const bool unanswered = (hop.flags & record_flag::kResponseMissing) != 0;
  const bool reset = (hop.closing & (flowtable::closing::kClientReset | flowtable::closing::kServerReset)) != 0;
  if (reset && (unanswered || (hop.flags & record_flag::kIncomplete) != 0)) return Count::kResets;
  // Of bytes without a known meaning the last may want no answer; with one direction captured none can be seen.
  const bool wants_answer = hop.protocol != "opaque" && (hop.flags & record_flag::kEncrypted) == 0;
  if (unanswered && wants_answer && (hop.flags & record_flag::kOneDirection) == 0) return Count::kTimeouts;
  return std::nullopt;
}

TimeSums sums_of(const flowtable::Times& times) {
  return {times.count, times.sum_ns, times.count == 0 ? 0 : times.min_ns, times.max_ns};
}

void merge(std::uint64_t& into, std::uint64_t value, Merge how) {
  if (how == Merge::kSum) into += value;
  if (how == Merge::kMax) into = std::max(into, value);
  if (how == Merge::kMin && value != 0) into = into == 0 ? value : std::min(into, value);
}

std::array<std::uint64_t, kWayCounts> counts_of(const flowtable::DirectionMetrics& way) {
  return {way.packets,
          way.bytes,
          way.payload_bytes,
          way.syn,
          way.fin,
          way.rst,
          way.duplicates_removed,
          way.retransmissions_timeout,
          way.retransmissions_fast,
          way.retransmissions_probe,
          way.retransmissions_spurious,
          way.syn_retransmissions,
          way.keep_alives,
          way.out_of_order,
          way.duplicate_acks,
          way.sack_blocks,
          way.zero_windows,
          way.zero_window_ns,
          way.window_limited_ns,
          way.unseen_bytes,
          way.acknowledged_bytes,
          way.ecn_congestion,
          way.ecn_echo,
          way.ttl_changes,
          way.in_flight_bytes_max,
          way.mss,
          way.window_scale};
}

void add_way(const flowtable::DirectionMetrics& way, std::array<std::uint64_t, kWayCounts>& sums) {
  const auto counts = counts_of(way);
  for (std::size_t at = 0; at < kWayCounts; ++at) merge(sums[at], counts[at], way_infos()[at].merge);
}

}  // namespace

MetricsKey MetricsKey::wider() const {
  MetricsKey key;
  key.point = point;
  key.scope = RowScope::kPoint;
  key.transport = 0;
  if (scope == RowScope::kPoint || scope == RowScope::kServer) return key;
  key = *this;
  key.scope = RowScope::kServer;
  key.client = {};
  return key;
}

std::size_t hash_value(const MetricsKey& key) {
  const std::uint64_t client = base::hash_bytes(key.client.bytes), server = base::hash_bytes(key.server.address.bytes);
  return base::hash_values(key.point, key.scope, key.transport, key.tags, client, server, key.server.port,
                           base::hash_bytes(base::as_bytes(key.protocol)));
}

void TimeSums::add(const TimeSums& other) {
  if (other.count == 0) return;
  min_ns = count == 0 ? other.min_ns : std::min(min_ns, other.min_ns);
  max_ns = std::max(max_ns, other.max_ns);
  count += other.count;
  sum_ns += other.sum_ns;
}

void MetricsSums::add(const MetricsSums& other) {
  for (std::size_t at = 0; at < kCounts; ++at) counts[at] += other.counts[at];
  for (std::size_t way = 0; way < ways.size(); ++way)
    for (std::size_t at = 0; at < kWayCounts; ++at) merge(ways[way][at], other.ways[way][at], way_infos()[at].merge);
  for (std::size_t at = 0; at < kTimes; ++at) times[at].add(other.times[at]);
}

void MetricsValues::add(const MetricsValues& other) {
  sums.add(other.sums);
  latency.merge(other.latency);
}

void MetricsValues::add(const HopRecord& hop) {
  if (!is_request(hop)) return;
  if (hop.response.seen()) ++sums.counts[index_of(Count::kResponses)];
  if (!hop.request.seen()) return;
  ++sums.counts[index_of(Count::kRequests)];
  if (const auto error = error_of(hop)) ++sums.counts[index_of(*error)];
  if (!hop.response.seen()) return;
  const std::uint64_t began = hop.request.first_ns, answered = hop.response.first_ns;
  const std::uint64_t took_ns = answered > began ? answered - began : 0;  // clocks of captures may step back
  sums.times[index_of(Time::kLatency)].add({1, took_ns, took_ns, took_ns});
  latency.add(static_cast<std::int64_t>(took_ns));
}

void MetricsValues::add(const flowtable::FlowMetrics& flow) {
  sums.counts[index_of(Count::kFlowsOpened)] += flow.opened ? 1 : 0;
  static_assert(index_of(Count::kIcmpErrors) == index_of(Count::kFlowsClosed) + flowtable::kCloseReasons);
  if (flow.closed) ++sums.counts[index_of(Count::kFlowsClosed) + static_cast<std::size_t>(flow.close)];
  sums.counts[index_of(Count::kIcmpErrors)] += flow.icmp_errors;
  add_way(flow.to_server, sums.ways[0]);
  add_way(flow.to_client, sums.ways[1]);
  const auto add = [&](Time time, const flowtable::Times& times) { sums.times[index_of(time)].add(sums_of(times)); };
  add(Time::kHandshakeServer, flow.handshake_server);
  add(Time::kHandshakeClient, flow.handshake_client);
  add(Time::kHandshake, flow.handshake);
  add(Time::kServerResponse, flow.server_response);
  add(Time::kApplicationResponse, flow.application_response);
  add(Time::kClientIdle, flow.client_idle);
  add(Time::kReply, flow.reply);
  add(Time::kRttServer, flow.to_server.rtt);
  add(Time::kRttClient, flow.to_client.rtt);
  add(Time::kRttTimestampsServer, flow.to_server.rtt_timestamps);
  add(Time::kRttTimestampsClient, flow.to_client.rtt_timestamps);
}

MetricsKey key_of(const HopRecord& hop, std::uint32_t tags) {
  return {hop.point,
          RowScope::kClient,
          hop.transport,
          tags,
          hop.client.address,
          hop.server,
          hop.protocol.substr(0, MetricsKey::kProtocolBytesMax)};
}

MetricsKey key_of(const flowtable::FlowMetrics& flow, std::uint32_t tags) {
  return {flow.point,
          RowScope::kClient,
          flow.transport,
          tags,
          flow.client.address,
          flow.server,
          std::string(flow.protocol.substr(0, MetricsKey::kProtocolBytesMax))};
}

std::uint64_t time_of(const HopRecord& hop) {
  return std::max({hop.request.last_ns, hop.response.last_ns, hop.request.first_ns, hop.response.first_ns,
                   hop.to_server_reset.time_ns, hop.to_client_reset.time_ns});
}

bool is_request(const HopRecord& hop) { return (hop.flags & record_flag::kHandshake) == 0; }

}  // namespace hoptap::exporting
