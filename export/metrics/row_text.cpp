#include "export/metrics/row_text.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "export/canvas.h"
#include "export/json_value.h"
#include "linker/verdict_text.h"

namespace hoptap::exporting {
namespace {

namespace json = boost::json;

constexpr std::string_view kOther = "other";  // whose rows had no room

std::string client_text(const MetricsKey& key) {
  return key.scope == RowScope::kClient ? key.client.text() : std::string(kOther);
}

std::string server_text(const MetricsKey& key) {
  return key.scope == RowScope::kPoint ? std::string(kOther) : key.server.address.text();
}

json::object way_json(const std::array<std::uint64_t, kWayCounts>& way) {
  json::object out;
  for (std::size_t at = 0; at < kWayCounts; ++at) put_unless_zero(out, way_infos()[at].name, way[at]);
  return out;
}

json::object times_json(const MetricsSums& sums) {
  json::object out;
  for (std::size_t at = 0; at < kTimes; ++at) {
    const TimeSums& times = sums.times[at];
    if (times.count == 0) continue;
    out[time_infos()[at].name] = json::object{
        {"count", times.count}, {"sum_ns", times.sum_ns}, {"min_ns", times.min_ns}, {"max_ns", times.max_ns}};
  }
  return out;
}

std::uint64_t errors_of(const MetricsSums& sums) {
  std::uint64_t errors = 0;
  for (std::size_t at = index_of(Count::kClientErrors); at <= index_of(Count::kResets); ++at) errors += sums.counts[at];
  return errors;
}

std::uint64_t retransmissions_of(const MetricsSums& sums) {
  std::uint64_t copies = 0;
  for (const auto& way : sums.ways)
    for (std::size_t at = index_of(WayCount::kRetransmissionsTimeout); at <= index_of(WayCount::kSynRetransmissions);
         ++at)
      copies += way[at];
  return copies;
}

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  constexpr std::array<std::string_view, 5> kUnits{"kB", "MB", "GB", "TB", "PB"};
  double shown = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; shown >= 10'000 && unit + 1 < kUnits.size(); ++unit) shown /= 1000;
  return fmt::format("{:.0f} {}", shown, kUnits[unit]);
}

}  // namespace

void MetricsBy::reduce(StoredMetrics& row) const {
  MetricsKey& key = row.row.key;
  if (!point) row.point.clear();
  if (!client) {
    key.client = {};
    if (key.scope == RowScope::kClient) key.scope = RowScope::kServer;
  }
  if (!server) {
    key.server = {};
    key.transport = 0;
    if (key.scope == RowScope::kServer) key.scope = RowScope::kPoint;
  }
  if (!protocol) key.protocol.clear();
}

std::string metrics_json(const StoredMetrics& row, const MetricsBy& by) {
  const MetricsKey& key = row.row.key;
  const MetricsSums& sums = row.row.values.sums;
  json::object out{{"start_ns", row.row.start_ns}, {"length_ns", row.row.length_ns}};
  if (by.point) out["point"] = utf8(row.point);
  if (by.client) out["client"] = client_text(key);
  if (by.server) {
    out["server"] = server_text(key);
    out["server_port"] = key.server.port;
    out["transport"] = key.scope == RowScope::kPoint ? std::string(kOther) : transport_name(key.transport);
  }
  if (by.protocol) out["protocol"] = utf8(key.protocol);
  put_unless_zero(out, "tags", key.tags);
  json::object closed;
  for (std::size_t at = 0; at < kCounts; ++at) {
    const SumInfo& info = count_infos()[at];
    if (at >= index_of(Count::kFlowsClosed) && at < index_of(Count::kIcmpErrors)) {
      put_unless_zero(closed, info.value, sums.counts[at]);
    } else {
      out[info.name] = sums.counts[at];
    }
  }
  out["flows_closed"] = std::move(closed);
  const base::Sketch& latency = row.row.values.latency;
  out["p50_ns"] = latency.quantile_ns(0.5);
  out["p90_ns"] = latency.quantile_ns(0.9);
  out["p95_ns"] = latency.quantile_ns(0.95);
  out["p99_ns"] = latency.quantile_ns(0.99);
  out["max_ns"] = sums.times[index_of(Time::kLatency)].max_ns;
  out["to_server"] = way_json(sums.ways[0]);
  out["to_client"] = way_json(sums.ways[1]);
  out["times"] = times_json(sums);
  return line_of(out);
}

std::string draw_metrics(std::span<const StoredMetrics> rows, const MetricsBy& by, const TextStyle& style) {
  const Canvas canvas(style);
  std::vector<std::string> head{"from"};
  if (by.point) head.emplace_back("point");
  if (by.client) head.emplace_back("client");
  if (by.server) head.emplace_back("server");
  if (by.protocol) head.emplace_back("protocol");
  const std::size_t names = head.size();
  head.insert(head.end(), {"requests", "errors", "median", "p95", "p99", "bytes", "copies"});
  std::vector<std::vector<std::string>> lines{std::move(head)};
  for (const StoredMetrics& row : rows) {
    const MetricsKey& key = row.row.key;
    const MetricsSums& sums = row.row.values.sums;
    const auto quantile = [&](double q) { return linker::duration_text(row.row.values.latency.quantile_ns(q)); };
    std::vector<std::string> line{
        fmt::format("{} {}", day_text(row.row.start_ns), clock_text(row.row.start_ns).substr(0, 8))};
    if (by.point) line.push_back(Canvas::printable(row.point));
    if (by.client) line.push_back(client_text(key));
    if (by.server) line.push_back(key.scope == RowScope::kPoint ? std::string(kOther) : key.server.text());
    if (by.protocol) line.push_back(key.protocol.empty() ? "-" : Canvas::printable(key.protocol));
    const std::uint64_t bytes = sums.ways[0][index_of(WayCount::kBytes)] + sums.ways[1][index_of(WayCount::kBytes)];
    line.insert(line.end(),
                {fmt::format("{}", sums.count(Count::kRequests)), fmt::format("{}", errors_of(sums)), quantile(0.5),
                 quantile(0.95), quantile(0.99), bytes_text(bytes), fmt::format("{}", retransmissions_of(sums))});
    lines.push_back(std::move(line));
  }
  return canvas.table(lines, names);
}

}  // namespace hoptap::exporting
