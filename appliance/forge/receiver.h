// The receiving half of a TCP end: which bytes are here, and when that is acknowledged (RFC 9293, RFC 2018, and
// Linux's quick and delayed acknowledgments). Private to the forge; one thread. Its endpoint owns it.
#pragma once

#include <cstdint>
#include <vector>

#include "appliance/forge/packet.h"

namespace hoptap::forge {

class Receiver {
 public:
  enum class Answer { kNone, kNow, kDelayed };

  void start(std::uint32_t mss) { mss_ = mss; }

  /// Takes bytes [from, end) and says when to acknowledge.
  Answer take(Time now, std::uint64_t from, std::uint64_t end);
  /// An acknowledgment has gone out, alone or with data.
  void acknowledged(Time now, bool with_data, Time delayed_ack);
  /// The timer of a delayed acknowledgment has run out.
  void timer_expired() { interactive_ = false; }

  std::uint64_t next() const { return next_; }  ///< all before it is here
  bool has(std::uint64_t from, std::uint64_t end) const;
  /// Fills in what is here beyond next(), latest first. Returns how many.
  std::uint8_t sack_blocks(std::array<SackBlock, Packet::kSackBlocksMax>& blocks) const;

 private:
  struct Range {
    std::uint64_t from;
    std::uint64_t end;
  };
  void insert(Range range);

  std::uint32_t mss_ = 0;
  std::uint64_t next_ = 0;
  std::vector<Range> ahead_;          ///< beyond next_, latest first, disjoint
  std::uint64_t unacknowledged_ = 0;  ///< bytes since the last acknowledgment
  int quick_ = 0;                     ///< acknowledgments that need not wait
  bool began_ = false;
  bool interactive_ = false;  ///< data goes both ways: acknowledgments may ride on it
  Time last_data_ = -1;
};

}  // namespace hoptap::forge
