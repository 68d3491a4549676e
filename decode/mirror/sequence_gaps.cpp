#include "decode/mirror/sequence_gaps.h"

namespace hoptap::decode {
namespace {

/// How far `to` is ahead of `from`; below 0: behind.
std::int32_t distance(std::uint32_t from, std::uint32_t to) { return static_cast<std::int32_t>(to - from); }

/// So many packets of 64 bytes pass in a line of 100 Gbit/s (IEEE 802.3: 84 bytes each with gap and preamble).
std::uint64_t packets_in(std::uint64_t ns) { return ns / 1000 * 149; }

}  // namespace

bool SequenceGaps::has(std::uint32_t sequence) const {
  return (seen_[sequence % kWindow / 64] >> sequence % 64 & 1) != 0;
}

void SequenceGaps::mark(std::uint32_t sequence, bool seen) {
  std::uint64_t& word = seen_[sequence % kWindow / 64];
  const std::uint64_t bit = std::uint64_t{1} << sequence % 64;
  word = seen ? word | bit : word & ~bit;
}

void SequenceGaps::begin(std::uint32_t sequence) {
  seen_.fill(0);
  mark(sequence, true);
  first_ = highest_ = settled_ = to_settle_ = sequence;
}

void SequenceGaps::add(std::uint32_t sequence, std::uint64_t time_ns) {
  if (counts_.packets == 0) counts_.first_ns = time_ns;
  counts_.last_ns = time_ns;
  if (counts_.packets++ == 0 || begins_anew_) {
    counts_.restarts += begins_anew_ ? 1 : 0;
    finish();
    begins_anew_ = false;
    begin(sequence);
    moved_ns_ = time_ns;
    next_settle_ns_ = time_ns + kSettleNs;
    return;
  }
  advance(time_ns);
  const std::int32_t ahead = distance(highest_, sequence);
  if (has_suspect_ && is_confirmed_by(sequence)) {
    take_leap(sequence);
  } else if (ahead > 0 && ahead <= static_cast<std::int32_t>(kWindow)) {
    forget_suspect();
    move_on(sequence);
  } else if (ahead > 0) {
    const std::uint64_t since_ns = time_ns > moved_ns_ ? time_ns - moved_ns_ : 0;
    return suspect(sequence, static_cast<std::uint32_t>(ahead) <= packets_in(since_ns));
  } else {
    return take_behind(sequence);
  }
  moved_ns_ = time_ns;
}

/// `sequence` is the highest now.
void SequenceGaps::move_on(std::uint32_t sequence) {
  counts_.moves = true;
  const auto ahead = static_cast<std::uint32_t>(distance(highest_, sequence));
  if (ahead > kWindow) {
    settle_to(highest_);
    counts_.lost += ahead - kWindow;  // these are behind the window now
    seen_.fill(0);
    settled_ = sequence - kWindow;
  } else {
    if (const std::uint32_t oldest = sequence - kWindow; distance(settled_, oldest) > 0) settle_to(oldest);
    for (std::uint32_t between = highest_ + 1; between != sequence; ++between) mark(between, false);
  }
  mark(sequence, true);
  highest_ = sequence;
}

/// Late, repeated, or the first number of a session that counts anew.
void SequenceGaps::take_behind(std::uint32_t sequence) {
  constexpr std::int32_t kYoung = 16;  // of so few packets a repeat is likelier than a restart
  const bool in_window = distance(sequence, highest_) < static_cast<std::int32_t>(kWindow);
  const bool was_here = has(sequence) || distance(sequence, first_) > 0;
  const bool restarts = sequence <= 1 && was_here && distance(first_, highest_) >= kYoung;
  if (!in_window || restarts) return suspect(sequence, false);
  if (has(sequence)) {
    ++counts_.repeated;
    return;
  }
  mark(sequence, true);
  ++counts_.late;
}

/// Of a suspect: does the session go on from there?
bool SequenceGaps::is_confirmed_by(std::uint32_t sequence) const {
  constexpr std::int32_t kFar = 64;
  const std::int32_t ahead = distance(suspect_, sequence);
  return ahead > 0 && ahead <= kFar;
}

void SequenceGaps::take_leap(std::uint32_t sequence) {
  has_suspect_ = false;
  if (suspect_is_gap_) {
    move_on(suspect_);
  } else {
    settle_to(highest_);
    ++counts_.restarts;
    begin(suspect_);
  }
  move_on(sequence);
}

void SequenceGaps::suspect(std::uint32_t sequence, bool is_gap) {
  forget_suspect();
  suspect_ = sequence;
  suspect_is_gap_ = is_gap;
  has_suspect_ = true;
}

void SequenceGaps::forget_suspect() {
  counts_.strays += has_suspect_ ? 1 : 0;
  has_suspect_ = false;
}

void SequenceGaps::settle_to(std::uint32_t sequence) {
  while (settled_ != sequence) counts_.lost += has(++settled_) ? 0 : 1;
}

void SequenceGaps::settle_old(std::uint64_t time_ns) {
  if (distance(settled_, to_settle_) > 0) settle_to(to_settle_);
  to_settle_ = highest_;
  next_settle_ns_ = time_ns + kSettleNs;
}

void SequenceGaps::finish() {
  forget_suspect();
  settle_to(highest_);
}

}  // namespace hoptap::decode
