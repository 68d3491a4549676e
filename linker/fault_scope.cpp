#include "linker/fault_scope.h"

#include <cmath>
#include <utility>

namespace hoptap::linker {
namespace {

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// n * log(observed / expected share), the term of a likelihood ratio; 0 when there is nothing.
double term(std::uint64_t count, double observed, double expected) {
  return count == 0 || expected <= 0 ? 0 : static_cast<double>(count) * std::log(observed / expected);
}

std::string points_of(const Trace& trace) {
  std::string points;
  for (const Stop& stop : trace.stops) points += (points.empty() ? "" : ",") + stop.point;
  return points;
}

}  // namespace

void FaultScope::count(Property property, const std::string& value, bool slow) {
  auto& values = values_[static_cast<std::size_t>(property)];
  auto known = values.find(value);
  if (known == values.end()) {
    if (values.size() >= kValuesMax) {
      ++refused_;
      return;
    }
    known = values.emplace(value, Counts{}).first;
  }
  ++known->second.all;
  known->second.slow += slow ? 1 : 0;
}

void FaultScope::add(const Trace& trace, bool slow) {
  ++requests_.all;
  requests_.slow += slow ? 1 : 0;
  count(Property::kClient, trace.client_end().record.client.address.text(), slow);
  count(Property::kService, trace.client_end().record.server.text(), slow);
  count(Property::kServer, trace.server_end().record.server.text(), slow);
  count(Property::kPath, points_of(trace), slow);
}

std::optional<SharedBy> FaultScope::shared() const {
  constexpr double kNearlyAll = 0.9, kClearlyFewer = 0.7, kCertain = 5;  // nats: a chance of one in 150
  static constexpr std::array<const char*, kProperties> kNames{"client", "service", "server", "path"};
  std::optional<SharedBy> best;
  double most = kCertain;
  for (std::size_t property = 0; property < kProperties; ++property) {
    for (const auto& [value, counts] : values_[property]) {
      const double of_slow = share(counts.slow, requests_.slow);
      const double of_all = share(counts.all, requests_.all);
      if (of_slow < kNearlyAll || of_all > kClearlyFewer * of_slow) continue;
      const double certainty =
          term(counts.slow, of_slow, of_all) + term(requests_.slow - counts.slow, 1 - of_slow, 1 - of_all);
      if (certainty <= most) continue;
      most = certainty;
      best = SharedBy{kNames[property], value, of_slow, of_all};
    }
  }
  return best;
}

}  // namespace hoptap::linker
