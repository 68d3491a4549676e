#include "appliance/probe/replay_points.h"

#include <algorithm>

namespace hoptap::appliance {

std::size_t ReplayPoints::size() const {
  std::size_t sum = 0;
  for (const auto& feed : replay_.feeds()) sum += feed->source().interfaces().size() + feed->mirror_points().size();
  return sum;
}

void ReplayPoints::each(const std::function<void(const PointMoment&)>& visit) const {
  for (const auto& feed : replay_.feeds()) {
    for (std::size_t n = 0; n < feed->source().interfaces().size(); ++n)
      visit({feed->point_base() + static_cast<std::uint32_t>(n), feed->now_ns(), feed->ended()});
    for (const decode::MirrorPoint& mirror : feed->mirror_points())
      visit({feed->point_base() + mirror.number, feed->now_ns(), feed->ended()});
  }
}

bool ReplayPoints::has_ended() const {
  return std::all_of(replay_.feeds().begin(), replay_.feeds().end(), [](const auto& feed) { return feed->ended(); });
}

exporting::BatchPoint ReplayPoints::about(std::uint32_t number) const {
  const std::size_t at = number / Feed::kPointsPerFeed;
  const Feed& feed = *replay_.feeds().at(at);
  exporting::BatchPoint point;
  for (const NumberedPoint& one : points_of(feed, inputs_.at(at).point)) {
    if (one.number != number) continue;
    point.name = one.point.name;
    point.role = one.point.role;
    point.order = one.point.order;
  }
  point.reached_ns = feed.now_ns();
  point.ended = feed.ended();
  point.stamps = stamps_of(feed, number);
  const std::uint32_t in_feed = number % Feed::kPointsPerFeed;
  if (in_feed >= capture::kInterfacesMax) {
    const MirrorSums sums = sums_of_mirror(feed.mirror_sessions(), static_cast<std::uint16_t>(in_feed));
    point.packets = sums.packets;
    point.lost_packets = sums.lost;
    return point;
  }
  point.packets = feed.source().counters().packets;
  const std::uint64_t lost = feed.source().counters().dropped_by_capture;
  if (lost > 0) point.lost_packets = lost;  // most formats cannot say
  return point;
}

}  // namespace hoptap::appliance
