#include "appliance/forge/sender.h"

#include <algorithm>

namespace hoptap::forge {
namespace {

constexpr Time kNever = -1;
constexpr Time kVariationMin = 200 * kMillisecond;  ///< Linux: TCP_RTO_MIN
constexpr Time kTimeoutFirst = kSecond;             ///< RFC 6298 section 2.1
constexpr Time kTimeoutMax = 120 * kSecond;
constexpr Time kProbeMargin = 2 * kMillisecond;      ///< Linux: TCP_TIMEOUT_MIN
constexpr Time kDelayedAckMax = 200 * kMillisecond;  ///< Linux waits so for the ACK of a single packet
constexpr std::uint64_t kFirstWindowSegments = 10;   ///< RFC 6928
constexpr int kBackoffMax = 12;
constexpr int kDuplicateThreshold = 3;

bool before(Time a, Time b) { return a != kNever && (b == kNever || a < b); }

}  // namespace

void Sender::start(Time now, const Start& start) {
  mss_ = start.mss;
  burst_bytes_ = std::max(start.mss, start.burst_bytes);
  right_edge_ = acknowledged_ + start.window;
  congestion_window_ = kFirstWindowSegments * mss_;
  stopped_ = false;
  if (start.round_trip > 0) measure(start.round_trip);
  push(now);
}

void Sender::write(Time now, std::uint64_t written) {
  written_ = written;
  if (!stopped_) push(now);
}

void Sender::close(Time now) {
  closing_ = true;
  if (!stopped_) push(now);
}

void Sender::stop() {
  stopped_ = true;
  resend_at_ = tail_probe_at_ = reorder_at_ = window_probe_at_ = kNever;
  if (blocked_) output_.blocked(blocked_ = false);
}

Time Sender::timeout() const {
  if (smoothed_ == 0) return std::min(kTimeoutFirst << std::min(backoff_, kBackoffMax), kTimeoutMax);
  const Time once = smoothed_ + std::max(4 * variation_, kVariationMin);
  return std::min(once << std::min(backoff_, kBackoffMax), kTimeoutMax);
}

std::uint64_t Sender::in_flight() const {
  std::uint64_t bytes = 0;
  for (const Sent& piece : board_)
    if (!piece.sacked && !piece.lost) bytes += piece.bytes();
  return bytes;
}

// ---- acknowledgments ----

void Sender::acknowledge(Time now, std::uint64_t upto, std::uint32_t window, std::span<const SackBlock> sacks) {
  if (stopped_ || upto > next_ || upto < acknowledged_) return;
  const bool advanced = upto > acknowledged_;
  right_edge_ = upto + window;
  if (advanced) take_acknowledged(now, upto);
  take_sacks(now, sacks);
  if (tail_probe_end_ > 0 && acknowledged_ >= tail_probe_end_) tail_probe_end_ = 0;
  if (mode_ != Mode::kOpen && acknowledged_ >= recovery_end_) mode_ = Mode::kOpen;
  detect_losses(now);
  if (advanced) {
    resend_at_ = board_.empty() ? kNever : now + timeout();
    plan_tail_probe(now);
  }
  push(now);
}

void Sender::take_acknowledged(Time now, std::uint64_t upto) {
  backoff_ = 0;
  if (mode_ != Mode::kFastRecovery) grow_window(upto - acknowledged_);
  acknowledged_ = upto;
  while (!board_.empty() && board_.front().end <= upto) {
    const Sent piece = board_.front();
    board_.pop_front();
    if (!piece.sacked) delivered(now, piece);
  }
  if (!board_.empty() && board_.front().from < upto) board_.front().from = upto;
}

void Sender::take_sacks(Time now, std::span<const SackBlock> sacks) {
  for (Sent& piece : board_) {
    const bool covered = std::any_of(sacks.begin(), sacks.end(), [&](const SackBlock& block) {
      return block.from <= piece.from && piece.end <= block.end;
    });
    if (piece.sacked || !covered) continue;
    piece.sacked = true;
    piece.lost = false;
    delivered(now, piece);
  }
}

void Sender::delivered(Time now, const Sent& piece) {
  const Time round_trip = now - piece.time;
  if (piece.resent && round_trip < shortest_) return;  // RFC 8985 section 6.2 step 2: an earlier copy was acknowledged
  if (!piece.resent) measure(round_trip);
  if (piece.time < rack_time_ || (piece.time == rack_time_ && piece.end < rack_end_)) return;
  rack_time_ = piece.time;
  rack_end_ = piece.end;
  rack_round_trip_ = round_trip;
}

void Sender::measure(Time round_trip) {  // RFC 6298 section 2
  round_trip = std::max<Time>(round_trip, 1);
  shortest_ = shortest_ == 0 ? round_trip : std::min(shortest_, round_trip);
  if (smoothed_ == 0) {
    smoothed_ = round_trip;
    variation_ = round_trip / 2;
    return;
  }
  variation_ += (std::max(smoothed_ - round_trip, round_trip - smoothed_) - variation_) / 4;
  smoothed_ = std::max<Time>(1, smoothed_ + (round_trip - smoothed_) / 8);
}

void Sender::grow_window(std::uint64_t bytes) {
  constexpr std::uint64_t kWindowMax = 16U << 20;
  if (congestion_window_ < slow_start_threshold_) {
    congestion_window_ += bytes;
  } else {
    congestion_window_ += std::max<std::uint64_t>(1, bytes * mss_ / congestion_window_);
  }
  congestion_window_ = std::min(congestion_window_, kWindowMax);
}

// ---- losses ----

void Sender::detect_losses(Time now) {  // RFC 8985 section 6.2 step 5
  reorder_at_ = kNever;
  if (rack_time_ < 0) return;
  const auto sacked = std::count_if(board_.begin(), board_.end(), [](const Sent& piece) { return piece.sacked; });
  const Time patience = mode_ != Mode::kOpen || sacked >= kDuplicateThreshold ? 0 : shortest_ / 4;
  bool found = false;
  for (Sent& piece : board_) {
    if (piece.sacked || piece.lost) continue;
    if (piece.time > rack_time_ || (piece.time == rack_time_ && piece.end >= rack_end_)) continue;
    const Time due = piece.time + rack_round_trip_ + patience;
    if (due <= now) {
      piece.lost = found = true;
    } else if (before(due, reorder_at_)) {
      reorder_at_ = due;
    }
  }
  if (found && mode_ == Mode::kOpen) enter_recovery(Mode::kFastRecovery);
}

void Sender::enter_recovery(Mode mode) {
  if (mode_ == Mode::kOpen)
    slow_start_threshold_ = std::max<std::uint64_t>((next_ - acknowledged_) / 2, 2 * std::uint64_t{mss_});
  congestion_window_ = mode == Mode::kLoss ? mss_ : slow_start_threshold_;
  mode_ = mode;
  recovery_end_ = next_;
  tail_probe_end_ = 0;
  tail_probe_at_ = kNever;
}

// ---- sending ----

void Sender::push(Time now) {
  while (resend_lost(now) || send_new(now)) {
  }
  look_if_blocked(now);
}

bool Sender::resend_lost(Time now) {
  const auto lost = std::find_if(board_.begin(), board_.end(), [](const Sent& piece) { return piece.lost; });
  if (lost == board_.end()) return false;
  const std::uint64_t flying = in_flight();
  if (flying > 0 && flying + std::min<std::uint64_t>(lost->bytes(), mss_) > congestion_window_) return false;
  resend(now, static_cast<std::size_t>(lost - board_.begin()), mode_ == Mode::kLoss ? Cause::kRto : Cause::kFast);
  return true;
}

void Sender::resend(Time now, std::size_t at, Cause cause) {
  if (board_[at].bytes() > mss_) {  // what left as one burst comes again a segment at a time
    Sent rest = board_[at];
    rest.from = board_[at].end = board_[at].from + mss_;
    board_.insert(board_.begin() + static_cast<std::ptrdiff_t>(at) + 1, rest);
  }
  Sent& piece = board_[at];
  // Linux joins small neighbours that are sent again too (tcp_retrans_try_collapse).
  const auto first = board_.begin() + static_cast<std::ptrdiff_t>(at) + 1;
  auto joined = first;
  std::uint64_t end = piece.end;
  for (; joined != board_.end() && joined->lost && joined->end - piece.from <= mss_; ++joined) end = joined->end;
  piece.end = end;
  piece.time = now;
  piece.resent = true;
  piece.lost = false;
  const std::uint64_t from = piece.from;
  board_.erase(first, joined);
  output_.send_piece(from, end, cause);
  if (resend_at_ == kNever) resend_at_ = now + timeout();
}

bool Sender::send_new(Time now) {
  if (next_ >= limit() || std::any_of(board_.begin(), board_.end(), [](const Sent& piece) { return piece.lost; }))
    return false;
  std::uint64_t bytes = std::min<std::uint64_t>(limit() - next_, burst_bytes_);
  const bool only_fin = next_ == written_;
  if (!only_fin) {
    const std::uint64_t flying = in_flight();
    const std::uint64_t room = congestion_window_ > flying ? congestion_window_ - flying : 0;
    const std::uint64_t window = right_edge_ > next_ ? right_edge_ - next_ : 0;
    std::uint64_t allowed = std::min(room, window);
    if (allowed < bytes) {  // whole segments only, but for a small window that nothing else would open
      allowed = allowed < mss_ && board_.empty() ? window : allowed / mss_ * mss_;
      bytes = std::min(bytes, allowed);
    }
    if (bytes == 0) return false;
  }
  board_.push_back({.from = next_, .end = next_ + bytes, .time = now, .resent = false, .sacked = false, .lost = false});
  next_ += bytes;
  output_.send_piece(next_ - bytes, next_, Cause::kNew);
  if (resend_at_ == kNever) resend_at_ = now + timeout();
  plan_tail_probe(now);
  return true;
}

void Sender::look_if_blocked(Time now) {
  const bool waits = !stopped_ && next_ < written_ && right_edge_ <= next_ && board_.empty();
  if (waits && window_probe_at_ == kNever) window_probe_at_ = now + timeout();
  if (!waits) window_probe_at_ = kNever;
  if (waits == blocked_) return;
  blocked_ = waits;
  if (!waits) backoff_ = 0;
  output_.blocked(waits);
}

// ---- timers ----

void Sender::plan_tail_probe(Time now) {  // RFC 8985 section 7.2
  tail_probe_at_ = kNever;
  if (mode_ != Mode::kOpen || board_.empty() || tail_probe_end_ > 0 || backoff_ > 0) return;
  Time wait = kTimeoutFirst;
  if (smoothed_ > 0) wait = 2 * smoothed_ + (next_ - acknowledged_ <= mss_ ? kDelayedAckMax : kProbeMargin);
  tail_probe_at_ = std::min(now + wait, resend_at_);
}

Time Sender::deadline() const {
  Time first = resend_at_;
  for (const Time due : {tail_probe_at_, reorder_at_, window_probe_at_})
    if (before(due, first)) first = due;
  return first;
}

void Sender::expire(Time now) {
  const auto is_due = [now](Time due) { return due != kNever && due <= now; };
  if (is_due(reorder_at_)) {
    detect_losses(now);
    push(now);
  }
  if (is_due(tail_probe_at_)) {
    probe_tail(now);
  } else if (is_due(resend_at_)) {
    time_out(now);
  }
  if (is_due(window_probe_at_)) probe_window(now);
}

void Sender::probe_tail(Time now) {  // RFC 8985 section 7.3
  tail_probe_at_ = kNever;
  if (board_.empty()) return;
  tail_probe_end_ = next_;
  resend_at_ = now + timeout();
  if (board_.back().sacked) return;
  if (board_.back().bytes() > mss_) {  // the last segment of a burst
    Sent last = board_.back();
    last.from = board_.back().end = last.end - mss_;
    board_.push_back(last);
  }
  resend(now, board_.size() - 1, Cause::kProbe);
}

void Sender::time_out(Time now) {
  resend_at_ = kNever;
  if (board_.empty()) return;
  if (++backoff_ > kBackoffMax) return output_.give_up();
  for (Sent& piece : board_) piece.lost = !piece.sacked;
  enter_recovery(Mode::kLoss);
  push(now);
  resend_at_ = now + timeout();
}

void Sender::probe_window(Time now) {  // RFC 9293 section 3.8.6.1
  ++backoff_;
  window_probe_at_ = now + timeout();
  output_.send_window_probe();
}

}  // namespace hoptap::forge
