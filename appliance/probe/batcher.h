// Gathers records, rows of metrics among them, into batches for the spool. After a restart of a replay it passes over
// what the spool has: a replay gives the same records in the same order. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "appliance/probe/config.h"
#include "appliance/probe/metrics.h"
#include "appliance/probe/point_set.h"
#include "appliance/processes/finder.h"
#include "base/result.h"
#include "export/wire/batch.h"
#include "flowtable/sink.h"

namespace hoptap::appliance {

/// How far a replay is in the spool; written with each batch.
struct ReplayMark {
  std::uint64_t inputs = 0;   ///< hash of what is read and how; a mark of other inputs is of no use
  std::uint64_t records = 0;  ///< spooled or dropped so far, rows of metrics included
  bool done = false;          ///< the captures are at their end

  std::string text() const;
  /// Nothing when it is no mark.
  static std::optional<ReplayMark> read(const std::string& text);
};

/// What a replay's records depend on: the captures' sizes and beginnings, points, filter, metrics, version. Fails when
/// a file cannot be read.
[[nodiscard]] base::Outcome<std::uint64_t> hash_of_inputs(const ProbeConfig& config);

class Batcher : public flowtable::RecordSink {
 public:
  static constexpr std::size_t kTextBytesMax = 1u << 20;      ///< of a batch, one record more or less
  static constexpr std::uint64_t kStretchNs = 5'000'000'000;  ///< packet time after which a batch goes out anyway

  /// @param mark  from the spool: its records are passed over
  Batcher(const ProbeConfig& config, ReplayMark mark);

  /// Names processes in what is taken from now on. Borrows.
  void set_finder(ProcessFinder& finder) { finder_ = &finder; }

  void hop(const flowtable::HopRecord& record) override;
  void leg(const flowtable::LegRecord& record) override;
  void metrics(const flowtable::FlowMetrics& flow) override;

  /// Packet time has gone on: gives out rows of metrics whose time is over.
  void advance(const PointSet& points);

  /// True when there is a full batch to be taken, or one is due anyway.
  bool is_due(const PointSet& points) const;

  /// At most batch_records_max of what has been gathered, the earliest first, with the points as they are.
  exporting::Batch take(const PointSet& points);

  std::size_t gathered() const { return gathered_.size(); }

  /// Nothing when the configuration wants none.
  const ProbeMetrics* metrics() const { return metrics_.get(); }

  /// With the batch that was taken last.
  const ReplayMark& mark() const { return mark_; }

 private:
  bool passes_over();
  std::size_t next_count() const;

  const ProbeConfig& config_;
  ReplayMark mark_;
  std::uint64_t skip_;
  std::unique_ptr<ProbeMetrics> metrics_;
  ProcessFinder* finder_ = nullptr;
  std::deque<std::variant<flowtable::HopRecord, flowtable::LegRecord, exporting::MetricsRow>> gathered_;  ///< in order
  std::size_t text_bytes_ = 0;     ///< of what is gathered
  std::uint64_t taken_at_ns_ = 0;  ///< packet time of the last batch
};

}  // namespace hoptap::appliance
