#include "linker/slow_sample.h"

#include <algorithm>

#include "base/hash.h"

namespace hoptap::linker {
namespace {

/// splitmix64 (Steele, Lea, Flood 2014): resampling must give the same figures every time.
std::uint64_t next_random(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15ULL;
  std::uint64_t value = state;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

}  // namespace

void SlowSample::add(std::uint64_t trace_id, const Judgement& judgement) {
  const auto by_hash = [](const Request& left, const Request& right) { return left.hash < right.hash; };
  Request request{base::hash_values(trace_id), judgement.excess_ns, {}};
  if (requests_.size() >= kRequestsMax) {
    if (requests_.front().hash <= request.hash) return;
    std::pop_heap(requests_.begin(), requests_.end(), by_hash);
    requests_.pop_back();
  }
  for (const Blame& blame : judgement.blames) {
    if (blame.is_unusual()) request.by_place.emplace_back(blame.place, blame.excess_ns);
  }
  requests_.push_back(std::move(request));
  std::push_heap(requests_.begin(), requests_.end(), by_hash);
}

/// In an order that does not depend on the order of add().
std::vector<SlowSample::Excess> SlowSample::excesses(const Place& place, const std::map<Place, Place>& home) const {
  std::vector<const Request*> ordered;
  for (const Request& request : requests_) ordered.push_back(&request);
  std::sort(ordered.begin(), ordered.end(), [](const Request* left, const Request* right) {
    return std::pair(left->hash, left->excess_ns) < std::pair(right->hash, right->excess_ns);
  });
  std::vector<Excess> excesses;
  for (const Request* request : ordered) {
    Excess& excess = excesses.emplace_back();
    excess.whole = static_cast<double>(request->excess_ns);
    for (const auto& [blamed, time_ns] : request->by_place) {
      const auto moved = home.find(blamed);
      if ((moved != home.end() ? moved->second : blamed) == place) excess.of_place += static_cast<double>(time_ns);
    }
  }
  return excesses;
}

double SlowSample::confidence(const Place& place, const std::map<Place, Place>& home) const {
  constexpr std::size_t kRounds = 200;
  const std::vector<Excess> kept = excesses(place, home);
  if (kept.empty()) return 0;
  std::uint64_t state = 1;
  std::vector<double> shares;
  for (std::size_t round = 0; round < kRounds; ++round) {
    Excess sum;
    for (std::size_t draw = 0; draw < kept.size(); ++draw) {
      const Excess& excess = kept[next_random(state) % kept.size()];
      sum.of_place += excess.of_place;
      sum.whole += excess.whole;
    }
    shares.push_back(sum.whole > 0 ? std::min(sum.of_place / sum.whole, 1.0) : 0);
  }
  std::sort(shares.begin(), shares.end());
  return shares[kRounds / 20];
}

}  // namespace hoptap::linker
