#include "appliance/tracer/known_points.h"

#include <algorithm>

namespace hoptap::appliance {

std::uint32_t KnownPoints::take(const exporting::BatchPoint& point, const std::string& probe, std::uint64_t now_ns) {
  const auto [at, fresh] = ids_.emplace(point.name, static_cast<std::uint32_t>(points_.size()));
  if (fresh) points_.emplace_back();
  KnownPoint& known = points_[at->second];
  if (fresh || point.reached_ns > known.latest.reached_ns || point.ended) known.heard_ns = now_ns;
  const std::uint64_t reached_ns = std::max(point.reached_ns, known.latest.reached_ns);
  known.latest = point;
  known.latest.reached_ns = reached_ns;
  known.probe = probe;
  if (known.first_ns == 0) known.first_ns = point.reached_ns;
  return at->second;
}

std::uint64_t KnownPoints::middle_reached_ns() const {
  std::vector<std::uint64_t> times;
  for (const KnownPoint& point : points_)
    if (point.latest.reached_ns != 0) times.push_back(point.latest.reached_ns);
  if (times.empty()) return 0;
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

KnownPoints::Ordered KnownPoints::in_order() const {
  Ordered ordered;
  ordered.id_of.resize(points_.size());
  for (const auto& [name, id] : ids_) {
    const auto place = static_cast<std::uint32_t>(ordered.here_of.size());
    ordered.id_of[id] = place;
    ordered.here_of.push_back(id);
    ordered.table.add({place, name, points_[id].latest.role, points_[id].latest.order});
  }
  return ordered;
}

void KnownPoints::leave_silent(std::uint64_t now_ns, std::uint64_t patience_ns, linker::PacketClock& clock) {
  for (std::uint32_t id = 0; id < points_.size(); ++id) {
    const KnownPoint& point = points_[id];
    if (point.latest.ended || point.heard_ns + patience_ns <= now_ns) clock.left(id);
  }
}

}  // namespace hoptap::appliance
