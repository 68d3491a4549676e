// Who reset a connection: an end host, or a box between two points of the path. learn() every trace, then ask: a reset
// that two places could have sent was rather sent by the one that sends others. One thread while learning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "linker/completeness.h"
#include "linker/virtual_points.h"

namespace hoptap::linker {

struct Trace;

enum class ResetBy : std::uint8_t { kNobody, kClient, kServer, kMiddlebox };

struct ResetOrigin {
  ResetBy by = ResetBy::kNobody;
  std::size_t from = 0;    ///< of a middlebox: it is behind this stop (an index into Trace::stops), before the next
  double probability = 0;  ///< 0..1
};

class ResetModel {
 public:
  static constexpr std::size_t kPlacesMax = 4096;

  void learn(const Trace& trace, const Completeness& completeness);

  /// Weighs who may have sent the resets that the trace's hops saw: a host's pass every point with that host's TTL, a
  /// middlebox's go away from it to either side with a TTL of their own. kNobody when no hop saw a reset.
  ResetOrigin origin(const Trace& trace, const Completeness& completeness) const;

  std::uint64_t refused() const { return refused_; }  ///< resets not learned: kPlacesMax reached

 private:
  /// Of a host, its nearest stop twice.
  struct Place {
    ResetBy by{};
    NodeId near;
    NodeId far;
    auto operator<=>(const Place&) const = default;
  };
  static Place place_of(const Trace& trace, ResetBy by, std::size_t from);

  std::map<Place, double> resets_;  ///< expected number of requests that each place reset
  std::uint64_t refused_ = 0;
};

}  // namespace hoptap::linker
