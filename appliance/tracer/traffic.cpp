#include "appliance/tracer/traffic.h"

namespace hoptap::appliance {

std::uint32_t TrafficTotals::number_of(const std::string& point) {
  const std::string name = names_.size() < kPointsMax || numbers_.count(point) > 0 ? point : "other";
  const auto [found, is_new] = numbers_.try_emplace(name, static_cast<std::uint32_t>(names_.size()));
  if (is_new) names_.push_back(name);
  return found->second;
}

void TrafficTotals::add(const exporting::InboxBatch& batch) {
  const std::lock_guard lock(mutex_);
  for (exporting::MetricsRow row : batch.metrics) {
    row.key.point = number_of(batch.points.at(row.key.point));
    totals_.add(row);
  }
}

void TrafficTotals::write(exporting::MetricsWriter& out) const {
  const std::lock_guard lock(mutex_);
  totals_.write(out, [this](std::uint32_t point) { return names_.at(point); });
  out.family("hoptap_metrics_overflow", exporting::FamilyType::kCounter, "",
             "Rows of metrics without one of their own here: of a client, of a server.");
  out.sample("_total", exporting::label_text({{"of", "client"}}), totals_.overflow().clients);
  out.sample("_total", exporting::label_text({{"of", "server"}}), totals_.overflow().servers);
}

}  // namespace hoptap::appliance
