#include "linker/clock_bounds.h"

#include <algorithm>

namespace hoptap::linker {

void ClockBounds::learn(const Trace& trace) {
  if (trace.parts.empty()) return;
  const Hop& first = trace.client_end();
  if (first_.size() >= kPairsMax && first_.count(first.node.point) == 0) return;
  ++first_[first.node.point];
  for (const Hop& hop : trace.hops) {
    if (!hop.timed || hop.node.point == first.node.point || hop.stream != first.stream) continue;
    const std::pair key(first.node.point, hop.node.point);
    if (pairs_.size() >= kPairsMax && pairs_.count(key) == 0) continue;
    Between& between = pairs_[key];
    between.most_ns =
        std::min(between.most_ns, difference_ns(hop.record.request.first_ns, first.record.request.first_ns));
    between.least_ns =
        std::max(between.least_ns, difference_ns(hop.record.response.first_ns, first.record.response.first_ns));
  }
}

std::optional<std::uint32_t> ClockBounds::reference() const {
  const auto most = std::max_element(first_.begin(), first_.end(),
                                     [](const auto& left, const auto& right) { return left.second < right.second; });
  if (most == first_.end()) return std::nullopt;
  return most->first;
}

std::optional<ClockBound> ClockBounds::bound(std::uint32_t point) const {
  const std::optional<std::uint32_t> from = reference();
  if (!from) return std::nullopt;
  if (*from == point) return ClockBound{};
  const auto known = pairs_.find({*from, point});
  if (known == pairs_.end() || known->second.least_ns > known->second.most_ns) return std::nullopt;
  const std::int64_t width = known->second.most_ns - known->second.least_ns;
  return ClockBound{known->second.least_ns + width / 2, (width + 1) / 2};
}

}  // namespace hoptap::linker
