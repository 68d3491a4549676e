// The tracer's engine: takes batches from the store's inbox, joins their records in a window, and in rounds judges what
// is there, writing what has changed. All of its state but the store can be made anew from the store. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "appliance/analysis.h"
#include "appliance/tracer/buckets.h"
#include "appliance/tracer/known_points.h"
#include "appliance/tracer/trace_writer.h"
#include "base/result.h"
#include "export/store/store.h"
#include "linker/clock_bounds.h"
#include "linker/window.h"

namespace hoptap::appliance {

struct EngineConfig {
  linker::WindowLimits window;
  std::uint64_t bucket_ns = 60'000'000'000;    ///< of verdicts and segments over time
  std::uint64_t patience_ns = 30'000'000'000;  ///< a point silent for so long holds nothing up
};

struct EngineCounters {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;             ///< hop and leg records read from the inbox
  std::uint64_t batches_unreadable = 0;  ///< in the inbox, damaged since they were stored
  std::uint64_t rounds = 0;
  std::uint64_t traces_put = 0;
  std::uint64_t traces_final = 0;
  linker::WindowCounters window;
  std::vector<std::pair<std::string, std::uint64_t>>
      refused;  ///< of the last round, by the limit or check, see Analysis
  std::size_t window_records = 0;
  std::size_t window_bytes = 0;
  std::uint64_t reached_ns = 0;  ///< packet time of the middle one of the points
};

class Engine {
 public:
  Engine(exporting::Store& store, EngineConfig config);

  /// Learns from the store what was open when the last tracer stopped. Before all else.
  [[nodiscard]] base::Outcome<void> recover();

  /// Reads some batches from the inbox into the window; `now_ns` is the tracer's clock. @return false: there were none
  [[nodiscard]] base::Outcome<bool> read(std::uint64_t now_ns);

  /// True when there are records that no round has judged.
  bool has_news() const { return news_; }
  bool must_round() const { return window_.full(); }

  /// One round: judges what has come to rest (with `all`: everything), stores what changed, lets go what is old. A
  /// failure (disk full) leaves all as it was; the next round tries again. While requests are still left out, a trace
  /// that is stored already is written again only when what a person would notice has changed.
  [[nodiscard]] base::Outcome<void> round(bool all);

  EngineCounters counters() const;
  const KnownPoints& points() const { return points_; }

 private:
  void take(const exporting::StoredBatch& stored, exporting::Batch batch, std::uint64_t now_ns);
  base::Outcome<void> put_what_waits();
  base::Outcome<void> put_summaries(const linker::RunVerdict& verdict, const KnownPoints::Ordered& points,
                                    const linker::RunModel& model, const linker::ClockBounds& clocks);
  base::Outcome<void> let_go(const linker::Window::Round& round, const std::vector<std::uint64_t>& final_ids);

  exporting::Store& store_;
  EngineConfig config_;
  linker::Window window_;
  KnownPoints points_;
  Buckets buckets_;
  OpenTraces open_;
  EngineCounters counters_;
  std::uint64_t last_batch_ = 0;                     ///< id in the inbox
  std::vector<flowtable::LegRecord> legs_to_put_;    ///< read, not yet in the store
  std::vector<exporting::BatchBits> empty_batches_;  ///< of the inbox, to be deleted
  bool news_ = false;
  bool recovered_ = false;  ///< the first round after recover() must see all
};

}  // namespace hoptap::appliance
