// What happened in a flow table: counters, and their names for people.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace hoptap::flowtable {

/// What happened to packets, bytes and exchanges. Monotonic; owned by the table's thread.
struct FlowCounters {
  std::uint64_t tcp_packets = 0;
  std::uint64_t udp_packets = 0;
  std::uint64_t icmp_errors = 0;            ///< ICMP errors that quote a packet of a known leg
  std::uint64_t icmp_errors_unmatched = 0;  ///< and of none
  std::uint64_t legs = 0;
  std::uint64_t legs_evicted = 0;          ///< by flows_max or ledgers_max
  std::uint64_t legs_evicted_opening = 0;  ///< of these, legs that were no more than their first packets
  std::uint64_t ledgers_refused = 0;       ///< legs without metrics and messages, by ledgers_max
  std::uint64_t unreported_packets = 0;    ///< of legs that were refused a ledger after they had been reported
  std::uint64_t unreported_bytes = 0;      ///< their payload
  std::uint64_t duplicates = 0;            ///< packets captured twice, removed
  std::uint64_t virtual_points = 0;        ///< legs split off because one feed shows both sides of a router
  std::uint64_t held_refused_bytes = 0;    ///< by held_bytes_*; treated as not captured
  std::uint64_t gaps = 0;                  ///< holes in a stream given up
  std::uint64_t gap_bytes = 0;
  std::uint64_t resyncs = 0;           ///< a parser had to look for the next message
  std::uint64_t unparsed_bytes = 0;    ///< passed over while looking
  std::uint64_t orphan_responses = 0;  ///< that no captured request fits
  std::uint64_t exchanges = 0;
  std::uint64_t exchanges_refused = 0;  ///< by exchanges_*max: given out before they were answered, or not begun
  std::uint64_t texts_refused = 0;      ///< resources or identifiers left out, by text_bytes_max or Strain
  std::uint64_t strained_packets = 0;   ///< of flows that were not begun, by Strain
};

struct FlowCounter {
  std::string_view name;
  std::uint64_t FlowCounters::*field;
};

/// All of them.
inline constexpr std::array kFlowCounters{
    FlowCounter{"tcp_packets", &FlowCounters::tcp_packets},
    FlowCounter{"udp_packets", &FlowCounters::udp_packets},
    FlowCounter{"legs", &FlowCounters::legs},
    FlowCounter{"icmp_errors", &FlowCounters::icmp_errors},
    FlowCounter{"icmp_errors_unmatched", &FlowCounters::icmp_errors_unmatched},
    FlowCounter{"legs_evicted", &FlowCounters::legs_evicted},
    FlowCounter{"legs_evicted_opening", &FlowCounters::legs_evicted_opening},
    FlowCounter{"ledgers_refused", &FlowCounters::ledgers_refused},
    FlowCounter{"unreported_packets", &FlowCounters::unreported_packets},
    FlowCounter{"unreported_bytes", &FlowCounters::unreported_bytes},
    FlowCounter{"duplicates_removed", &FlowCounters::duplicates},
    FlowCounter{"virtual_points_split", &FlowCounters::virtual_points},
    FlowCounter{"held_refused_bytes", &FlowCounters::held_refused_bytes},
    FlowCounter{"gaps", &FlowCounters::gaps},
    FlowCounter{"gap_bytes", &FlowCounters::gap_bytes},
    FlowCounter{"resyncs", &FlowCounters::resyncs},
    FlowCounter{"unparsed_bytes", &FlowCounters::unparsed_bytes},
    FlowCounter{"orphan_responses", &FlowCounters::orphan_responses},
    FlowCounter{"exchanges", &FlowCounters::exchanges},
    FlowCounter{"exchanges_refused", &FlowCounters::exchanges_refused},
    FlowCounter{"texts_refused", &FlowCounters::texts_refused},
    FlowCounter{"strained_packets", &FlowCounters::strained_packets},
};
static_assert(kFlowCounters.size() * sizeof(std::uint64_t) == sizeof(FlowCounters));

inline void add(FlowCounters& sum, const FlowCounters& more) {
  for (const FlowCounter& counter : kFlowCounters) sum.*counter.field += more.*counter.field;
}

}  // namespace hoptap::flowtable
