// A bounded sample of slow requests and how firmly their excess points at one place. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "linker/verdict.h"

namespace hoptap::linker {

class SlowSample {
 public:
  static constexpr std::size_t kRequestsMax = 1024;  ///< kept: those with the least hash of their id, in any order

  void add(std::uint64_t trace_id, const Judgement& judgement);

  /// Share of the excess that `place` explains (with the places that `home` sends to it), at the 5th percentile of 200
  /// resamples of the requests (a bootstrap, Efron 1979) with a fixed seed; 0 when nothing was kept.
  double confidence(const Place& place, const std::map<Place, Place>& home) const;

 private:
  struct Request {
    std::uint64_t hash;
    std::int64_t excess_ns;
    std::vector<std::pair<Place, std::int64_t>> by_place;
  };
  /// Of one request, or of a resample of them.
  struct Excess {
    double of_place = 0;
    double whole = 0;
  };

  std::vector<Excess> excesses(const Place& place, const std::map<Place, Place>& home) const;

  std::vector<Request> requests_;  ///< a heap, greatest hash in front
};

}  // namespace hoptap::linker
