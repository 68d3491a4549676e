// Sums of all metrics that probes have sent since the tracer was started, by the names of their points, for /metrics.
// Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "export/metrics/totals.h"
#include "export/store/rows.h"

namespace hoptap::appliance {

class TrafficTotals {
 public:
  static constexpr std::size_t kPointsMax = 4096;  ///< further ones share a name
  static constexpr std::size_t kRowsMaxDefault = 2000;

  explicit TrafficTotals(std::size_t rows_max) : totals_(rows_max) {}

  /// Once for each batch that is stored.
  void add(const exporting::InboxBatch& batch);
  void write(exporting::MetricsWriter& out) const;

 private:
  std::uint32_t number_of(const std::string& point);

  mutable std::mutex mutex_;
  exporting::MetricsTotals totals_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<std::string> names_;  ///< by number
};

}  // namespace hoptap::appliance
