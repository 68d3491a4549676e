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
  static constexpr std::size_t kWindowsMax = 1024;

  /// @param length_ns  of each window, > 0; windows begin at its multiples
  explicit WindowVerdicts(std::uint64_t length_ns) : length_ns_(length_ns) {}

  void add(const Trace& trace, const Judgement& judgement) {
    if (trace.hops.empty()) return;
    const std::uint64_t index = start_ns(trace.hops.front().record) / length_ns_;
    if (windows_.size() >= kWindowsMax && windows_.count(index) == 0) {
      ++refused_;
      return;
    }
    windows_[index].add(trace, judgement);
  }

  /// visit(TimeWindow, RunVerdict) for each window that holds requests, in order of time.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& [index, judge] : windows_) {
      visit(TimeWindow{index * length_ns_, (index + 1) * length_ns_}, judge.finish());
    }
  }

  std::uint64_t refused() const { return refused_; }  ///< requests not counted: kWindowsMax reached

 private:
  std::uint64_t length_ns_;
  std::map<std::uint64_t, RunJudge> windows_;
  std::uint64_t refused_ = 0;
};

}  // namespace hoptap::linker
