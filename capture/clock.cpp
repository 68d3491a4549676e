#include "capture/clock.h"

#include <algorithm>

namespace hoptap::capture {
namespace {

__extension__ using Wide = __int128;
__extension__ using UnsignedWide = unsigned __int128;

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint8_t kPowerOfTwo = 0x80;

constexpr unsigned kTensMax = 19;  ///< the largest power of ten that 64 bits hold

constexpr std::uint64_t power_of_ten(unsigned exponent) {
  std::uint64_t power = 1;
  for (unsigned step = 0; step < exponent; ++step) power *= 10;
  return power;
}

/// units * kNsPerSecond / 2^exponent; below 2^94 whatever the arguments.
constexpr UnsignedWide scaled_by_two(std::uint64_t units, unsigned exponent) {
  const UnsignedWide product = UnsignedWide{units} * kNsPerSecond;
  return exponent < 128 ? product >> exponent : 0;
}

/// units * kNsPerSecond / 10^exponent.
constexpr UnsignedWide scaled_by_ten(std::uint64_t units, unsigned exponent) {
  return exponent > kTensMax ? 0 : UnsignedWide{units} * kNsPerSecond / power_of_ten(exponent);
}

}  // namespace

InterfaceClock::InterfaceClock(std::uint8_t resolution, std::int64_t offset_seconds)
    : resolution_(resolution), offset_seconds_(offset_seconds) {
  constexpr unsigned kNanoExponent = 9;
  const bool is_multiple = (resolution & kPowerOfTwo) == 0 && resolution <= kNanoExponent;
  const bool is_small_offset = offset_seconds >= 0 && offset_seconds <= std::int64_t{1} << 32;
  if (!is_multiple || !is_small_offset) return;  // exact_units_end_ stays 0: always the slow way
  ns_per_unit_ = power_of_ten(kNanoExponent - resolution);
  offset_ns_ = static_cast<std::uint64_t>(offset_seconds) * kNsPerSecond;
  exact_units_end_ = (kNsMax - offset_ns_) / ns_per_unit_;
}

std::uint64_t InterfaceClock::to_ns_slow(std::uint64_t units) const {
  const unsigned exponent = resolution_ & ~unsigned{kPowerOfTwo};
  const UnsignedWide scaled =
      (resolution_ & kPowerOfTwo) != 0 ? scaled_by_two(units, exponent) : scaled_by_ten(units, exponent);
  const Wide total = static_cast<Wide>(scaled) + Wide{offset_seconds_} * kNsPerSecond;
  if (total <= 0) return 0;
  return total > static_cast<Wide>(kNsMax) ? kNsMax : static_cast<std::uint64_t>(total);
}

std::uint32_t InterfaceClock::unit_ns() const {
  const unsigned exponent = resolution_ & ~unsigned{kPowerOfTwo};
  const UnsignedWide unit = (resolution_ & kPowerOfTwo) != 0 ? scaled_by_two(1, exponent) : scaled_by_ten(1, exponent);
  if (unit > UINT32_MAX) return 0;
  return std::max(static_cast<std::uint32_t>(unit), 1u);
}

}  // namespace hoptap::capture
