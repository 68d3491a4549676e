// Limits of a flow table, and what is left out where even they are too much.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flowtable/flow_key.h"

namespace hoptap::flowtable {

/// Every limit of the flow stage. The memory it takes is docs/performance.md's: an idle flow 190 bytes with its place
/// in the index (IPv6: 222), a busy one about 2 KiB more, with messages in flight another 2 KiB.
struct FlowTableConfig {
  std::size_t flows_max = 500'000;                    ///< live legs; over it one is closed: one that is no more than
                                                      ///< its first packets, else the longest idle one
  std::size_t ledgers_max = 100'000;                  ///< busy legs; over it idle ones are closed, else new ones
                                                      ///< are counted and no more
  std::size_t held_bytes_flow_max = 1u << 20;         ///< out-of-order and unparsed bytes kept per leg
  std::size_t held_bytes_max = 64u << 20;             ///< and over all legs
  std::size_t head_bytes_max = 64u << 10;             ///< longest message head that is waited for
  std::size_t exchanges_flow_max = 1024;              ///< exchanges in flight per leg
  std::size_t exchanges_max = 100'000;                ///< and over all legs, the last one of each included
  std::size_t text_bytes_max = 32u << 20;             ///< of their texts: methods, resources, endpoints, identifiers
  std::uint64_t gap_grace_ns = 2'000'000;             ///< an acknowledged hole may still be filled so long
  std::uint64_t settle_ns = 1'000'000'000;            ///< idle time after which finished exchanges are given out
  std::uint64_t quiet_ns = 60'000'000'000;            ///< idle time after which a leg keeps the least it can
  std::uint64_t idle_timeout_ns = 300'000'000'000;    ///< idle time after which a leg is closed
  std::uint64_t udp_timeout_ns = 30'000'000'000;      ///< the same of UDP
  std::uint64_t opening_timeout_ns = 60'000'000'000;  ///< the same of a leg that is no more than its first packets
  KeyConfig key;                                      ///< what of the encapsulation tells flows apart
  bool l7 = true;                                     ///< messages and exchanges; without, legs and metrics only
  std::uint64_t metrics_interval_ns = 0;              ///< packet time between two reports of a flow's metrics; 0: none
  std::uint64_t duplicate_ns = 200'000'000;           ///< the same packet within this is one packet captured twice
  std::uint64_t duplicate_uncertain_ns = 5'000'000;   ///< the same, for packets without IP-ID and timestamps
};

/// What is left out when the host's means do not suffice, each level with those before it.
enum class Strain : std::uint8_t {
  kNone,
  kNoTexts,        ///< exchanges without resources, endpoints and identifiers
  kNoNewMessages,  ///< new flows with TCP metrics only
  kNoNewFlows,     ///< packets of unknown flows are passed over
};

}  // namespace hoptap::flowtable
