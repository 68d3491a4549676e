// Verdicts and segment times by stretches of time. Each round of judging begins from what final traces left in a
// stretch and adds the open ones; traces that become final in the round stay for the next. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "export/store/rows.h"
#include "linker/run_verdict.h"
#include "linker/trace.h"
#include "linker/verdict.h"

namespace hoptap::appliance {

class Buckets {
 public:
  static constexpr std::size_t kFinalMax = 256;  ///< stretches whose final traces are remembered; others are read again

  /// Gives the final traces that the store has of a stretch of time.
  using Recall = std::function<base::Outcome<void>(
      std::uint64_t from_ns, std::uint64_t to_ns,
      const std::function<void(const linker::Trace&, const linker::Judgement&)>& take)>;

  /// @param length_ns  of a stretch, > 0; stretches begin at its multiples
  Buckets(std::uint64_t length_ns, Recall recall) : length_ns_(length_ns), recall_(std::move(recall)) {}

  /// After a restart: the stretch that begins there may hold traces that the first round finds elsewhere.
  void expect(std::uint64_t start_ns) { before_.insert(start_ns / length_ns_); }

  /// Forgets what the last round added for traces that are not final.
  void begin();
  /// @param last  the trace becomes final with this round
  void add(const linker::Trace& trace, const linker::Judgement& judgement, bool last);
  /// After the last trace: the stretches that the round had traces of, or that the one before had and this has not.
  std::vector<std::uint64_t> starts();
  /// Of these stretches.
  std::vector<exporting::WindowRow> windows() const;
  std::vector<exporting::SegmentRow> segments() const;
  /// What went wrong in this round: what is final could not be read from the store, so the sums are not whole.
  const base::Outcome<void>& status() const { return status_; }
  /// The round is stored: what became final stays.
  void commit();

 private:
  using SegmentKey = std::tuple<linker::PartKind, std::string, std::string>;
  struct Sums {
    std::uint64_t traces = 0;
    linker::RunJudge judge;
    std::map<SegmentKey, exporting::SegmentRow> segments;
  };
  void add_to(Sums& sums, const linker::Trace& trace, const linker::Judgement& judgement) const;
  const Sums& final_of(std::uint64_t bucket);

  std::uint64_t length_ns_;
  Recall recall_;
  base::Outcome<void> status_;
  std::map<std::uint64_t, Sums> final_;  ///< by start / length: final traces
  std::map<std::uint64_t, Sums> next_;   ///< the same with those that become final in this round
  std::set<std::uint64_t> before_;       ///< stretches that had open traces in the last round
  std::set<std::uint64_t> open_;         ///< and in this one
  std::map<std::uint64_t, Sums> round_;  ///< with the open ones too
};

}  // namespace hoptap::appliance
