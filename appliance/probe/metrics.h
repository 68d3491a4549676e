// The probe's metrics: rows of each second for the tracer, and their sums for Prometheus. The thread that reads adds
// and advances; any thread may write() and ask for counters.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "appliance/probe/point_set.h"
#include "export/metrics/totals.h"
#include "export/metrics/windows.h"

namespace hoptap::appliance {

class ProbeMetrics {
 public:
  /// @param give  gets each row when its time is over, in an order that depends on packets alone
  ProbeMetrics(const exporting::MetricsConfig& config, std::size_t totals_max,
               std::function<void(exporting::MetricsRow&&)> give);

  void add(const flowtable::HopRecord& hop) { windows_.add(hop); }
  void add(const flowtable::FlowMetrics& flow) { windows_.add(flow); }

  /// Packet time has gone on; gives out all rows of a point that has ended.
  void advance(const PointSet& points);

  /// All sums since the probe began, for /metrics.
  void write(exporting::MetricsWriter& out) const;
  exporting::MetricsCounters counters() const;

 private:
  void take(exporting::MetricsRow&& row);

  std::function<void(exporting::MetricsRow&&)> give_;
  exporting::MetricsWindows windows_;
  std::size_t named_ = 0;  ///< points there were when they were named

  mutable std::mutex mutex_;  ///< over what follows
  exporting::MetricsTotals totals_;
  exporting::MetricsCounters counters_;
  std::map<std::uint32_t, std::string> names_;  ///< of points
};

}  // namespace hoptap::appliance
