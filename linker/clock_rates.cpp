#include "linker/clock_rates.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "linker/trace.h"

namespace hoptap::linker {
namespace {

constexpr std::size_t kStretchesMax = 128;
constexpr std::size_t kSlopesMin = 8;

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

void ClockRates::Differences::add(std::uint64_t time_ns, std::int64_t difference_ns) {
  ++count_;
  const auto [at, is_new] = stretches_.try_emplace(time_ns >> width_bits_, Least{time_ns, difference_ns});
  if (!is_new && difference_ns < at->second.difference_ns) at->second = {time_ns, difference_ns};
  if (stretches_.size() > kStretchesMax) widen();
}

void ClockRates::Differences::widen() {
  ++width_bits_;
  std::map<std::uint64_t, Least> wider;
  for (const auto& [index, least] : stretches_) {
    const auto [at, is_new] = wider.try_emplace(index >> 1, least);
    if (!is_new && least.difference_ns < at->second.difference_ns) at->second = least;
  }
  stretches_ = std::move(wider);
}

/// Median of the slopes between stretches an eighth of the run apart (Theil, Sen): three settings of a clock spoil
/// fewer than half of them.
double ClockRates::Differences::slope() const {
  std::vector<Least> leasts;
  for (const auto& [index, least] : stretches_) leasts.push_back(least);
  const std::size_t lag = std::max<std::size_t>(leasts.size() / 8, 1);
  std::vector<double> slopes;
  for (std::size_t at = 0; at + lag < leasts.size(); ++at) {
    const double apart = static_cast<double>(leasts[at + lag].time_ns - leasts[at].time_ns);
    const double grown = static_cast<double>(leasts[at + lag].difference_ns - leasts[at].difference_ns);
    if (apart > 0) slopes.push_back(grown / apart);
  }
  if (slopes.size() < kSlopesMin) return 0;
  const double slope = median_of(slopes);
  for (double& value : slopes) value = std::abs(value - slope);
  // Three standard errors of a median. Slopes that overlap tell each other little, hence half their number.
  constexpr double kDeviationOfMad = 1.4826, kErrorOfMedian = 1.2533;
  const double independent = static_cast<double>(slopes.size()) / 2;
  const double error = 3 * kErrorOfMedian * kDeviationOfMad * median_of(slopes) / std::sqrt(independent);
  return std::abs(slope) <= error || std::abs(slope) > kRateMax ? 0 : slope;
}

void ClockRates::learn(const Trace& trace) {
  const Hop* near = nullptr;
  for (const Hop& hop : trace.hops) {
    if (!hop.timed || hop.record.request.copies > 0) continue;
    if (near != nullptr && near->node.point != hop.node.point) {
      const std::uint64_t time_ns = near->record.request.first_ns;
      const std::pair key(near->node.point, hop.node.point);
      if (pairs_.size() < kPairsMax || pairs_.count(key) > 0) {
        pairs_[key].add(time_ns, difference_ns(hop.record.request.first_ns, time_ns));
      } else {
        ++refused_;
      }
    }
    near = &hop;
  }
}

/// From point to point, the pairs that most requests passed first.
void ClockRates::solve() {
  reference_time_.clear();
  std::vector<std::pair<std::uint64_t, std::pair<std::uint32_t, std::uint32_t>>> pairs;
  for (const auto& [points, differences] : pairs_) pairs.emplace_back(differences.count(), points);
  std::sort(pairs.begin(), pairs.end(), std::greater<>());
  const auto known = [this](std::uint32_t point) { return reference_time_.count(point) > 0; };
  const auto joins_one = [&](const auto& pair) { return known(pair.second.first) != known(pair.second.second); };
  const auto joins_none = [&](const auto& pair) { return !known(pair.second.first) && !known(pair.second.second); };
  while (true) {
    auto next = std::find_if(pairs.begin(), pairs.end(), joins_one);
    if (next == pairs.end()) {  // points that no request of the others passes have a reference of their own
      next = std::find_if(pairs.begin(), pairs.end(), joins_none);
      if (next == pairs.end()) return;
      reference_time_[next->second.first] = 1;
    }
    const auto [near, far] = next->second;
    const double far_for_near = 1 + pairs_.at(next->second).slope();
    if (known(near)) {
      reference_time_[far] = reference_time_[near] / far_for_near;
    } else {
      reference_time_[near] = reference_time_[far] * far_for_near;
    }
  }
}

double ClockRates::reference_time(std::uint32_t point) const {
  const auto known = reference_time_.find(point);
  return known == reference_time_.end() ? 1 : known->second;
}

}  // namespace hoptap::linker
