// Gathers the records of a replay into batches for the spool. After a restart it passes over what the spool has: a
// replay gives the same records in the same order. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>

#include "appliance/probe/config.h"
#include "appliance/replay.h"
#include "base/result.h"
#include "export/wire/batch.h"
#include "flowtable/sink.h"

namespace hoptap::appliance {

/// How far a replay is in the spool; written with each batch.
struct ReplayMark {
  std::uint64_t inputs = 0;   ///< hash of what is read and how; a mark of other inputs is of no use
  std::uint64_t records = 0;  ///< spooled or dropped so far
  bool done = false;          ///< the captures are at their end

  std::string text() const;
  /// Nothing when it is no mark.
  static std::optional<ReplayMark> read(const std::string& text);
};

/// What a replay depends on: the captures' sizes and beginnings, points, filter, version. Fails when a file
/// cannot be read.
[[nodiscard]] base::Outcome<std::uint64_t> hash_of_inputs(const ProbeConfig& config);

class Batcher : public flowtable::RecordSink {
 public:
  static constexpr std::size_t kTextBytesMax = 1u << 20;      ///< of a batch, one record more or less
  static constexpr std::uint64_t kStretchNs = 5'000'000'000;  ///< packet time after which a batch goes out anyway

  /// @param mark  from the spool: its records are passed over
  Batcher(const ProbeConfig& config, ReplayMark mark) : config_(config), mark_(mark), skip_(mark.records) {}

  void hop(const flowtable::HopRecord& record) override;
  void leg(const flowtable::LegRecord& record) override;

  /// True when there is a full batch to be taken, or one is due anyway.
  bool is_due(const Replay& replay) const;

  /// At most batch_records_max of what has been gathered, the earliest first, with the points as they are.
  exporting::Batch take(const Replay& replay);

  /// With the batch that was taken last.
  const ReplayMark& mark() const { return mark_; }

 private:
  bool passes_over();
  std::size_t next_count() const;

  const ProbeConfig& config_;
  ReplayMark mark_;
  std::uint64_t skip_;
  std::deque<std::variant<flowtable::HopRecord, flowtable::LegRecord>> gathered_;  ///< as they came
  std::size_t text_bytes_ = 0;                                                     ///< of what is gathered
  std::uint64_t taken_at_ns_ = 0;                                                  ///< packet time of the last batch
};

}  // namespace hoptap::appliance
