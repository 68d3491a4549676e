// Tells retransmissions apart, and the round-trip estimate this needs. Definitions: docs/metrics.md.
#pragma once

#include <cstdint>

#include "flowtable/ledger.h"

namespace hoptap::flowtable {

/// A segment none of whose bytes were new.
struct Retransmission {
  std::uint32_t end = 0;      ///< one past its last byte
  std::uint32_t highest = 0;  ///< one past the highest byte its sender has sent
  std::uint64_t time_ns = 0;
};

/// Counts it in exactly one of the kinds of `state.metrics`, and times no segment or request by an acknowledgment that
/// may be of either copy (Karn's algorithm, RFC 6298 section 3).
void count_retransmission(const Retransmission& copy, const FlowSide& side, LedgerSide& state);

/// A round trip was measured (RFC 6298 section 2), from here to the receiver and back.
inline void note_round_trip(std::uint64_t ns, LedgerSide& state) {
  if (state.smoothed_rtt_ns == 0) {
    state.smoothed_rtt_ns = ns | 1;
    state.rtt_variation_ns = ns / 2;
    return;
  }
  const auto change = static_cast<std::int64_t>(ns - state.smoothed_rtt_ns);
  const auto apart = static_cast<std::uint64_t>(change < 0 ? -change : change);
  state.rtt_variation_ns += apart / 4 - state.rtt_variation_ns / 4;
  state.smoothed_rtt_ns += ns / 8 - state.smoothed_rtt_ns / 8;
}

}  // namespace hoptap::flowtable
