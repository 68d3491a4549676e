// What goes into the tracer's database and comes out of it: plain values. Those that hold views or pointers borrow for
// the length of one call of the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/sketch.h"
#include "export/metrics/row.h"
#include "export/point_stamps.h"
#include "flowtable/record.h"
#include "linker/run_verdict.h"
#include "linker/trace.h"
#include "linker/verdict.h"

namespace hoptap::exporting {

// ---- inbox: batches as probes sent them, until all of their records are in final traces

struct InboxBatch {
  std::string instance;  ///< of the probe's spool; sequences count within it
  std::string probe;     ///< its name, for people
  std::uint64_t sequence = 0;
  std::uint32_t records = 0;
  std::string coding;
  std::string payload;
  std::string software;             ///< the probe's version; "": not said
  std::vector<std::string> points;  ///< names, for MetricsKey::point
  std::vector<MetricsRow> metrics;  ///< of the payload
};

struct StoredBatch : InboxBatch {
  std::uint64_t id = 0;  ///< ascending, never used again
  std::string done;      ///< bitmap, see has_bit(): the record is final; hops first, then legs
};

/// Bitmaps: bit i is in byte i / 8, the lowest first. A bit beyond the end is not set.
bool has_bit(std::string_view bits, std::size_t bit);
void set_bit(std::string& bits, std::size_t bit);  ///< grows as needed
bool all_set(std::string_view bits, std::size_t count);

/// Records of a batch that have become final, as a bitmap.
struct BatchBits {
  std::uint64_t batch = 0;
  std::string bits;
};

struct ProbeRow {
  std::string instance;
  std::string name;
  std::string software;
  std::uint64_t last_sequence = 0;
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t duplicates = 0;     ///< batches that came again; since this tracer was started
  std::uint64_t sequence_gaps = 0;  ///< batches that never came: the spool had to drop them
};

// ---- traces

/// Borrows. `encoded` is what trace_codec makes of the other two.
struct TraceRow {
  const linker::Trace* trace = nullptr;
  const linker::Judgement* judgement = nullptr;
  std::string_view encoded;
  std::uint32_t revision = 0;
};

/// A trace that may still change, known when the tracer starts.
struct OpenTrace {
  std::uint64_t id = 0;
  std::uint64_t digest = 0;  ///< XXH3-64 of its encoded bytes
  std::uint32_t revision = 0;
};

struct Settled {
  std::span<const TraceRow> put;                                       ///< new, or in place of the same id; all open
  std::span<const std::uint64_t> remove;                               ///< trace ids
  std::span<const std::pair<std::uint64_t, std::uint64_t>> renamed{};  ///< old id -> new id: old links still resolve
};

struct Finished {
  std::span<const std::uint64_t> traces;  ///< ids, final from now on
  std::span<const BatchBits> batches;
};

struct StoredTrace {
  std::uint64_t id = 0;  ///< of the trace; another than asked for when that one was renamed
  std::uint32_t revision = 0;
  bool final = false;
  std::vector<std::uint8_t> encoded;  ///< for decode_trace(); of a page: empty when it is damaged
};

/// Newest first; a page goes on behind a cursor.
struct TraceCursor {
  std::uint64_t start_ns = 0;
  std::uint64_t id = 0;
};

/// All that is given must hold.
struct TraceFilter {
  std::optional<std::uint64_t> from_ns;  ///< start of the request, this and later
  std::optional<std::uint64_t> to_ns;    ///< before
  std::string point;                     ///< on the path; "tor-1" also means "tor-1/2"
  std::optional<std::uint64_t> path;     ///< its signature
  std::string path_points;               ///< "a,b,c"
  std::string protocol;
  std::string endpoint;
  std::string resource_prefix;
  std::optional<std::uint32_t> status_min;
  std::optional<std::uint32_t> status_max;
  std::optional<std::int64_t> min_duration_ns;
  std::string slow_from;  ///< the verdict's segment
  std::string slow_to;
  std::optional<linker::VerdictKind> verdict;
};

struct TracePage {
  std::vector<StoredTrace> traces;
  std::optional<TraceCursor> next;  ///< where to go on; nothing: that was all
};

// ---- what is known over many traces

struct WindowRow {
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  linker::RunVerdict verdict;
  bool recent = false;  ///< the one row over all of the recent time (scope "run"); not a window
};

struct SegmentRow {
  std::uint64_t bucket_start_ns = 0;
  std::uint64_t bucket_ns = 0;
  linker::PartKind kind{};
  std::string from;
  std::string to;
  base::Sketch times;
  std::uint64_t request_copies_lost = 0;
  std::uint64_t response_copies_lost = 0;
  double losses = 0;  ///< expected number
};

struct PointRow {
  std::string name;
  std::string role;
  std::string probe;
  std::optional<double> completeness_to_server;  ///< share of the acknowledged bytes that was captured, 0..1
  std::optional<double> completeness_to_client;
  std::uint64_t first_ns = 0;    ///< packet time of its first record
  std::uint64_t reached_ns = 0;  ///< packet time up to which all of its records are here
  std::uint64_t hops = 0;
  std::uint64_t legs = 0;
  std::uint64_t packets = 0;
  std::optional<std::uint64_t> lost_packets;  ///< by the capture, when it can tell
  double clock_rate = 1;                      ///< how much of the first point's clock passes while this one's counts 1
  std::optional<std::int64_t> clock_offset_ns;  ///< ahead of the first point's clock
  std::optional<std::int64_t> clock_bound_ns;   ///< the offset is right to within this
  std::vector<std::string> towards_client;      ///< next points on the paths seen
  std::vector<std::string> towards_server;
  std::vector<PointStamp> stamps;  ///< who stamped its packets
};

/// What is known now of some stretches of time. Borrows.
struct Stretches {
  std::span<const std::uint64_t> starts_ns;  ///< of all that are given; one without rows is known to be empty
  std::span<const WindowRow> windows;
  std::span<const SegmentRow> segments;
};

/// Borrows.
struct LegRow {
  const flowtable::LegRecord* leg = nullptr;
  std::string_view point;
};

/// Of windows and segments, by start of the window or bucket; newest first.
struct SpanFilter {
  std::optional<std::uint64_t> from_ns;
  std::optional<std::uint64_t> to_ns;  ///< before
  std::string segment_from;            ///< segments only
  std::string segment_to;
  std::string point;                     ///< segments only: at either end
  std::optional<linker::PartKind> kind;  ///< segments only
  std::size_t rows_max = 1000;
};

/// A row of metrics, of a minute or as a probe sent it.
struct StoredMetrics {
  std::string point;
  MetricsRow row;  ///< its key's point means nothing
};

/// All that is given must hold.
struct MetricsFilter {
  bool seconds = false;                  ///< those shorter than a minute, in place of minutes
  std::optional<std::uint64_t> from_ns;  ///< start of the row
  std::optional<std::uint64_t> to_ns;    ///< before
  std::string point;
  std::string client;  ///< address
  std::string server;  ///< address
  std::optional<std::uint16_t> server_port;
  std::string protocol;
};

/// What the store holds and did; sums since it was opened unless said otherwise.
struct StoreCounters {
  std::uint64_t inbox_batches = 0;  ///< held now
  std::uint64_t inbox_records = 0;  ///< held now, final ones of unfinished batches included
  std::uint64_t inbox_bytes = 0;    ///< held now
  std::uint64_t batches = 0;
  std::uint64_t batch_duplicates = 0;
  std::uint64_t sequence_gaps = 0;
  std::uint64_t traces = 0;       ///< held now
  std::uint64_t open_traces = 0;  ///< of them, not final
  std::uint64_t traces_written = 0;
  std::uint64_t traces_expired = 0;
  std::uint64_t metrics_overflow = 0;  ///< rows of metrics that went to a wider one: their window was full
  std::uint64_t names_refused = 0;     ///< not in the dictionary, which is full
  std::uint64_t write_failures = 0;
  std::uint64_t file_bytes = 0;  ///< now, free pages within included, the log beside it not
};

}  // namespace hoptap::exporting
