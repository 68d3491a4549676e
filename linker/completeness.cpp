#include "linker/completeness.h"

#include <algorithm>

namespace hoptap::linker {
namespace {

// As if so many bytes more had been watched, of which a good capture misses one in a thousand.
constexpr double kPriorBytes = 20'000;
constexpr double kPriorUnseen = 20;
constexpr double kLeast = 0.05;
constexpr double kMost = 0.9995;

}  // namespace

Captured captured(const flowtable::LegRecord::Direction& direction) {
  return {direction.acknowledged_bytes, std::min(direction.unseen_bytes, direction.acknowledged_bytes)};
}

void Completeness::add(const flowtable::LegRecord& leg) {
  add(leg.point, Way::kToServer, captured(leg.to_server));
  add(leg.point, Way::kToClient, captured(leg.to_client));
}

void Completeness::add(std::uint32_t point, Way way, const Captured& leg) {
  Captured& bytes = points_[point][static_cast<std::size_t>(way)];
  bytes.acknowledged_bytes += leg.acknowledged_bytes;
  bytes.unseen_bytes += leg.unseen_bytes;
}

Captured Completeness::bytes_of(std::uint32_t point, Way way) const {
  const auto known = points_.find(point);
  return known == points_.end() ? Captured{} : known->second[static_cast<std::size_t>(way)];
}

std::optional<double> Completeness::share(std::uint32_t point, Way way) const {
  const Captured bytes = bytes_of(point, way);
  if (bytes.acknowledged_bytes == 0) return std::nullopt;
  return 1 - static_cast<double>(bytes.unseen_bytes) / static_cast<double>(bytes.acknowledged_bytes);
}

double Completeness::of(std::uint32_t point, Way way) const {
  const Captured bytes = bytes_of(point, way);
  const double unseen = static_cast<double>(bytes.unseen_bytes) + kPriorUnseen;
  const double all = static_cast<double>(bytes.acknowledged_bytes) + kPriorBytes;
  return std::clamp(1 - unseen / all, kLeast, kMost);
}

}  // namespace hoptap::linker
