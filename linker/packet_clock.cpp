#include "linker/packet_clock.h"

#include <algorithm>

namespace hoptap::linker {

void PacketClock::reached(std::uint32_t point, std::uint64_t time_ns) {
  Hand& hand = hands_[point];
  if (time_ns <= hand.reached_ns) return;
  if (!hand.takes_part) hand.counted_ns = std::max(hand.counted_ns, hand.reached_ns);
  if (hand.counted_ns == 0) hand.counted_ns = time_ns;
  hand.takes_part = true;
  hand.reached_ns = time_ns;
  tick();
}

void PacketClock::left(std::uint32_t point) {
  const auto hand = hands_.find(point);
  if (hand == hands_.end() || !hand->second.takes_part) return;
  hand->second.takes_part = false;
  tick();
}

void PacketClock::tick() {
  std::uint64_t ticks = UINT64_MAX;
  for (const auto& [point, hand] : hands_) {
    if (hand.takes_part) ticks = std::min(ticks, (hand.reached_ns - hand.counted_ns) / kTickNs);
  }
  if (ticks == UINT64_MAX || ticks == 0) return;
  now_ += ticks;
  for (auto& [point, hand] : hands_) {
    if (hand.takes_part) hand.counted_ns += ticks * kTickNs;
  }
}

}  // namespace hoptap::linker
