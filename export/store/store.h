// The tracer's database: one SQLite file in a folder. Batches of probes wait in its inbox until their traces are final;
// traces, verdicts, segments, points and legs are kept for the HTTP API until they are too old or too many.
// Any thread may call anything: writes wait for each other, reads go over connections of their own and wait for
// nobody's writes. What a call has reported done is on disk as a whole or, after a crash, not at all; see each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "export/store/rows.h"

namespace hoptap::exporting {

struct Retention {
  std::uint64_t age_s = 7 * 86400;
  std::uint64_t bytes_max = 10ull << 30;  ///< of the file
};

struct StoreConfig {
  std::string folder;  ///< made if it is not there
  Retention retention;
  std::size_t readers = 4;                        ///< queries at a time; more wait
  std::size_t metrics_rows_max = 2000;            ///< of clients, for each point in a window; see RowSet
  std::uint64_t metrics_seconds_kept_s = 900;     ///< rows shorter than a minute; 0: only their minutes
  std::uint64_t query_steps_max = 2'000'000'000;  ///< of SQLite's machine; a query that takes more is refused
};

class Store {
 public:
  static constexpr int kSchemaVersion = 4;
  static constexpr std::size_t kRowsPerTransaction = 2048;
  static constexpr std::uint64_t kMetricsNs = 60'000'000'000;  ///< of a row of metrics that is kept like traces
  static constexpr std::size_t kNamesMax = 1u << 20;
  /// Failure::what of a query that took more than query_steps_max.
  static constexpr std::string_view kQueryTooLong =
      "the query looks at too many traces; ask for less time (from, to) or more closely";
  static constexpr std::size_t kNameBytesMax = 1024;  ///< longer ones are cut in the dictionary, not in the trace

  /// Makes the file or takes up an older one. Fails in words when another tracer has it open, when a newer hoptap made
  /// it, or when it is no such file.
  [[nodiscard]] static base::Outcome<std::unique_ptr<Store>> open(const StoreConfig& config);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // ---- inbox

  /// The highest sequence of the instance that is on disk; 0: none.
  [[nodiscard]] base::Outcome<std::uint64_t> last_sequence(const std::string& instance);
  /// One transaction; on disk to stay when this returns, so the batches may be acknowledged. Their metrics are stored
  /// and added to those of the same minutes. A batch whose sequence is not above its instance's last is counted and
  /// left out.
  [[nodiscard]] base::Outcome<void> append(std::span<const InboxBatch> batches);
  /// By id, those above `after_id`.
  [[nodiscard]] base::Outcome<std::vector<StoredBatch>> read_inbox(std::uint64_t after_id, std::size_t batches_max);
  [[nodiscard]] base::Outcome<std::vector<ProbeRow>> probes();

  // ---- engine. A crash of the machine may undo the latest of these calls, always whole transactions from the end.

  /// First removes and renames, then puts, in transactions of at most kRowsPerTransaction puts, so that append() need
  /// not wait long. All put traces are open until finish().
  [[nodiscard]] base::Outcome<void> put_traces(const Settled& settled);
  [[nodiscard]] base::Outcome<std::vector<OpenTrace>> open_traces();
  /// One transaction: in place of all windows and segments that begin at the stretches' starts, and of the recent row
  /// when there is one.
  [[nodiscard]] base::Outcome<void> put_stretches(const Stretches& stretches);
  /// In place of rows with the same name and probe.
  [[nodiscard]] base::Outcome<void> put_points(std::span<const PointRow> rows);
  /// In place of rows with the same point and leg id.
  [[nodiscard]] base::Outcome<void> put_legs(std::span<const LegRow> rows);
  /// One transaction: marks the traces final, sets the bits of the batches, deletes batches all of whose bits are set
  /// (one without records: with any bits). Ids that are not there are passed over.
  [[nodiscard]] base::Outcome<void> finish(const Finished& finished);

  /// Deletes what is older than the retention (open traces and the inbox never), then the oldest while the file is too
  /// large, in small transactions, and gives the space back to the disk. `now_ns` is the time that ages are counted
  /// from: the tracer gives the packet time it has reached, so that old captures may be replayed.
  /// @return traces deleted
  [[nodiscard]] base::Outcome<std::uint64_t> retain(std::uint64_t now_ns);

  // ---- queries

  /// Newest first; at most `limit`, behind `cursor` when given. One that is damaged is there without its encoding.
  [[nodiscard]] base::Outcome<TracePage> traces(const TraceFilter& filter, std::optional<TraceCursor> cursor,
                                                std::size_t limit);
  /// Under this id or under the one it was renamed to; nothing: there is none.
  [[nodiscard]] base::Outcome<std::optional<StoredTrace>> trace(std::uint64_t id);
  /// The recent one first, if any, then windows newest first.
  [[nodiscard]] base::Outcome<std::vector<WindowRow>> windows(const SpanFilter& filter);
  /// Newest bucket first.
  [[nodiscard]] base::Outcome<std::vector<SegmentRow>> segments(const SpanFilter& filter);
  /// By name.
  [[nodiscard]] base::Outcome<std::vector<PointRow>> points();
  /// Gives the rows of metrics to `take`, newest first, until that returns false.
  [[nodiscard]] base::Outcome<void> metrics(const MetricsFilter& filter,
                                            const std::function<bool(StoredMetrics&&)>& take);
  /// Asks the disk for the file's size only.
  StoreCounters counters() const;

  const std::string& file() const;

 private:
  struct Parts;
  explicit Store(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace hoptap::exporting
