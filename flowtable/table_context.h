// What all flows of a table share.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <vector>

#include "flowtable/config.h"
#include "flowtable/exchange.h"
#include "flowtable/flow_counters.h"
#include "flowtable/ledger.h"
#include "flowtable/object_pool.h"
#include "flowtable/sink.h"
#include "flowtable/vantages.h"

namespace hoptap::flowtable {

/// Owned by the table, used by its thread. Nothing here is allocated per packet once it has grown to what the traffic
/// needs.
struct TableContext {
  TableContext(const FlowTableConfig& config_, std::uint32_t point_base_, RecordSink& sink_)
      : config(config_),
        sink(sink_),
        point_base(point_base_),
        flows(config.flows_max),
        ledgers(config.ledgers_max),
        ledger_lives(config.ledgers_max),
        wides(config.flows_max),
        vantages(config_.key.seed) {}

  FlowTableConfig config;
  FlowCounters counters;
  RecordSink& sink;
  std::uint32_t point_base;  ///< observation point of interface 0

  Slab<Flow> flows;
  Slab<Ledger> ledgers;
  /// Of each ledger, how often it has been given back or its sides have changed places: who remembers where a ledger is
  /// sees by it whether it still is that of the same flow.
  std::vector<std::uint32_t> ledger_lives;
  Slab<FlowKey::Wide> wides;  ///< addresses of IPv6 flows
  Vantages vantages;
  ObjectPool<Exchange> exchanges;
  decode::l7::Message message;      ///< what is being parsed
  std::vector<HeaderId> spare_ids;  ///< whose strings are used again
  /// Sessions, pieces behind holes, heads that wait for more.
  std::pmr::unsynchronized_pool_resource memory{
      {.max_blocks_per_chunk = 64, .largest_required_pool_block = 128u << 10}};
  std::size_t held_bytes = 0;  ///< over all flows, against config.held_bytes_max
  std::size_t text_bytes = 0;  ///< of all exchanges, against config.text_bytes_max
  Strain strain = Strain::kNone;
  std::uint64_t next_record_id = 1;
};

}  // namespace hoptap::flowtable
