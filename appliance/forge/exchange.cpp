#include "appliance/forge/exchange.h"

#include <algorithm>

namespace hoptap::forge {

void Coverage::add(std::uint64_t from, std::uint64_t end) {
  if (end <= prefix_) return;
  if (from > prefix_) {
    ahead_.emplace_back(from, end);
    return;
  }
  prefix_ = end;
  for (bool grown = true; grown;) {
    grown = false;
    std::erase_if(ahead_, [&](const auto& range) {
      if (range.first > prefix_) return false;
      grown = grown || range.second > prefix_;
      prefix_ = std::max(prefix_, range.second);
      return true;
    });
  }
}

AtPoint& Exchange::at(std::uint32_t point) {
  for (AtPoint& known : points)
    if (known.point == point) return known;
  points.push_back({.point = point, .request_bytes = 0, .response_bytes = 0, .request = {}, .response = {}});
  return points.back();
}

}  // namespace hoptap::forge
