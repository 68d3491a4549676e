// What is learned from a whole run before its traces can be judged: paths, captures, losses, usual times. The groups
// are gone through three times, then every trace is drawn up once more to be judged:
//   add(leg) and learn_points(group) as they come; observe(group) for all, solve_paths();
//   learn(group) for all, solve(); then trace_of(group), which many may call.
#pragma once

#include <span>

#include "linker/baseline.h"
#include "linker/completeness.h"
#include "linker/loss_model.h"
#include "linker/path_model.h"
#include "linker/trace.h"

namespace hoptap::linker {

/// One thread until solve() has returned.
class RunModel {
 public:
  /// `points` must be complete before observe(), and outlive the model.
  explicit RunModel(const PointTable& points) : paths_(points) {}

  void add(const flowtable::LegRecord& leg) { completeness_.add(leg); }
  void add(std::uint32_t point, Way way, const Captured& leg) { completeness_.add(point, way, leg); }
  void learn_points(const Group& group) { paths_.learn_points(group); }
  void observe(const Group& group) { paths_.observe(group); }
  void solve_paths() { paths_.solve(); }

  void learn(Group&& group) {
    const Trace trace = trace_of(std::move(group));
    baseline_.add(trace);
    rates_.learn(trace);
    learn_losses(trace, completeness_, losses_);
    if (trace.reset.by != ResetBy::kNobody) resets_.learn(trace, completeness_);
  }
  void solve() {
    losses_.solve();
    rates_.solve();
  }

  /// All of the above at once, for groups that are in memory.
  void learn_run(std::span<const Group> groups) {
    for (const Group& group : groups) learn_points(group);
    for (const Group& group : groups) observe(group);
    solve_paths();
    for (const Group& group : groups) learn(Group(group));
    solve();
  }

  Trace trace_of(Group&& group) const {
    const Path path = paths_.path_of(group);
    return make_trace(std::move(group), path, {completeness_, losses_, resets_, rates_});
  }

  /// What was not learned because a limit was reached.
  struct Refused {
    std::uint64_t losses = 0, resets = 0, clocks = 0, baselines = 0;
  };
  Refused refused() const { return {losses_.refused(), resets_.refused(), rates_.refused(), baseline_.refused()}; }

  const PathModel& paths() const { return paths_; }
  const Baseline& baseline() const { return baseline_; }
  const Completeness& completeness() const { return completeness_; }
  const ClockRates& rates() const { return rates_; }

 private:
  PathModel paths_;
  Completeness completeness_;
  LossModel losses_;
  ResetModel resets_;
  ClockRates rates_;
  Baseline baseline_;
};

}  // namespace hoptap::linker
