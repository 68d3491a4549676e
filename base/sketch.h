// A mergeable histogram of durations with logarithmic buckets: quantiles within 1 %, in bounded memory, whatever the
// order of the values. The idea is that of DDSketch (Masson, Rim, Lee, VLDB 2019).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace hoptap::base {

class Sketch {
 public:
  static constexpr std::int64_t kSmallestNs = 100;  ///< below it (and below zero) all values count as 0
  static constexpr std::size_t kBucketsMax = 1536;  ///< reaches 18 days; more counts as that

  void add(std::int64_t value_ns);
  void merge(const Sketch& other);

  std::uint64_t count() const { return count_; }
  /// The value (ns) that a share `q` (0..1) of all values does not exceed; 0 when there are none.
  std::int64_t quantile_ns(double q) const;
  /// How many values are at least `value_ns` (> 0), to the precision of a bucket.
  std::uint64_t count_from(std::int64_t value_ns) const;

  // What it is made of, for those who store it: values that count as 0, then counts of neighbouring buckets.
  std::uint64_t zeros() const { return zeros_; }
  std::size_t first_bucket() const { return first_; }
  std::span<const std::uint32_t> counts() const { return counts_; }
  /// The same sketch again; nothing when the buckets go beyond kBucketsMax.
  static std::optional<Sketch> from_parts(std::uint64_t zeros, std::size_t first_bucket,
                                          std::vector<std::uint32_t> counts);
  bool operator==(const Sketch&) const = default;

 private:
  void grow_to(std::size_t bucket);

  std::uint64_t count_ = 0;
  std::uint64_t zeros_ = 0;
  std::size_t first_ = 0;  ///< the bucket that counts_[0] stands for
  std::vector<std::uint32_t> counts_;
};

}  // namespace hoptap::base
