// Learns a run from the groups of its records and judges every request. Three passes over the groups, which are kept on
// disk when they do not fit in memory.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "export/spill.h"
#include "linker/point.h"
#include "linker/run_model.h"
#include "linker/run_verdict.h"
#include "linker/verdict.h"

namespace hoptap::appliance {

/// Takes the groups and legs of a run and, when there are no more, gives every trace with its judgement, then the
/// verdict of the run. One thread.
class Analysis {
 public:
  using TakeTrace = std::function<void(linker::Trace&&, linker::Judgement&&)>;

  /// `points` must be complete before finish(), and outlive the analysis.
  explicit Analysis(const linker::PointTable& points) : model_(points) {}

  void add(linker::Group&& group);
  void add(const flowtable::LegRecord& leg) { model_.add(leg); }
  void add(std::uint32_t point, linker::Way way, const linker::Captured& leg) { model_.add(point, way, leg); }

  /// After the last group; gives the traces in the order the groups came. Fails when the temporary file does.
  [[nodiscard]] base::Outcome<linker::RunVerdict> finish(const TakeTrace& take);

  /// Goes over all traces once more; only after finish().
  [[nodiscard]] base::Outcome<void> each(const TakeTrace& take);

  /// The first thing that went wrong while groups came in; the run may stop.
  const base::Outcome<void>& status() const { return status_; }

  const linker::RunModel& model() const { return model_; }
  /// What was not learned or judged because a limit was reached, by name of its counter; after finish().
  std::vector<std::pair<std::string, std::uint64_t>> refused() const;
  std::uint64_t groups() const { return groups_.groups(); }
  std::uint64_t spilled_bytes() const { return groups_.file_bytes(); }

 private:
  exporting::GroupStore groups_;
  linker::RunModel model_;
  base::Outcome<void> status_;
  std::uint64_t places_refused_ = 0;
  std::uint64_t scopes_refused_ = 0;
};

}  // namespace hoptap::appliance
