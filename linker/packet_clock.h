// Seconds that have passed at every point, by the points' own packets. No point's time is compared with another's, only
// how far each has come since it was first heard of. One thread.
#pragma once

#include <cstdint>
#include <map>

namespace hoptap::linker {

class PacketClock {
 public:
  static constexpr std::uint64_t kTickNs = 1'000'000'000;

  /// The point's packets are read up to this time (ns of its clock). Nothing changes with 0 (no packet yet) or a time
  /// before one said earlier.
  void reached(std::uint32_t point, std::uint64_t time_ns);

  /// The point has ended or is silent for too long: nothing waits for it until it reaches a later time.
  void left(std::uint32_t point);

  /// Ticks so far: those that the slowest point that takes part has come to, and never fewer than before.
  std::uint64_t now() const { return now_; }

 private:
  struct Hand {
    std::uint64_t first_ns = 0;
    std::uint64_t reached_ns = 0;
    std::uint64_t first_tick = 0;  ///< when it was first heard of
    bool takes_part = false;
  };
  void tick();

  std::map<std::uint32_t, Hand> hands_;
  std::uint64_t now_ = 0;
};

}  // namespace hoptap::linker
