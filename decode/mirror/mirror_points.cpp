#include "decode/mirror/mirror_points.h"

#include <algorithm>

#include "capture/packet.h"

namespace hoptap::decode {
namespace {

bool is_same(const MirrorPoint& one, const MirrorPoint& other) {
  if (one.rule || other.rule) return one.rule == other.rule;
  return one.interface_id == other.interface_id && one.kind == other.kind && one.id == other.id &&
         one.from == other.from;
}

}  // namespace

std::optional<std::uint16_t> MirrorPoints::number_of(const MirrorPoint& wanted) {
  static_assert(capture::kInterfacesMax + MirrorConfig::kPointsMax <= UINT16_MAX + 1u);
  const std::lock_guard lock(mutex_);
  const auto known =
      std::find_if(points_.begin(), points_.end(), [&](const auto& one) { return is_same(one, wanted); });
  if (known != points_.end()) return known->number;
  if (points_.size() >= std::min(config_.points_max, MirrorConfig::kPointsMax)) return std::nullopt;
  points_.push_back(wanted);
  points_.back().number = static_cast<std::uint16_t>(capture::kInterfacesMax + points_.size() - 1);
  return points_.back().number;
}

std::vector<MirrorPoint> MirrorPoints::all() const {
  const std::lock_guard lock(mutex_);
  return points_;
}

std::size_t MirrorPoints::size() const {
  const std::lock_guard lock(mutex_);
  return points_.size();
}

}  // namespace hoptap::decode
