#include "appliance/probe/metrics.h"

#include <utility>

namespace hoptap::appliance {

ProbeMetrics::ProbeMetrics(const exporting::MetricsConfig& config, std::size_t totals_max,
                           std::function<void(exporting::MetricsRow&&)> give)
    : give_(std::move(give)),
      windows_(config, [this](exporting::MetricsRow&& row) { take(std::move(row)); }),
      totals_(totals_max) {}

void ProbeMetrics::take(exporting::MetricsRow&& row) {
  {
    const std::lock_guard lock(mutex_);
    totals_.add(row);
  }
  give_(std::move(row));
}

void ProbeMetrics::advance(const PointSet& points) {
  if (named_ != points.size()) {
    named_ = points.size();
    const std::lock_guard lock(mutex_);
    points.each([&](const PointMoment& moment) { names_[moment.point] = points.about(moment.point).name; });
  }
  points.each([this](const PointMoment& moment) {
    if (moment.ended) {
      windows_.finish(moment.point);
    } else {
      windows_.advance(moment.point, moment.reached_ns);
    }
  });
  const std::lock_guard lock(mutex_);
  counters_ = windows_.counters();
}

void ProbeMetrics::write(exporting::MetricsWriter& out) const {
  const std::lock_guard lock(mutex_);
  totals_.write(out, [this](std::uint32_t point) {
    const auto name = names_.find(point);
    return name == names_.end() ? std::string() : name->second;
  });
}

exporting::MetricsCounters ProbeMetrics::counters() const {
  const std::lock_guard lock(mutex_);
  exporting::MetricsCounters counters = counters_;
  return counters;
}

}  // namespace hoptap::appliance
