// What benchmarks measure with: CPU time, for others may use the machine meanwhile, and memory taken. Header only.
#pragma once

#include <malloc.h>

#include <cstddef>
#include <ctime>
#include <fstream>
#include <string>

namespace hoptap::bench {

/// CPU time since it was made, of this thread or of all threads of the process.
class CpuClock {
 public:
  explicit CpuClock(clockid_t clock = CLOCK_THREAD_CPUTIME_ID) : clock_(clock) {}
  double seconds() const { return now() - began_; }

 private:
  double now() const {
    timespec time{};
    ::clock_gettime(clock_, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }
  clockid_t clock_;
  double began_ = now();
};

/// Bytes taken from malloc() and not given back, the large ones that it maps included.
inline std::size_t allocated_bytes() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// The most resident memory since this program began; 0: not known.
inline std::size_t peak_resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::size_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib;
  }
  return 0;
}

}  // namespace hoptap::bench
