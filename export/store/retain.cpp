// What is too old or too much is deleted, and the space given back to the disk.
#include <algorithm>

#include "export/store/parts.h"

namespace hoptap::exporting {
namespace {

constexpr std::uint64_t kRowsPerStep = 1000;
constexpr std::uint64_t kFreePagesMin = 512;   // not worth giving back
constexpr std::uint64_t kFreePagesShare = 16;  // of all pages: room for what comes next

struct Pages {
  std::uint64_t all = 0, free = 0, bytes_each = 0;
  std::uint64_t used_bytes() const { return (all - free) * bytes_each; }
  bool wants_vacuum() const { return free > kFreePagesMin && free > all / kFreePagesShare; }
};

Pages pages_of(SqliteConnection& engine) {
  const auto number = [&](const char* sql) { return static_cast<std::uint64_t>(engine.number(sql)); };
  return {number("PRAGMA page_count"), number("PRAGMA freelist_count"), number("PRAGMA page_size")};
}

/// Up to kRowsPerStep of the oldest final traces that began before. @return deleted
std::uint64_t delete_traces(SqliteConnection& engine, std::uint64_t before_ns) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> old;
  {
    Statement find =
        engine.prepare("SELECT n, id FROM trace WHERE start_ns < ? AND final = 1 ORDER BY start_ns LIMIT ?");
    find.number(before_ns).number(kRowsPerStep);
    while (find.step()) old.emplace_back(find.number_at(0), find.number_at(1));
  }
  for (const auto& [n, id] : old) {
    engine.prepare("DELETE FROM body WHERE n = ?").number(n).run();
    engine.prepare("DELETE FROM trace WHERE n = ?").number(n).run();
    engine.prepare("DELETE FROM alias WHERE new = ?").number(id).run();
  }
  return old.size();
}

std::uint64_t delete_legs(SqliteConnection& engine, std::uint64_t before_ns) {
  engine
      .prepare(
          "DELETE FROM leg WHERE (point, leg_id) IN (SELECT point, leg_id FROM leg WHERE last_ns < ? "
          "ORDER BY last_ns LIMIT ?)")
      .number(before_ns)
      .number(kRowsPerStep)
      .run();
  return engine.changes();
}

/// The oldest minute that began before. @return deleted rows
std::uint64_t delete_metrics(SqliteConnection& engine, std::uint64_t before_ns) {
  engine
      .prepare(
          "DELETE FROM metrics WHERE length_ns = ?1 AND start_ns < ?2 AND start_ns = (SELECT min(start_ns) FROM "
          "metrics "
          "WHERE length_ns = ?1)")
      .number(Store::kMetricsNs)
      .number(before_ns)
      .run();
  return engine.changes();
}

/// Of rows shorter than a minute; up to kRowsPerStep. @return deleted
std::uint64_t delete_seconds(SqliteConnection& engine, std::uint64_t before_ns) {
  engine
      .prepare(
          "DELETE FROM metrics WHERE (length_ns, start_ns) IN (SELECT length_ns, start_ns FROM metrics WHERE "
          "length_ns < ? AND start_ns < ? LIMIT ?)")
      .number(Store::kMetricsNs)
      .number(before_ns)
      .number(kRowsPerStep)
      .run();
  return engine.changes();
}

std::uint64_t oldest_trace_ns(SqliteConnection& engine) {
  Statement find = engine.prepare("SELECT min(start_ns) FROM trace");
  return find.step() && !find.is_null_at(0) ? find.number_at(0) : INT64_MAX;
}

void delete_summaries(SqliteConnection& engine, std::uint64_t before_ns) {
  engine.prepare("DELETE FROM window WHERE start_ns >= 0 AND end_ns < ?").number(before_ns).run();
  engine.prepare("DELETE FROM segment WHERE bucket_start_ns < ?1 AND bucket_start_ns + bucket_ns < ?1")
      .number(before_ns)
      .run();
}

}  // namespace

base::Outcome<std::uint64_t> Store::retain(std::uint64_t now_ns) {
  const std::uint64_t age_ns = parts_->config.retention.age_s * 1'000'000'000;
  const std::uint64_t before_ns = std::min<std::uint64_t>(now_ns > age_ns ? now_ns - age_ns : 0, INT64_MAX);
  SqliteConnection& engine = *parts_->engine;
  std::uint64_t expired = 0;
  base::Outcome<void> done;
  // Runs `work(traces deleted)` in transactions of its own for as long as it says that there is more to do.
  const auto repeat = [&](auto&& work) {
    for (bool more = true; more && done;) {
      std::uint64_t traces = 0;
      const std::lock_guard turn(parts_->writing);
      done = parts_->engine_transaction("delete what is old", [&] { more = work(traces); });
      if (!done) return;
      expired += traces;
      parts_->change_counters([&](StoreCounters& counters) {
        counters.traces -= traces;
        counters.traces_expired += traces;
      });
    }
  };
  repeat([&](std::uint64_t& traces) { return (traces = delete_traces(engine, before_ns)) > 0; });
  repeat([&](std::uint64_t&) { return delete_legs(engine, before_ns) > 0; });
  repeat([&](std::uint64_t&) { return delete_metrics(engine, before_ns) > 0; });
  const std::uint64_t seconds_ns = parts_->config.metrics_seconds_kept_s * 1'000'000'000;
  const std::uint64_t seconds_before_ns =
      std::min<std::uint64_t>(now_ns > seconds_ns ? now_ns - seconds_ns : 0, INT64_MAX);
  repeat([&](std::uint64_t&) { return delete_seconds(engine, seconds_before_ns) > 0; });
  repeat([&](std::uint64_t&) { return delete_summaries(engine, before_ns), false; });
  repeat([&](std::uint64_t& traces) {
    if (pages_of(engine).used_bytes() <= parts_->config.retention.bytes_max) return false;
    traces = delete_traces(engine, INT64_MAX);
    const std::uint64_t oldest_ns = traces > 0 ? oldest_trace_ns(engine) : INT64_MAX;
    return traces + delete_legs(engine, oldest_ns) + delete_metrics(engine, oldest_ns) > 0;
  });
  repeat([&](std::uint64_t&) {
    const Pages before = pages_of(engine);
    if (!before.wants_vacuum()) return false;
    engine.execute("PRAGMA incremental_vacuum(2000)");
    return pages_of(engine).free < before.free;
  });
  if (!done) return tl::unexpected(done.error());
  const std::lock_guard turn(parts_->writing);
  engine.execute("PRAGMA wal_checkpoint(PASSIVE)");
  static_cast<void>(engine.outcome("shorten the log"));  // readers may hold it back: the next time then
  return expired;
}

}  // namespace hoptap::exporting
