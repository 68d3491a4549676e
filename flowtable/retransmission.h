// Tells retransmissions apart, and the round-trip estimate this needs. Definitions: docs/metrics.md.
#pragma once

#include <algorithm>
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
  if (state.eight_smoothed_rtt_ns == 0) {
    state.eight_smoothed_rtt_ns = 8 * ns | 1;
    state.four_rtt_variation_ns = 2 * ns;
    return;
  }
  const std::uint64_t smoothed_ns = state.eight_smoothed_rtt_ns / 8;
  const std::uint64_t apart_ns = std::max(ns, smoothed_ns) - std::min(ns, smoothed_ns);
  state.four_rtt_variation_ns += apart_ns - state.four_rtt_variation_ns / 4;
  state.eight_smoothed_rtt_ns += ns - smoothed_ns;
}

}  // namespace hoptap::flowtable
