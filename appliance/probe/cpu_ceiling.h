// Keeps a thread that listens within its share of a core, and says what to leave out before packets are lost to that.
#pragma once

#include <chrono>
#include <cstdint>

#include "flowtable/config.h"

namespace hoptap::appliance {

/// Pure: told the time, tells how long to sleep. One thread.
class CpuCeiling {
 public:
  /// @param cores  0.5: half a core; 0: no ceiling
  explicit CpuCeiling(double cores) : cores_(cores) {}

  bool is_set() const { return cores_ > 0; }

  /// Call it after each batch. Both clocks in ns, monotonic: any, and the thread's CPU time.
  /// @return how long to sleep now, below 0.1 s: 0 unless the thread has used more than its share
  std::chrono::nanoseconds account(std::uint64_t now_ns, std::uint64_t cpu_ns);

  /// One level more for each second in which it had to sleep for a tenth; one less after ten in which it had not.
  flowtable::Strain strain() const { return strain_; }
  std::uint64_t slept_ns() const { return slept_ns_; }

 private:
  void judge(std::uint64_t now_ns);

  double cores_;
  double credit_ns_ = 0;  ///< CPU time that may be used at once; negative: too much was
  std::uint64_t now_ns_ = 0;
  std::uint64_t cpu_ns_ = 0;
  std::uint64_t slept_ns_ = 0;
  std::uint64_t judged_ns_ = 0;
  std::uint64_t slept_before_ns_ = 0;  ///< when that was
  std::uint64_t good_since_ns_ = 0;
  flowtable::Strain strain_ = flowtable::Strain::kNone;
};

}  // namespace hoptap::appliance
