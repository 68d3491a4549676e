// How much one probe may send: a bucket of bytes and one of batches, each refilled at its rate and one second deep.
// Locked by the caller; time is given to it. Private to transport.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace hoptap::exporting {

class RateBucket {
 public:
  using Instant = std::chrono::nanoseconds;  ///< on any clock that does not go back

  /// A rate of 0 is none.
  RateBucket(std::uint64_t bytes_per_second, std::uint64_t batches_per_second)
      : bytes_rate_(static_cast<double>(bytes_per_second)), batches_rate_(static_cast<double>(batches_per_second)) {}

  /// Takes a batch out, and gives how long to wait before the next.
  std::chrono::nanoseconds spend(std::uint64_t bytes, Instant now) {
    refill(now);
    bytes_spent_ += static_cast<double>(bytes);
    batches_spent_ += 1;
    const double wait = std::max(over(bytes_spent_, bytes_rate_), over(batches_spent_, batches_rate_));
    return std::chrono::nanoseconds(static_cast<std::int64_t>(wait * 1e9));
  }

 private:
  void refill(Instant now) {
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    bytes_spent_ = std::max(0.0, bytes_spent_ - bytes_rate_ * seconds);
    batches_spent_ = std::max(0.0, batches_spent_ - batches_rate_ * seconds);
  }
  /// Seconds until no more than one second's worth is spent.
  static double over(double spent, double rate) { return rate == 0 ? 0 : std::max(0.0, spent / rate - 1); }

  double bytes_rate_;
  double batches_rate_;
  double bytes_spent_ = 0;
  double batches_spent_ = 0;
  Instant last_{};
};

}  // namespace hoptap::exporting
