#include "appliance/probe/replay_points.h"

#include <algorithm>

namespace hoptap::appliance {

std::size_t ReplayPoints::size() const {
  std::size_t sum = 0;
  for (const auto& feed : replay_.feeds()) sum += feed->source().interfaces().size();
  return sum;
}

void ReplayPoints::each(const std::function<void(const PointMoment&)>& visit) const {
  for (const auto& feed : replay_.feeds())
    for (std::size_t n = 0; n < feed->source().interfaces().size(); ++n)
      visit({feed->point_base() + static_cast<std::uint32_t>(n), feed->now_ns(), feed->ended()});
}

bool ReplayPoints::has_ended() const {
  return std::all_of(replay_.feeds().begin(), replay_.feeds().end(), [](const auto& feed) { return feed->ended(); });
}

exporting::BatchPoint ReplayPoints::about(std::uint32_t number) const {
  const std::size_t at = number / Feed::kPointsPerFeed;
  const Feed& feed = *replay_.feeds().at(at);
  const PointHint& hint = inputs_.at(at).point;
  exporting::BatchPoint point;
  point.name = name_of_interface(hint.name, feed.source().interfaces(), number % Feed::kPointsPerFeed);
  point.role = hint.role.empty() ? role_of_name(point.name) : hint.role;
  point.order = hint.order;
  point.reached_ns = feed.now_ns();
  point.packets = feed.source().counters().packets;
  const std::uint64_t lost = feed.source().counters().dropped_by_capture;
  if (lost > 0) point.lost_packets = lost;  // most formats cannot say
  point.ended = feed.ended();
  return point;
}

}  // namespace hoptap::appliance
