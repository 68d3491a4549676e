// From the clock of programs in the kernel to the time of day. Private to bpf-optional/.
#pragma once

#include <time.h>

#include <cstdint>

namespace hoptap::bpf {

/// clock_gettime(2) in ns.
inline std::uint64_t clock_ns(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

/// From CLOCK_MONOTONIC to the time of day. Of some attempts the one that took the least time, so it is off by tens of
/// nanoseconds; what moves it is that somebody sets the clock.
class ClockOffset {
 public:
  std::uint64_t ns() const { return offset_ns_; }

  /// Measures it anew, at most once a second.
  void look() {
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    const std::uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (now_ns < next_ns_) return;
    next_ns_ = now_ns + kNsPerSecond;
    std::uint64_t least_ns = UINT64_MAX;
    for (int attempt = 0; attempt < 5; ++attempt) {
      const std::uint64_t before_ns = clock_ns(CLOCK_MONOTONIC);
      const std::uint64_t real_ns = clock_ns(CLOCK_REALTIME);
      const std::uint64_t took_ns = clock_ns(CLOCK_MONOTONIC) - before_ns;
      if (took_ns >= least_ns) continue;
      least_ns = took_ns;
      offset_ns_ = real_ns - before_ns - took_ns / 2;
    }
  }

 private:
  std::uint64_t offset_ns_ = 0, next_ns_ = 0;
};

}  // namespace hoptap::bpf
