// Gathers what flows and exchanges report into rows for stretches of packet time, and gives each row out once, when its
// time is over. Each point has its own time: what its records and advance() have come to. Reads no clock; the same
// calls give the same rows in the same order. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>

#include "export/metrics/row_set.h"

namespace hoptap::exporting {

struct MetricsConfig {
  std::uint64_t length_ns = 1'000'000'000;  ///< of a window; windows begin at multiples of it
  std::uint64_t grace_ns = 2'000'000'000;   ///< that a window stays open after its end, for what is reported late
  std::size_t rows_max = 2000;              ///< of clients, for each point in a window; see RowSet
};

struct MetricsCounters {
  std::uint64_t rows = 0;  ///< given out
  std::uint64_t late = 0;  ///< reports whose window had been given out: counted in the oldest that is open
  OverflowCounters overflow;
};

class MetricsWindows {
 public:
  /// @param closed  gets the rows of a window, ordered by key
  MetricsWindows(const MetricsConfig& config, std::function<void(MetricsRow&&)> closed)
      : config_(config), closed_(std::move(closed)) {}

  void add(const flowtable::HopRecord& hop, std::uint32_t tags = 0);
  void add(const flowtable::FlowMetrics& flow, std::uint32_t tags = 0);
  /// A row of shorter windows: whole, into the window that it begins in.
  void add(const MetricsRow& row);

  /// Nothing of the point before `now_ns` is expected any more, but for the grace.
  void advance(std::uint32_t point, std::uint64_t now_ns);
  /// Gives out all rows of the point.
  void finish(std::uint32_t point);
  /// Of every point.
  void finish();

  std::size_t rows_held() const;
  const MetricsCounters& counters() const { return counters_; }

 private:
  struct PointTime {
    std::map<std::uint64_t, RowSet<MetricsValues>> open;  ///< by start
    std::uint64_t closed_ns = 0;                          ///< windows that begin before are given out
  };
  MetricsValues& values(const MetricsKey& key, std::uint64_t time_ns);
  void close(PointTime& point, std::uint64_t before_ns);

  MetricsConfig config_;
  std::function<void(MetricsRow&&)> closed_;
  std::map<std::uint32_t, PointTime> points_;
  MetricsCounters counters_;
};

}  // namespace hoptap::exporting
