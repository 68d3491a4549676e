// The points that a probe's records are of, whether captures or interfaces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "export/wire/batch.h"

namespace hoptap::appliance {

/// How far a point has come.
struct PointMoment {
  std::uint32_t point = 0;       ///< as in its records
  std::uint64_t reached_ns = 0;  ///< packet time
  bool ended = false;
};

/// Used by the thread that gathers records.
class PointSet {
 public:
  virtual ~PointSet() = default;
  /// May grow; then names may change.
  virtual std::size_t size() const = 0;
  /// In an order that stays.
  virtual void each(const std::function<void(const PointMoment&)>& visit) const = 0;
  virtual exporting::BatchPoint about(std::uint32_t point) const = 0;
  /// No record of any point will follow, nor will there be another point.
  virtual bool has_ended() const = 0;

  /// The latest packet time of any point.
  std::uint64_t reached_ns() const {
    std::uint64_t reached = 0;
    each([&](const PointMoment& moment) { reached = std::max(reached, moment.reached_ns); });
    return reached;
  }
};

}  // namespace hoptap::appliance
