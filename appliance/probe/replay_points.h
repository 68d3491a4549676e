// The points of a replay: each capture's interfaces.
#pragma once

#include <vector>

#include "appliance/points.h"
#include "appliance/probe/point_set.h"
#include "appliance/replay.h"

namespace hoptap::appliance {

/// A capture to be read, and the point that it was taken at.
struct ReplayInput {
  std::string file;
  PointHint point;
  FeedConfig feed;
};

class ReplayPoints final : public PointSet {
 public:
  /// Both must outlive it; input i is feed i's.
  ReplayPoints(const Replay& replay, const std::vector<ReplayInput>& inputs) : replay_(replay), inputs_(inputs) {}

  std::size_t size() const override;
  void each(const std::function<void(const PointMoment&)>& visit) const override;
  exporting::BatchPoint about(std::uint32_t point) const override;
  bool has_ended() const override;

 private:
  const Replay& replay_;
  const std::vector<ReplayInput>& inputs_;
};

}  // namespace hoptap::appliance
