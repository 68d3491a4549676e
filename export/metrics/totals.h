// The sums of all rows since the beginning, for Prometheus. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "export/metrics/open_metrics.h"
#include "export/metrics/row_set.h"

namespace hoptap::exporting {

/// Upper bounds of the histogram of latencies: those that OpenTelemetry advises for HTTP, and shorter ones.
inline constexpr std::array<std::uint64_t, 19> kLatencyBoundsNs{
    100'000,       250'000,       500'000,       1'000'000,     2'500'000,     5'000'000,   10'000'000,
    25'000'000,    50'000'000,    75'000'000,    100'000'000,   250'000'000,   500'000'000, 750'000'000,
    1'000'000'000, 2'500'000'000, 5'000'000'000, 7'500'000'000, 10'000'000'000};

struct TotalValues {
  MetricsSums sums;
  std::array<std::uint64_t, kLatencyBoundsNs.size()>
      at_most{};  ///< latencies up to each bound, to a sketch's precision

  void add(const MetricsValues& values);
};

class MetricsTotals {
 public:
  using NameOf = std::function<std::string(std::uint32_t)>;

  /// @param rows_max  over all points, see RowSet; each point has one row more
  explicit MetricsTotals(std::size_t rows_max) : rows_(rows_max) {}

  void add(const MetricsRow& row) { rows_.at(row.key).add(row.values); }
  /// @param point_name  of MetricsKey::point
  void write(MetricsWriter& out, const NameOf& point_name) const;

  std::size_t size() const { return rows_.size(); }
  const OverflowCounters& overflow() const { return rows_.overflow(); }

 private:
  RowSet<TotalValues> rows_;
};

}  // namespace hoptap::exporting
