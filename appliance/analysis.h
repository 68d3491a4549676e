// What `hoptap path` does with the records of a replay: join, learn, judge. Three passes over the joined
// groups, which are kept on disk when they do not fit in memory.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "export/spill.h"
#include "flowtable/sink.h"
#include "linker/joiner.h"
#include "linker/point.h"
#include "linker/run_model.h"
#include "linker/run_verdict.h"
#include "linker/verdict.h"

namespace hoptap::appliance {

/// Takes the records of a replay and, when it has ended, gives every trace with its judgement, then the
/// verdict of the run. One thread.
class Analysis : public flowtable::RecordSink {
 public:
  using TakeTrace = std::function<void(const linker::Trace&, const linker::Judgement&)>;

  /// `points` must be complete before finish(), and outlive the analysis.
  Analysis(const linker::PointTable& points, linker::JoinLimits limits);

  void hop(flowtable::HopRecord&& record) override { joiner_.add(std::move(record)); }
  void leg(flowtable::LegRecord&& record) override {
    ++legs_;
    model_.add(record);
  }

  /// After the last record. Fails when the temporary file does.
  [[nodiscard]] base::Outcome<linker::RunVerdict> finish(const TakeTrace& take);

  /// Goes over all traces once more; only after finish().
  [[nodiscard]] base::Outcome<void> each(const TakeTrace& take);

  /// The first thing that went wrong while records came in; the replay may stop.
  const base::Outcome<void>& status() const { return status_; }

  const linker::JoinCounters& join_counters() const { return joiner_.counters(); }
  const linker::Completeness& completeness() const { return model_.completeness(); }
  const linker::PathModel& paths() const { return model_.paths(); }
  /// What was not learned or judged because a limit was reached, by name of its counter; after finish().
  std::vector<std::pair<std::string, std::uint64_t>> refused() const;
  std::uint64_t legs() const { return legs_; }
  std::uint64_t spilled_bytes() const { return groups_.file_bytes(); }

 private:
  void keep(linker::Group&& group);
  base::Outcome<void> each_trace(const std::function<void(const linker::Trace&)>& take);

  exporting::GroupStore groups_;
  linker::RunModel model_;
  linker::Joiner joiner_;
  base::Outcome<void> status_;
  std::uint64_t legs_ = 0;
  std::uint64_t places_refused_ = 0;
  std::uint64_t scopes_refused_ = 0;
};

}  // namespace hoptap::appliance
