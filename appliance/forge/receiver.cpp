#include "appliance/forge/receiver.h"

#include <algorithm>

namespace hoptap::forge {
namespace {

constexpr int kQuickAcks = 16;  ///< Linux: TCP_MAX_QUICKACKS

}  // namespace

Receiver::Answer Receiver::take(Time now, std::uint64_t from, std::uint64_t end) {
  if (!began_) quick_ = kQuickAcks;
  began_ = true;
  last_data_ = now;
  if (has(from, end)) return Answer::kNow;  // a copy: the sender must hear that it was none too few
  const bool hole = !ahead_.empty() || from > next_;
  const std::uint64_t before = next_;
  insert({from, end});
  unacknowledged_ += next_ - before;
  if (hole) {  // RFC 5681 section 4.2: at once, out of order or when filling a gap
    interactive_ = false;
    return Answer::kNow;
  }
  if (unacknowledged_ > mss_) return Answer::kNow;
  return quick_ > 0 && !interactive_ ? Answer::kNow : Answer::kDelayed;
}

void Receiver::insert(Range range) {
  std::erase_if(ahead_, [&](const Range& other) {
    if (other.end < range.from || other.from > range.end) return false;
    range = {std::min(range.from, other.from), std::max(range.end, other.end)};
    return true;
  });
  if (range.from <= next_) {
    next_ = std::max(next_, range.end);
  } else {
    ahead_.insert(ahead_.begin(), range);
  }
}

void Receiver::acknowledged(Time now, bool with_data, Time delayed_ack) {
  if (unacknowledged_ > 0 && quick_ > 0) --quick_;
  unacknowledged_ = 0;
  if (with_data && last_data_ >= 0 && now - last_data_ < delayed_ack) interactive_ = true;
}

bool Receiver::has(std::uint64_t from, std::uint64_t end) const {
  return end <= next_ || std::any_of(ahead_.begin(), ahead_.end(),
                                     [&](const Range& range) { return range.from <= from && end <= range.end; });
}

std::uint8_t Receiver::sack_blocks(std::array<SackBlock, Packet::kSackBlocksMax>& blocks) const {
  const std::size_t count = std::min(blocks.size(), ahead_.size());
  for (std::size_t i = 0; i < count; ++i) blocks[i] = {.from = ahead_[i].from, .end = ahead_[i].end, .sequence = 0};
  return static_cast<std::uint8_t>(count);
}

}  // namespace hoptap::forge
