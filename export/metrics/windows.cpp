#include "export/metrics/windows.h"

#include <algorithm>

namespace hoptap::exporting {
namespace {

constexpr std::uint64_t kTimeMaxNs = INT64_MAX;  // packets may claim any time; windows after it are one

}  // namespace

MetricsValues& MetricsWindows::values(const MetricsKey& key, std::uint64_t time_ns) {
  PointTime& point = points_[key.point];
  time_ns = std::min(time_ns, kTimeMaxNs);
  std::uint64_t start_ns = time_ns - time_ns % config_.length_ns;
  if (start_ns < point.closed_ns) {
    ++counters_.late;
    start_ns = point.closed_ns;
  }
  return point.open.try_emplace(start_ns, config_.rows_max).first->second.at(key);
}

void MetricsWindows::add(const flowtable::HopRecord& hop, std::uint32_t tags) {
  if (!is_request(hop)) return;
  const std::uint64_t time_ns = time_of(hop);
  values(key_of(hop, tags), time_ns).add(hop);
  advance(hop.point, time_ns);
}

void MetricsWindows::add(const flowtable::FlowMetrics& flow, std::uint32_t tags) {
  values(key_of(flow, tags), flow.last_ns).add(flow);
  advance(flow.point, flow.last_ns);
}

void MetricsWindows::add(const MetricsRow& row) {
  values(row.key, row.start_ns).add(row.values);
  advance(row.key.point, row.start_ns);
}

void MetricsWindows::advance(std::uint32_t number, std::uint64_t now_ns) {
  const std::uint64_t past = config_.length_ns + config_.grace_ns;
  now_ns = std::min(now_ns, kTimeMaxNs);
  if (now_ns < past) return;
  PointTime& point = points_[number];
  // The newest window that ended a grace ago, and all before it.
  const std::uint64_t before_ns = (now_ns - config_.grace_ns) / config_.length_ns * config_.length_ns;
  if (before_ns > point.closed_ns) close(point, before_ns);
}

void MetricsWindows::close(PointTime& point, std::uint64_t before_ns) {
  point.closed_ns = before_ns;
  while (!point.open.empty() && point.open.begin()->first < before_ns) {
    const std::uint64_t start_ns = point.open.begin()->first;
    RowSet<MetricsValues> rows = std::move(point.open.begin()->second);
    point.open.erase(point.open.begin());
    counters_.overflow.add(rows.overflow());
    for (auto& [key, values] : rows.take()) {
      ++counters_.rows;
      closed_({start_ns, config_.length_ns, std::move(key), std::move(values)});
    }
  }
}

void MetricsWindows::finish(std::uint32_t number) {
  const auto point = points_.find(number);
  if (point == points_.end() || point->second.open.empty()) return;
  close(point->second, point->second.open.rbegin()->first + config_.length_ns);
}

void MetricsWindows::finish() {
  for (auto& [number, point] : points_) {
    if (!point.open.empty()) close(point, point.open.rbegin()->first + config_.length_ns);
  }
}

std::size_t MetricsWindows::rows_held() const {
  std::size_t rows = 0;
  for (const auto& [number, point] : points_)
    for (const auto& [start, set] : point.open) rows += set.size();
  return rows;
}

}  // namespace hoptap::exporting
