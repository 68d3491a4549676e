#include "linker/packet_clock.h"

#include <algorithm>

namespace hoptap::linker {

void PacketClock::reached(std::uint32_t point, std::uint64_t time_ns) {
  if (time_ns == 0) return;  // nothing was read there yet
  const auto [at, fresh] = hands_.try_emplace(point, Hand{time_ns, 0, now_, true});
  Hand& hand = at->second;
  if (!fresh && time_ns <= hand.reached_ns) return;
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
  std::uint64_t slowest = UINT64_MAX;
  for (const auto& [point, hand] : hands_) {
    if (hand.takes_part) slowest = std::min(slowest, hand.first_tick + (hand.reached_ns - hand.first_ns) / kTickNs);
  }
  if (slowest != UINT64_MAX) now_ = std::max(now_, slowest);
}

}  // namespace hoptap::linker
