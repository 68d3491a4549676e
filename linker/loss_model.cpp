#include "linker/loss_model.h"

#include <algorithm>
#include <cmath>

namespace hoptap::linker {
namespace {

constexpr double kPriorLosses = 0.1;  // spread over all places: what is believed without having seen any loss
constexpr int kRoundsMax = 100;

/// Likelihood of the sightings for each last place, times `weight` of that place, scaled to a sum of 1.
std::vector<double> posterior(std::span<const double> completeness, Places seen, Places unknown,
                              std::span<const double> weight) {
  std::vector<double> likelihood(completeness.size());
  double so_far = 1;  // of the places up to here, if the copy passed them all
  double sum = 0;
  for (std::size_t last = 0; last < completeness.size(); ++last) {
    if (!has_place(unknown, last)) so_far *= has_place(seen, last) ? completeness[last] : 1 - completeness[last];
    const bool seen_beyond = last + 1 < kPlacesMax && (seen >> (last + 1)) != 0;
    likelihood[last] = seen_beyond ? 0 : so_far * weight[last];
    sum += likelihood[last];
  }
  for (double& value : likelihood) value = sum > 0 ? value / sum : 0;
  return likelihood;
}

std::vector<double> with_prior(std::vector<double> losses) {
  for (double& count : losses) count = std::max(count, 0.0) + kPriorLosses / static_cast<double>(losses.size());
  return losses;
}

}  // namespace

void LossModel::learn(const WayPlaces& way, const ResentCopy& copy) {
  auto known = ways_.find(way.id);
  if (known == ways_.end()) {
    if (ways_.size() >= kWaysMax) {
      ++refused_;
      return;
    }
    known = ways_.emplace(way.id, Learned{way.completeness, {}, std::vector<double>(way.completeness.size())}).first;
  }
  auto& patterns = known->second.patterns;
  const Pattern pattern(copy.seen, copy.unknown);
  if (pattern_count_ >= kPatternsMax && patterns.count(pattern) == 0) {
    ++refused_;
    return;
  }
  if (++patterns[pattern] == 1) ++pattern_count_;
}

void LossModel::solve() {
  for (auto& [id, way] : ways_) {
    for (int round = 0; round < kRoundsMax; ++round) {
      const std::vector<double> weight = with_prior(way.losses);
      std::vector<double> losses(way.losses.size());
      for (const auto& [pattern, count] : way.patterns) {
        const std::vector<double> share = posterior(way.completeness, pattern.first, pattern.second, weight);
        for (std::size_t last = 0; last < losses.size(); ++last) {
          losses[last] += static_cast<double>(count) * share[last];
        }
      }
      double change = 0;
      for (std::size_t last = 0; last < losses.size(); ++last) {
        change = std::max(change, std::abs(losses[last] - way.losses[last]));
      }
      way.losses = std::move(losses);
      if (change < 1e-6) break;
    }
  }
}

std::vector<double> LossModel::reached(const WayPlaces& way, const ResentCopy& copy) const {
  std::vector<double> others(way.completeness.size());
  const auto known = ways_.find(way.id);
  if (known != ways_.end() && known->second.losses.size() == others.size()) {
    others = known->second.losses;  // less what this very copy added: it must not confirm itself
    const std::vector<double> own = posterior(way.completeness, copy.seen, copy.unknown, with_prior(others));
    const bool learned = known->second.patterns.count({copy.seen, copy.unknown}) > 0;
    for (std::size_t last = 0; last < others.size() && learned; ++last) others[last] -= own[last];
  }
  return posterior(way.completeness, copy.seen, copy.unknown, with_prior(others));
}

}  // namespace hoptap::linker
