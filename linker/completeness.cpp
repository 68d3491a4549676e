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

void Completeness::add(const flowtable::LegRecord& leg) {
  std::array<Bytes, 2>& point = points_[leg.point];
  const auto count = [](const flowtable::LegRecord::Direction& direction, Bytes& bytes) {
    bytes.acknowledged += direction.acknowledged_bytes;
    bytes.unseen += std::min(direction.unseen_bytes, direction.acknowledged_bytes);
  };
  count(leg.to_server, point[0]);
  count(leg.to_client, point[1]);
}

Completeness::Bytes Completeness::bytes_of(std::uint32_t point, Way way) const {
  const auto known = points_.find(point);
  return known == points_.end() ? Bytes{} : known->second[static_cast<std::size_t>(way)];
}

std::optional<double> Completeness::share(std::uint32_t point, Way way) const {
  const Bytes bytes = bytes_of(point, way);
  if (bytes.acknowledged == 0) return std::nullopt;
  return 1 - static_cast<double>(bytes.unseen) / static_cast<double>(bytes.acknowledged);
}

double Completeness::of(std::uint32_t point, Way way) const {
  const Bytes bytes = bytes_of(point, way);
  const double unseen = static_cast<double>(bytes.unseen) + kPriorUnseen;
  const double all = static_cast<double>(bytes.acknowledged) + kPriorBytes;
  return std::clamp(1 - unseen / all, kLeast, kMost);
}

}  // namespace hoptap::linker
