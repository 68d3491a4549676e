#include "appliance/probe/cpu_ceiling.h"

#include <algorithm>

namespace hoptap::appliance {
namespace {

constexpr double kBurstNs = 50e6;      // wall time whose share may be used at once
constexpr double kSleepMaxNs = 100e6;  // so that the thread still answers
constexpr std::uint64_t kJudgeEveryNs = 1'000'000'000;
constexpr std::uint64_t kRelaxAfterNs = 10'000'000'000;

flowtable::Strain step(flowtable::Strain strain, int by) {
  const int level = std::clamp(static_cast<int>(strain) + by, 0, static_cast<int>(flowtable::Strain::kNoNewFlows));
  return static_cast<flowtable::Strain>(level);
}

}  // namespace

std::chrono::nanoseconds CpuCeiling::account(std::uint64_t now_ns, std::uint64_t cpu_ns) {
  if (now_ns_ == 0) {
    judged_ns_ = good_since_ns_ = now_ns;
  } else {
    const auto passed_ns = static_cast<double>(now_ns - now_ns_), used_ns = static_cast<double>(cpu_ns - cpu_ns_);
    credit_ns_ = std::min(credit_ns_ + cores_ * passed_ns - used_ns, cores_ * kBurstNs);
  }
  now_ns_ = now_ns;
  cpu_ns_ = cpu_ns;
  if (now_ns - judged_ns_ >= kJudgeEveryNs) judge(now_ns);
  if (credit_ns_ >= 0) return std::chrono::nanoseconds(0);
  const auto sleep_ns = static_cast<std::uint64_t>(std::min(-credit_ns_ / cores_, kSleepMaxNs));
  slept_ns_ += sleep_ns;
  return std::chrono::nanoseconds(sleep_ns);
}

void CpuCeiling::judge(std::uint64_t now_ns) {
  const bool strained = 10 * (slept_ns_ - slept_before_ns_) >= now_ns - judged_ns_;
  judged_ns_ = now_ns;
  slept_before_ns_ = slept_ns_;
  if (strained) {
    strain_ = step(strain_, 1);
    good_since_ns_ = now_ns;
  } else if (now_ns - good_since_ns_ >= kRelaxAfterNs) {
    strain_ = step(strain_, -1);
    good_since_ns_ = now_ns;
  }
}

}  // namespace hoptap::appliance
