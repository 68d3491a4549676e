#include "appliance/tracer/engine.h"

#include <algorithm>
#include <map>

#include "appliance/tracer/point_rows.h"
#include "appliance/tracer/unpack.h"
#include "export/trace_codec.h"

namespace hoptap::appliance {
namespace {

constexpr std::size_t kBatchesAtOnce = 16;
constexpr std::size_t kStretchesExpected = 64;  // the newest ones, which may hold open traces after a restart
constexpr unsigned kIndexBits = 20;             // of a tag: the record's place in its batch; the rest is the batch's id
static_assert(exporting::batch_limit::kRecords < 1u << kIndexBits);

std::uint64_t tag_of(std::uint64_t batch, std::size_t index) { return batch << kIndexBits | index; }

/// As bitmaps, one for each batch that the records came in.
std::vector<exporting::BatchBits> bits_of(const std::vector<std::uint64_t>& tags) {
  std::map<std::uint64_t, std::string> by_batch;
  for (const std::uint64_t tag : tags) exporting::set_bit(by_batch[tag >> kIndexBits], tag & ((1u << kIndexBits) - 1));
  std::vector<exporting::BatchBits> bits;
  bits.reserve(by_batch.size());
  for (auto& [batch, map] : by_batch) bits.push_back({batch, std::move(map)});
  return bits;
}

/// The final traces of a stretch of time, read from the store.
base::Outcome<void> recall(exporting::Store& store, std::uint64_t from_ns, std::uint64_t to_ns,
                           const std::function<void(const linker::Trace&, const linker::Judgement&)>& take) {
  exporting::TraceFilter filter;
  filter.from_ns = from_ns;
  filter.to_ns = to_ns;
  std::optional<exporting::TraceCursor> cursor;
  do {
    auto page = store.traces(filter, cursor, 1000);
    if (!page) return tl::unexpected(page.error());
    for (const exporting::StoredTrace& stored : page->traces) {
      if (!stored.final) continue;
      if (const auto judged = exporting::decode_trace(stored.encoded)) take(judged->trace, judged->judgement);
    }
    cursor = page->next;
  } while (cursor);
  return {};
}

}  // namespace

Engine::Engine(exporting::Store& store, EngineConfig config)
    : store_(store),
      config_(config),
      window_(config.window),
      buckets_(config.bucket_ns, [&store](std::uint64_t from_ns, std::uint64_t to_ns, const auto& take) {
        return recall(store, from_ns, to_ns, take);
      }) {}

base::Outcome<void> Engine::recover() {
  const auto open = store_.open_traces();
  if (!open) return tl::unexpected(open.error());
  for (const exporting::OpenTrace& trace : *open)
    open_[trace.id] = {.digest = trace.digest, .gist = 0, .anchor = 0, .round = 0, .revision = trace.revision};
  recovered_ = news_ = !open->empty();
  if (!recovered_) return {};
  const auto windows = store_.windows({.rows_max = kStretchesExpected});
  if (!windows) return tl::unexpected(windows.error());
  for (const exporting::WindowRow& row : *windows)
    if (!row.recent) buckets_.expect(row.start_ns);
  return {};
}

base::Outcome<bool> Engine::read(std::uint64_t now_ns) {
  if (auto put = put_what_waits(); !put) return tl::unexpected(put.error());
  const auto batches = store_.read_inbox(last_batch_, kBatchesAtOnce);
  if (!batches) return tl::unexpected(batches.error());
  for (const exporting::StoredBatch& stored : *batches) {
    last_batch_ = stored.id;
    ++counters_.batches;
    auto batch = unpack(stored.coding, stored.payload);
    if (!batch) ++counters_.batches_unreadable;  // it was readable when it was stored
    if (!batch || batch->hops.size() + batch->legs.size() == 0) empty_batches_.push_back({stored.id, "\xff"});
    if (batch) take(stored, std::move(*batch), now_ns);
  }
  points_.leave_silent(now_ns, config_.patience_ns, window_.clock());
  if (auto put = put_what_waits(); !put) return tl::unexpected(put.error());
  return !batches->empty();
}

void Engine::take(const exporting::StoredBatch& stored, exporting::Batch batch, std::uint64_t now_ns) {
  std::vector<std::uint32_t> ids;
  for (const exporting::BatchPoint& point : batch.points) ids.push_back(points_.take(point, stored.probe, now_ns));
  for (std::size_t at = 0; at < batch.points.size(); ++at) {  // first: the records belong to the time reached
    if (batch.points[at].reached_ns != 0) window_.clock().reached(ids[at], batch.points[at].reached_ns);
  }
  for (std::size_t at = 0; at < batch.hops.size(); ++at) {
    if (exporting::has_bit(stored.done, at)) continue;
    flowtable::HopRecord& hop = batch.hops[at];
    hop.point = ids[hop.point];
    ++points_[hop.point].hops;
    window_.add(hop, tag_of(stored.id, at));
    news_ = true;
  }
  for (std::size_t at = 0; at < batch.legs.size(); ++at) {
    const std::size_t index = batch.hops.size() + at;
    if (exporting::has_bit(stored.done, index)) continue;
    flowtable::LegRecord& leg = batch.legs[at];
    leg.point = ids[leg.point];
    ++points_[leg.point].legs;
    window_.add(leg, tag_of(stored.id, index));
    news_ = true;
  }
  counters_.records += batch.hops.size() + batch.legs.size();
  for (flowtable::LegRecord& leg : batch.legs) legs_to_put_.push_back(std::move(leg));
}

/// What could not be stored earlier (a full disk) is tried again, before anything more is read.
base::Outcome<void> Engine::put_what_waits() {
  if (!legs_to_put_.empty()) {
    std::vector<exporting::LegRow> rows;
    rows.reserve(legs_to_put_.size());
    for (const flowtable::LegRecord& leg : legs_to_put_) rows.push_back({&leg, points_[leg.point].latest.name});
    if (auto put = store_.put_legs(rows); !put) return put;
    legs_to_put_.clear();
  }
  if (!empty_batches_.empty()) {
    if (auto done = store_.finish({.traces = {}, .batches = empty_batches_}); !done) return done;
    empty_batches_.clear();
  }
  return {};
}

base::Outcome<void> Engine::round(bool all) {
  ++counters_.rounds;
  const bool whole = all || recovered_;  // what was open before must be seen, or it would be taken for gone
  const linker::Window::Round round = window_.begin_round(whole);
  const KnownPoints::Ordered points = points_.in_order();
  Analysis analysis(points.table);
  for (const linker::Window::Leg& leg : window_.legs()) {
    analysis.add(points.id_of[leg.point], linker::Way::kToServer, leg.to_server);
    analysis.add(points.id_of[leg.point], linker::Way::kToClient, leg.to_client);
  }
  std::vector<bool> last;  // by group
  window_.each_group(round, points.id_of, [&](linker::Group&& group, std::size_t component) {
    last.push_back(round.last[component]);
    analysis.add(std::move(group));
  });

  TraceWriter writer(store_, open_, counters_.rounds, round.complete);
  linker::ClockBounds clocks;
  base::Outcome<void> status;
  buckets_.begin();
  std::size_t at = 0;
  const auto verdict = analysis.finish([&](linker::Trace&& trace, linker::Judgement&& judgement) {
    const bool is_last = last[at++];
    if (!status) return;
    clocks.learn(trace);
    buckets_.add(trace, judgement, is_last);
    status = writer.take(std::move(trace), std::move(judgement), is_last);
  });
  if (!verdict) return tl::unexpected(verdict.error());
  counters_.refused = analysis.refused();
  if (status) status = buckets_.status();
  if (status) status = writer.finish();
  counters_.traces_put += writer.written();
  if (status) status = put_summaries(*verdict, points, analysis.model(), clocks);
  if (status) status = let_go(round, writer.final_ids());
  if (!status) return status;
  news_ = !round.complete;
  recovered_ = false;
  return status;
}

base::Outcome<void> Engine::put_summaries(const linker::RunVerdict& verdict, const KnownPoints::Ordered& points,
                                          const linker::RunModel& model, const linker::ClockBounds& clocks) {
  const std::vector<std::uint64_t> starts = buckets_.starts();
  std::vector<exporting::WindowRow> windows = buckets_.windows();
  if (!windows.empty()) windows.push_back({windows.front().start_ns, windows.back().end_ns, verdict, true});
  const std::vector<exporting::SegmentRow> segments = buckets_.segments();
  auto put = store_.put_stretches({.starts_ns = starts, .windows = windows, .segments = segments});
  if (!put) return put;
  return store_.put_points(point_rows(points_, points, model, clocks));
}

/// In one step of the store: the traces are final, and their records are not needed any more.
base::Outcome<void> Engine::let_go(const linker::Window::Round& round, const std::vector<std::uint64_t>& final_ids) {
  const std::vector<exporting::BatchBits> bits = bits_of(window_.tags_of_last(round));
  if (!final_ids.empty() || !bits.empty()) {
    if (auto finished = store_.finish({.traces = final_ids, .batches = bits}); !finished) return finished;
  }
  for (const std::uint64_t id : final_ids) open_.erase(id);
  counters_.traces_final += final_ids.size();
  buckets_.commit();
  window_.end_round(round);
  return {};
}

EngineCounters Engine::counters() const {
  EngineCounters counters = counters_;
  counters.window = window_.counters();
  counters.window_records = window_.records();
  counters.window_bytes = window_.bytes();
  counters.reached_ns = points_.middle_reached_ns();
  return counters;
}

}  // namespace hoptap::appliance
