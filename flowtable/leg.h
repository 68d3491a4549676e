// What the records of one leg have in common; the flow keeps it, its session reads it.
#pragma once

#include <array>
#include <cstdint>

#include "flowtable/config.h"
#include "flowtable/record.h"
#include "flowtable/sink.h"
#include "flowtable/stamp.h"

namespace hoptap::flowtable {

/// Live state of a leg that its hop records copy from.
struct Leg {
  LegRecord record;
  std::array<DirectionHealth, 2> health{};  ///< by decode::l7::Direction of the data
  std::array<Reset, 2> resets{};            ///< by the way they went
};

/// What all flows of a table share. Owned by the table, used by its thread.
struct TableContext {
  const FlowTableConfig& config;
  FlowCounters& counters;
  RecordSink& sink;
  std::size_t held_bytes = 0;  ///< over all flows, against config.held_bytes_max
  std::uint64_t next_record_id = 1;
};

}  // namespace hoptap::flowtable
