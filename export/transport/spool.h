// Batches that wait on the probe's disk until the tracer has them: one SQLite file in a folder of its own, which
// survives the death of the process at any moment. Owns the file and a lock on the folder. Any thread may call; calls
// take turns.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hoptap::exporting {

/// What append() does when the batch would not fit into SpoolLimits::bytes_max.
enum class WhenFull : std::uint8_t {
  kWait,        ///< stores nothing and says kFull; the caller waits for room
  kDropOldest,  ///< drops the oldest batches that are not on their way to the tracer
  kDropNewest,  ///< drops this one
};

struct SpoolLimits {
  std::uint64_t bytes_max = 1ull << 30;  ///< of payloads; the file is a few percent larger
  WhenFull when_full = WhenFull::kDropOldest;
  bool survive_power_cut = false;  ///< fsync on each append: slower, and a power cut loses nothing either
};

enum class AppendResult : std::uint8_t {
  kStored,
  kFull,     ///< kWait only: nothing changed, not even the mark
  kDropped,  ///< the mark advanced, the batch is counted as dropped and its number stays unused
};

struct Appended {
  AppendResult result = AppendResult::kStored;
  std::uint64_t sequence = 0;  ///< of the batch; 0 when kFull
};

struct SpooledBatch {
  std::uint64_t sequence = 0;
  std::uint32_t records = 0;
  std::string payload;
};

/// All but the last two are kept in the file, so they count over the life of the spool.
struct SpoolCounters {
  std::uint64_t waiting_batches = 0;
  std::uint64_t waiting_records = 0;
  std::uint64_t waiting_bytes = 0;  ///< of payloads
  std::uint64_t appended_batches = 0;
  std::uint64_t appended_records = 0;
  std::uint64_t acknowledged_batches = 0;
  std::uint64_t acknowledged_records = 0;
  std::uint64_t dropped_batches = 0;  ///< for want of room
  std::uint64_t dropped_records = 0;
  std::uint64_t refused_batches = 0;  ///< by the tracer, for good (see Spool::refuse)
  std::uint64_t refused_records = 0;
  std::uint64_t write_failures = 0;  ///< since open(): disk full and the like
  std::uint64_t kept_waiting = 0;    ///< since open(): kFull
};

class Spool {
 public:
  static constexpr std::size_t kPayloadBytesMax = 256u << 20;
  static constexpr std::size_t kMarkBytesMax = 64u << 10;

  /// Opens the spool in `folder`, which is made (mode 0700) when missing. Fails in words when another process has it
  /// open, the file is damaged or of a newer version, or the folder cannot be written.
  [[nodiscard]] static base::Outcome<std::unique_ptr<Spool>> open(const std::string& folder, SpoolLimits limits);

  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  /// 16 random bytes, made with the spool. Sequence numbers mean something only together with it.
  const std::string& instance() const;
  const std::string& folder() const;

  /// Stores a batch of `records` records and `mark`, the caller's note of how far it has read (at most kMarkBytesMax),
  /// in one transaction: after kill -9 the mark says exactly what is stored. A failure (disk full) changes nothing and
  /// may be tried again. A payload larger than bytes_max or kPayloadBytesMax fails.
  [[nodiscard]] base::Outcome<Appended> append(std::string_view payload, std::uint32_t records, std::string_view mark);

  /// Stores the mark alone, for when what was read gave no records.
  [[nodiscard]] base::Outcome<void> set_mark(std::string_view mark);

  /// The last mark stored; empty in a new spool.
  std::string mark() const;

  /// Waits until something was deleted since the last kFull, at most `longest`. True when it is worth trying again.
  bool wait_for_room(std::chrono::milliseconds longest);

  /// The batches after `after_sequence`, in order: at most `batches_max`, and at most `bytes_max` of payload but always
  /// one when there is one. They count as on their way until acknowledge(), refuse() or none_on_their_way().
  [[nodiscard]] base::Outcome<std::vector<SpooledBatch>> next(std::uint64_t after_sequence, std::size_t batches_max,
                                                              std::uint64_t bytes_max);

  /// Deletes all up to and including `sequence`, which the tracer has. A smaller number than before does nothing. A
  /// number never given out fails: the tracer knows another spool's history.
  [[nodiscard]] base::Outcome<void> acknowledge(std::uint64_t sequence);

  /// Deletes one batch that the tracer will never take, so that it does not hold up the others. Counted.
  [[nodiscard]] base::Outcome<void> refuse(std::uint64_t sequence);

  /// The connection is gone: kDropOldest may drop any batch again.
  void none_on_their_way();

  std::uint64_t acknowledged() const;   ///< the highest number acknowledged, 0 at first
  std::uint64_t last_sequence() const;  ///< the highest number given to a batch, 0 at first
  SpoolCounters counters() const;

  /// `appended` is called after each batch stored, by the thread that stored it. One listener; empty removes it, and
  /// returns when no call is under way.
  void listen(std::function<void()> appended);

 private:
  struct Parts;
  explicit Spool(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace hoptap::exporting
