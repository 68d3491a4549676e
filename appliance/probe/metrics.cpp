#include "appliance/probe/metrics.h"

#include <utility>

#include "appliance/points.h"

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

void ProbeMetrics::advance(const Feed& feed, const std::string& point_name) {
  const auto interfaces = feed.source().interfaces();
  if (std::size_t& known = interfaces_[feed.point_base()]; known != interfaces.size()) {
    known = interfaces.size();  // a second one renames the first
    const std::lock_guard lock(mutex_);
    for (std::size_t n = 0; n < interfaces.size(); ++n)
      names_[feed.point_base() + static_cast<std::uint32_t>(n)] = name_of_interface(point_name, interfaces, n);
  }
  for (std::size_t n = 0; n < interfaces.size(); ++n) {
    const std::uint32_t point = feed.point_base() + static_cast<std::uint32_t>(n);
    if (feed.ended()) {
      windows_.finish(point);
    } else {
      windows_.advance(point, feed.now_ns());
    }
  }
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
