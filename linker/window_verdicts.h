// A verdict for each stretch of time, beside that of the whole run. Time is that of the first point of each request.
// One thread.
#pragma once

#include <cstdint>
#include <map>

#include "linker/run_verdict.h"

namespace hoptap::linker {

/// From `start_ns` until before `end_ns`, ns since the epoch.
struct TimeWindow {
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
};

class WindowVerdicts {
 public:
  static constexpr std::size_t kOpenMax = 16;  ///< windows still being judged; over it the oldest is finished
  static constexpr std::size_t kWindowsMax = 16384;

  /// @param length_ns  of each window, > 0; windows begin at its multiples
  explicit WindowVerdicts(std::uint64_t length_ns) : length_ns_(length_ns) {}

  /// Traces should come roughly by time: one of a window that has been finished is refused.
  void add(const Trace& trace, const Judgement& judgement) {
    if (trace.hops.empty()) return;
    const std::uint64_t index = start_ns(trace) / length_ns_;
    const bool full = open_.count(index) == 0 && open_.size() + finished_.size() >= kWindowsMax;
    if (full || finished_.count(index) > 0) {
      ++refused_;
      return;
    }
    open_[index].add(trace, judgement);
    if (open_.size() > kOpenMax) finish_oldest();
  }

  /// visit(TimeWindow, RunVerdict) for each window that holds requests, in order of time.
  template <class Visit>
  void each(Visit visit) {
    while (!open_.empty()) finish_oldest();
    for (const auto& [index, verdict] : finished_) {
      visit(TimeWindow{index * length_ns_, (index + 1) * length_ns_}, verdict);
    }
  }

  std::uint64_t refused() const { return refused_; }  ///< requests in no window: a limit was reached

 private:
  void finish_oldest() {
    finished_.emplace(open_.begin()->first, open_.begin()->second.finish());
    open_.erase(open_.begin());
  }

  std::uint64_t length_ns_;
  std::map<std::uint64_t, RunJudge> open_;
  std::map<std::uint64_t, RunVerdict> finished_;
  std::uint64_t refused_ = 0;
};

}  // namespace hoptap::linker
