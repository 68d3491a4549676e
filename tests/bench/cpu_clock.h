// CPU time for benchmarks: others may use the machine meanwhile. One thread: time of other threads is not counted.
#pragma once

#include <ctime>

namespace hoptap::bench {

class CpuClock {
 public:
  /// Seconds of this thread since it was made.
  double seconds() const { return now() - began_; }

 private:
  static double now() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }
  double began_ = now();
};

}  // namespace hoptap::bench
