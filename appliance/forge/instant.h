// Time in the forge: nanoseconds of one perfect clock since the run began. Private to the forge; any thread.
#pragma once

#include <cstdint>

namespace hoptap::forge {

using Time = std::int64_t;

inline constexpr Time kMicrosecond = 1'000;
inline constexpr Time kMillisecond = 1'000'000;
inline constexpr Time kSecond = 1'000'000'000;

/// When every run begins: 2026-01-01T00:00:00Z in Unix time.
inline constexpr Time kRunBegins = 1'767'225'600 * kSecond;

}  // namespace hoptap::forge
