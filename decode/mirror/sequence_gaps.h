// How many packets of a mirror session were lost on their way here, by the sequence numbers that the switch gave them
// (GRE, RFC 2890 section 2.2). One thread.
#pragma once

#include <array>
#include <cstdint>

namespace hoptap::decode {

/// All since the first packet. What was lost before that one or after the last one leaves no gap and is not here.
struct SequenceCounts {
  std::uint64_t packets = 0;   ///< with a number
  std::uint64_t lost = 0;      ///< numbers that never came, or more than a second late
  std::uint64_t late = 0;      ///< out of order
  std::uint64_t repeated = 0;  ///< numbers that came before
  std::uint64_t restarts = 0;  ///< the session began to count anew; what was lost then is not known
  std::uint64_t strays = 0;    ///< lone numbers from far away
  bool moves = false;          ///< the numbers go up; some switches send the same one for ever
  std::uint64_t first_ns = 0;  ///< packet times of the first and the last with a number
  std::uint64_t last_ns = 0;

  /// Is `lost` what was lost? Not when several senders share a session, whose numbers then leap.
  bool is_known() const { return moves && (restarts + strays) * 20 <= packets; }
};

/// Follows the numbers over their wrap. A number up to kWindow behind the highest is late or repeated; one that leaps
/// ahead farther than kWindow, or behind, counts only when the next one confirms it: as a gap if so many packets can
/// have passed in the time since, else as a restart.
class SequenceGaps {
 public:
  static constexpr std::uint32_t kWindow = 1024;
  static constexpr std::uint64_t kSettleNs = 1'000'000'000;  ///< a gap counts after 1 to 2 of these, or kWindow packets

  /// @param time_ns  packet time
  void add(std::uint32_t sequence, std::uint64_t time_ns);

  /// What comes now does not follow from what came: counts as a restart.
  void begin_anew() { begins_anew_ = counts_.packets > 0; }

  /// No packet may have come, but it is `time_ns`.
  void advance(std::uint64_t time_ns) {
    if (time_ns >= next_settle_ns_) settle_old(time_ns);
  }

  /// No more packets: every gap counts.
  void finish();

  const SequenceCounts& counts() const { return counts_; }

 private:
  void begin(std::uint32_t sequence);
  void move_on(std::uint32_t sequence);
  void take_behind(std::uint32_t sequence);
  bool is_confirmed_by(std::uint32_t sequence) const;
  void take_leap(std::uint32_t sequence);
  void suspect(std::uint32_t sequence, bool is_gap);
  void forget_suspect();
  void settle_to(std::uint32_t sequence);
  void settle_old(std::uint64_t time_ns);
  bool has(std::uint32_t sequence) const;
  void mark(std::uint32_t sequence, bool seen);

  SequenceCounts counts_;
  std::array<std::uint64_t, kWindow / 64> seen_{};  ///< a bit for each number from highest_ - kWindow + 1 on
  std::uint32_t first_ = 0;
  std::uint32_t highest_ = 0;
  std::uint32_t settled_ = 0;    ///< of the numbers up to here, those that did not come are counted
  std::uint32_t to_settle_ = 0;  ///< highest_ when it was settled last
  std::uint64_t next_settle_ns_ = 0;
  std::uint64_t moved_ns_ = 0;  ///< when highest_ came
  std::uint32_t suspect_ = 0;   ///< a number that leapt, to be confirmed
  bool has_suspect_ = false;
  bool begins_anew_ = false;
  bool suspect_is_gap_ = false;
};

}  // namespace hoptap::decode
