#include "flowtable/retransmission.h"

#include <algorithm>

namespace hoptap::flowtable {
namespace {

constexpr std::uint64_t kTimeoutNsMin = 200'000'000;  // of Linux and others; RFC 6298 section 2.4 says 1 s
constexpr std::uint8_t kDuplicateAcks = 3;            // RFC 5681 section 3.2

/// The sender's retransmission timeout, as far as can be told from here.
std::uint64_t timeout_ns(const LedgerSide& state) {
  const std::uint64_t by_samples = state.eight_smoothed_rtt_ns / 8 + state.four_rtt_variation_ns;
  return std::max(kTimeoutNsMin, by_samples);
}

RetransmissionKind kind_of(const Retransmission& copy, const FlowSide& side, const LedgerSide& state) {
  if (side.ack_seen && sequence_distance(copy.end, side.acked) <= 0) return RetransmissionKind::kSpurious;
  const std::uint64_t silence_ns = copy.time_ns - std::min(copy.time_ns, state.last_data_ns);
  const bool told = state.hole_told || state.duplicate_acks >= kDuplicateAcks;
  const bool timed_out = silence_ns + silence_ns / 8 >= timeout_ns(state);  // our clock is not the sender's
  if (timed_out && !told) return RetransmissionKind::kTimeout;
  const bool recovering = state.recovery != RetransmissionKind::kNone && side.ack_seen &&
                          sequence_distance(state.recovery_end, side.acked) > 0;
  const bool in_vain = timed_out && recovering && state.recovery == RetransmissionKind::kFast;  // was lost as well
  if (in_vain) return RetransmissionKind::kTimeout;
  if (told)
    return recovering && state.recovery == RetransmissionKind::kTimeout ? state.recovery : RetransmissionKind::kFast;
  if (recovering && state.recovery != RetransmissionKind::kProbe) return state.recovery;
  return copy.end == copy.highest ? RetransmissionKind::kProbe : RetransmissionKind::kTimeout;
}

std::uint32_t& counter_of(RetransmissionKind kind, DirectionMetrics& metrics) {
  switch (kind) {
    case RetransmissionKind::kFast: return metrics.retransmissions_fast;
    case RetransmissionKind::kProbe: return metrics.retransmissions_probe;
    case RetransmissionKind::kSpurious: return metrics.retransmissions_spurious;
    case RetransmissionKind::kNone:
    case RetransmissionKind::kTimeout: break;
  }
  return metrics.retransmissions_timeout;
}

}  // namespace

void count_retransmission(const Retransmission& copy, const FlowSide& side, LedgerSide& state) {
  const RetransmissionKind kind = kind_of(copy, side, state);
  ++counter_of(kind, state.metrics);
  state.timed_ns = 0;
  if (kind == RetransmissionKind::kSpurious) return;
  state.last_data_ns = copy.time_ns;
  state.answer_due = false;
  state.recovery = kind;
  state.recovery_end = copy.highest;
}

}  // namespace hoptap::flowtable
