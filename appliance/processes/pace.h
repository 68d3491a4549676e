// How often something that takes time may be done.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "appliance/clock.h"

namespace hoptap::appliance {

/// At most once a second, and in sum for at most a fiftieth of a core: what it takes is CPU time, so that a busy host
/// does not make it rarer. One thread.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kEvery{1000};
  static constexpr int kShare = 50;

  bool is_due() const { return Clock::now() >= next_; }
  Clock::time_point next() const { return next_; }

  void begin() {
    began_ = Clock::now();
    began_cpu_ns_ = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  }
  void end() {
    const std::chrono::nanoseconds took(clock_ns(CLOCK_THREAD_CPUTIME_ID) - began_cpu_ns_);
    next_ = began_ + std::max<Clock::duration>(kEvery, took * kShare);
  }

 private:
  Clock::time_point next_{};
  Clock::time_point began_{};
  std::uint64_t began_cpu_ns_ = 0;
};

}  // namespace hoptap::appliance
