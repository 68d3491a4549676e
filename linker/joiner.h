// Joins hop records of many points into groups, one per request. Takes records in any interleaving; time is never a
// gate, only memory closes groups. One thread; owns the records it holds; the callback takes each group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "linker/components.h"
#include "linker/group.h"
#include "linker/resolver.h"

namespace hoptap::linker {

struct JoinLimits {
  std::size_t pending_records_max = 131072;    ///< over it, the groups least recently touched are closed
  std::size_t component_records_max = 16384;   ///< records reachable from each other by keys; over it, closed
  std::size_t remembered_keys_max = 1u << 18;  ///< keys of closed groups, to tell late records
};

struct JoinCounters {
  std::uint64_t records = 0;
  std::uint64_t groups = 0;
  std::uint64_t joined = 0;   ///< groups of more than one record
  std::uint64_t keyless = 0;  ///< records with nothing to join them by
  ResolveCounters resolved;
  std::uint64_t closed_early = 0;  ///< groups closed by pending_records_max
  std::uint64_t oversized = 0;     ///< times component_records_max was reached
  std::uint64_t late = 0;          ///< records of a group already closed, as far as remembered
};

class Joiner {
 public:
  using Deliver = std::function<void(Group&&)>;

  Joiner(JoinLimits limits, Deliver deliver);

  /// Takes one record. May deliver groups closed by a limit.
  void add(const flowtable::HopRecord& record);

  /// Delivers all that is held, in the order of resolve_in_order(): the same groups in the same order however the
  /// points' records were interleaved.
  void flush();

  const JoinCounters& counters() const { return counters_; }
  std::size_t pending_records() const { return components_.records(); }

 private:
  void close(Components::Id id);
  void give(Group&& group);

  JoinLimits limits_;
  Deliver deliver_;
  JoinCounters counters_;
  ClockOffsets offsets_;
  Components components_;
};

}  // namespace hoptap::linker
