// Times of a pcapng interface: counts of any unit since the epoch, to nanoseconds. Private to capture/.
#pragma once

#include <cstdint>

namespace hoptap::capture {

/// How an interface counts time: if_tsresol and if_tsoffset (draft-ietf-opsawg-pcapng, section 4.2).
class InterfaceClock {
 public:
  static constexpr std::uint8_t kMicroseconds = 6;  ///< what an interface without if_tsresol counts in

  /// `resolution`: units per second as a power of ten, or of two when the top bit is set.
  explicit InterfaceClock(std::uint8_t resolution = kMicroseconds, std::int64_t offset_seconds = 0);

  /// 2116-02-20: later stamps are no times, and differences of differences of these fit 64 bits.
  static constexpr std::uint64_t kNsMax = std::uint64_t{1} << 62;

  /// Nanoseconds since the epoch; what lies before it is 0, what is after kNsMax is that.
  std::uint64_t to_ns(std::uint64_t units) const {
    return units < exact_units_end_ ? units * ns_per_unit_ + offset_ns_ : to_ns_slow(units);
  }

  /// Of a count, at least 1; 0: more than 32 bits hold.
  std::uint32_t unit_ns() const;

 private:
  std::uint64_t to_ns_slow(std::uint64_t units) const;

  std::uint8_t resolution_;
  std::int64_t offset_seconds_;
  std::uint64_t ns_per_unit_ = 0;
  std::uint64_t offset_ns_ = 0;
  std::uint64_t exact_units_end_ = 0;  ///< below this, multiplying neither overflows nor rounds
};

}  // namespace hoptap::capture
