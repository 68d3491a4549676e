// The streaming join: records of many points wait in a window for those that belong to them. Whoever runs it goes over
// what has come to rest again and again (see appliance/tracer), so a late record amends its request; what has been at
// rest for long, or what memory asks for, is let go for good, oldest first. No clock: time is the points' own, see
// PacketClock. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "linker/completeness.h"
#include "linker/components.h"
#include "linker/ordered_groups.h"
#include "linker/packet_clock.h"

namespace hoptap::linker {

struct WindowLimits {
  std::uint64_t rest_ticks = 5;    ///< without a new record, after which a request is thought to be whole
  std::uint64_t kept_ticks = 600;  ///< without a new record, after which it is let go; records later than that are late
  std::size_t records_max = 1'000'000;         ///< hop and leg records; over it the oldest are let go early
  std::size_t component_records_max = 16384;   ///< records reachable from each other by keys; over it, no more join
  std::size_t remembered_keys_max = 1u << 20;  ///< keys of requests let go, to tell late records
};

struct WindowCounters {
  std::uint64_t hops = 0;
  std::uint64_t legs = 0;
  std::uint64_t keyless = 0;       ///< records with nothing to join them by
  std::uint64_t amended = 0;       ///< records that came to a request at rest
  std::uint64_t late = 0;          ///< records that came to a request let go, as far as remembered: traces of their own
  std::uint64_t oversized = 0;     ///< times component_records_max was reached
  std::uint64_t let_go = 0;        ///< components
  std::uint64_t let_go_early = 0;  ///< of them, for memory and before kept_ticks
  ResolveCounters resolved;        ///< of the last round
};

class Window {
 public:
  /// One going over the window: what is to be judged, and what of it is let go afterwards.
  struct Round {
    std::vector<Components::Id> components;
    std::vector<bool> last;  ///< [i]: components[i] is let go after this round
    std::size_t legs = 0;    ///< that are let go after it, the first so many
    bool complete = true;    ///< no component was left out
  };
  /// A leg as far as the window needs it.
  struct Leg {
    std::uint32_t point = 0;
    std::uint64_t tag = 0;
    std::uint64_t came = 0;  ///< tick
    Captured to_server;
    Captured to_client;
  };

  explicit Window(WindowLimits limits) : limits_(limits), components_(limits.remembered_keys_max) {}

  /// `tag` comes back with the record when it is let go.
  void add(const flowtable::HopRecord& record, std::uint64_t tag);
  void add(const flowtable::LegRecord& leg, std::uint64_t tag);

  PacketClock& clock() { return clock_; }

  std::size_t records() const { return components_.records() + legs_.size(); }
  std::size_t bytes() const { return components_.bytes() + legs_.size() * sizeof(Leg); }
  /// Over the limit: let something go before adding more.
  bool full() const { return records() > limits_.records_max; }

  /// All components without a new record for rest_ticks and those of earlier rounds; with `all`, every one. Let go is
  /// what has been kept long enough and, when the window is full, as much more, oldest first, as brings it back under
  /// three quarters of records_max. Components stay as they are until end_round(): add nothing between.
  Round begin_round(bool all);

  /// Gives every group of the round with the index of its component, in the order of resolve_in_order().
  void each_group(const Round& round, std::span<const std::uint32_t> point_ids,
                  const std::function<void(Group&&, std::size_t component)>& take);

  const std::deque<Leg>& legs() const { return legs_; }

  /// The tags of all records that the round lets go.
  std::vector<std::uint64_t> tags_of_last(const Round& round) const;

  /// Lets go what the round says.
  void end_round(const Round& round);

  const WindowCounters& counters() const { return counters_; }

 private:
  WindowLimits limits_;
  WindowCounters counters_;
  PacketClock clock_;
  Components components_;
  std::deque<Leg> legs_;
};

}  // namespace hoptap::linker
