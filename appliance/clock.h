// The system's clocks, for what paces itself or watches the time that passes. Packets bring their own.
#pragma once

#include <time.h>

#include <cstdint>

namespace hoptap::appliance {

/// clock_gettime(2) in ns. Any thread.
inline std::uint64_t clock_ns(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace hoptap::appliance
