// The observation points that a tracer has heard of. Ids are given as points appear; for judging they are put in the
// order of the names, so that results do not depend on who came first. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "export/wire/batch.h"
#include "linker/packet_clock.h"
#include "linker/point.h"

namespace hoptap::appliance {

struct KnownPoint {
  exporting::BatchPoint latest;  ///< as its probe said last
  std::string probe;
  std::uint64_t first_ns = 0;  ///< packet time first reached
  std::uint64_t hops = 0;
  std::uint64_t legs = 0;
  std::uint64_t heard_ns = 0;  ///< when its packet time last went on, by the tracer's clock
};

class KnownPoints {
 public:
  /// Takes note of a point of a batch. @return its id, from 0 on without gaps
  std::uint32_t take(const exporting::BatchPoint& point, const std::string& probe, std::uint64_t now_ns);

  KnownPoint& operator[](std::uint32_t id) { return points_[id]; }
  const std::vector<KnownPoint>& all() const { return points_; }  ///< by id

  /// The packet time that half of the points have reached: one clock that is wrong does not change it much. 0: none
  /// has.
  std::uint64_t middle_reached_ns() const;

  /// Points with ids in the order of their names.
  struct Ordered {
    linker::PointTable table;
    std::vector<std::uint32_t> id_of;    ///< [id here]: id in the table
    std::vector<std::uint32_t> here_of;  ///< [id in the table]: id here
  };
  Ordered in_order() const;

  /// Takes points out of the clock that are at their end, or silent for longer than `patience_ns`.
  void leave_silent(std::uint64_t now_ns, std::uint64_t patience_ns, linker::PacketClock& clock);

 private:
  std::vector<KnownPoint> points_;
  std::map<std::string, std::uint32_t> ids_;  ///< by name
};

}  // namespace hoptap::appliance
