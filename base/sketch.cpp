#include "base/sketch.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace hoptap::base {
namespace {

constexpr double kGrowth = 1.02;  // of bucket bounds: a relative error of (kGrowth - 1) / (kGrowth + 1), just under 1 %

std::size_t bucket_of(std::int64_t value_ns) {
  const double ratio = static_cast<double>(value_ns) / static_cast<double>(Sketch::kSmallestNs);
  const auto bucket = static_cast<std::size_t>(std::log(ratio) / std::log(kGrowth));
  return std::min(bucket, Sketch::kBucketsMax - 1);
}

/// The value of least relative error for the bucket.
std::int64_t value_of(std::size_t bucket) {
  const double low = static_cast<double>(Sketch::kSmallestNs) * std::pow(kGrowth, static_cast<double>(bucket));
  return std::llround(low * 2 * kGrowth / (1 + kGrowth));
}

}  // namespace

void Sketch::grow_to(std::size_t bucket) {
  if (counts_.empty()) first_ = bucket;
  if (bucket < first_) {
    counts_.insert(counts_.begin(), first_ - bucket, 0u);
    first_ = bucket;
  }
  if (bucket - first_ >= counts_.size()) counts_.resize(bucket - first_ + 1);
}

void Sketch::add(std::int64_t value_ns) {
  ++count_;
  if (value_ns < kSmallestNs) {
    ++zeros_;
    return;
  }
  const std::size_t bucket = bucket_of(value_ns);
  grow_to(bucket);
  ++counts_[bucket - first_];
}

void Sketch::merge(const Sketch& other) {
  count_ += other.count_;
  zeros_ += other.zeros_;
  if (other.counts_.empty()) return;
  grow_to(other.first_);
  grow_to(other.first_ + other.counts_.size() - 1);
  for (std::size_t at = 0; at < other.counts_.size(); ++at) counts_[other.first_ + at - first_] += other.counts_[at];
}

std::int64_t Sketch::quantile_ns(double q) const {
  if (count_ == 0) return 0;
  const double nearest = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));  // the nearest rank
  const std::uint64_t rank = static_cast<std::uint64_t>(std::max(nearest, 1.0)) - 1;
  std::uint64_t below = zeros_;
  if (rank < below) return 0;
  for (std::size_t at = 0; at < counts_.size(); ++at) {
    below += counts_[at];
    if (rank < below) return value_of(first_ + at);
  }
  return 0;
}

std::uint64_t Sketch::count_from(std::int64_t value_ns) const {
  if (value_ns < kSmallestNs) return count_ - zeros_;
  const std::size_t bucket = bucket_of(value_ns);
  std::uint64_t count = 0;
  for (std::size_t at = bucket > first_ ? bucket - first_ : 0; at < counts_.size(); ++at) count += counts_[at];
  return count;
}

std::optional<Sketch> Sketch::from_parts(std::uint64_t zeros, std::size_t first_bucket,
                                         std::vector<std::uint32_t> counts) {
  if (counts.size() > kBucketsMax || first_bucket > kBucketsMax - counts.size()) return std::nullopt;
  Sketch sketch;
  sketch.zeros_ = zeros;
  sketch.first_ = first_bucket;
  sketch.count_ = zeros;
  for (const std::uint32_t count : counts) sketch.count_ += count;
  sketch.counts_ = std::move(counts);
  return sketch;
}

}  // namespace hoptap::base
