// Observation points as the person who runs hoptap named them. Plain values, owned by the table.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace hoptap::linker {

struct Point {
  std::uint32_t id = 0;
  std::string name;
  std::string role = "unknown";        ///< pod, node, host, switch, gateway or unknown
  std::optional<std::uint32_t> order;  ///< the person's hint: lower is nearer the client
};

/// Points by id. Written before the linker starts, read only afterwards.
class PointTable {
 public:
  /// Adds a point, or replaces the one with the same id.
  void add(Point point) {
    const auto at = std::lower_bound(points_.begin(), points_.end(), point.id,
                                     [](const Point& left, std::uint32_t id) { return left.id < id; });
    if (at != points_.end() && at->id == point.id) {
      *at = std::move(point);
    } else {
      points_.insert(at, std::move(point));
    }
  }

  /// Null when no point has this id. Valid until the next add().
  const Point* find(std::uint32_t id) const {
    const auto at = std::lower_bound(points_.begin(), points_.end(), id,
                                     [](const Point& left, std::uint32_t wanted) { return left.id < wanted; });
    return at != points_.end() && at->id == id ? &*at : nullptr;
  }

  /// "point-3" for a point nobody named.
  std::string name(std::uint32_t id) const {
    const Point* point = find(id);
    return point != nullptr && !point->name.empty() ? point->name : "point-" + std::to_string(id);
  }

  std::string role(std::uint32_t id) const {
    const Point* point = find(id);
    return point != nullptr && !point->role.empty() ? point->role : "unknown";
  }

  std::span<const Point> all() const { return points_; }  ///< by id

 private:
  std::vector<Point> points_;
};

}  // namespace hoptap::linker
