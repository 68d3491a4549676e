// The file of a spool, in its folder: the batches, and what the spool remembers besides. Both change together, in
// transactions. Not locked: Spool's callers take turns. Private to transport.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "export/sqlite/sqlite.h"
#include "export/transport/spool.h"
#include "export/transport/spool_folder.h"

namespace hoptap::exporting {

/// What the file says besides the batches.
struct SpoolState {
  std::string instance;
  std::string boot;
  std::string mark;
  std::uint64_t last = 0;      ///< number of the last batch
  std::uint64_t reserved = 0;  ///< a higher number was never used, whatever a power cut took
  std::uint64_t acknowledged = 0;
  SpoolCounters counters;

  /// The numbers in the order of the columns.
  std::array<std::uint64_t*, 14> numbers();
};

/// What a deletion took away.
struct SpoolTaken {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
};

class SpoolFile {
 public:
  /// Takes up the spool in the folder, or makes one.
  [[nodiscard]] static base::Outcome<std::unique_ptr<SpoolFile>> open(SpoolFolder folder, const SpoolLimits& limits);
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  const SpoolState& state() const { return state_; }
  const SpoolFolder& folder() const { return folder_; }

  /// Runs work(state) and saves the state in one transaction. On a failure, which is counted, neither the file nor the
  /// state has changed.
  template <class Work>
  [[nodiscard]] base::Outcome<void> transact(std::string_view doing, Work work) {
    const SpoolState before = state_;
    base::Outcome<void> done = connection_->transaction(doing, [&] {
      work(state_);
      save();
    });
    if (done) return done;
    state_ = before;
    ++state_.counters.write_failures;
    return done;
  }

  // Within a transaction's work. After a failure they do nothing and give nothing, and the transaction fails.

  void insert(std::uint64_t sequence, std::uint32_t records, std::string_view payload);
  /// Deletes one batch, and from the counters of those that wait.
  SpoolTaken take(std::uint64_t sequence);
  /// The same with all up to and including `sequence`.
  SpoolTaken take_up_to(std::uint64_t sequence);
  /// The number of the oldest batch after `sequence`; 0: none.
  std::uint64_t oldest_after(std::uint64_t sequence);

  /// As Spool::next().
  [[nodiscard]] base::Outcome<std::vector<SpooledBatch>> read(std::uint64_t after, std::size_t batches_max,
                                                              std::uint64_t bytes_max);

  /// Not within a transaction: whether commits are followed by an fsync. Always, where a power cut must lose nothing.
  void sync_commits(bool on);

  /// Puts disk aside as far as that is possible now.
  void put_aside();
  /// Gives what is put aside free if the last failure was for want of disk; false when that helps nothing.
  bool make_disk_free();
  /// Not within a transaction: makes what the log holds twice free, if that is possible.
  void shorten_log();

 private:
  SpoolFile(SpoolFolder folder, const SpoolLimits& limits) : folder_(std::move(folder)), limits_(limits) {}
  base::Outcome<void> open();
  base::Outcome<void> make();
  base::Outcome<void> load();
  void save();
  SpoolTaken take(const char* sum, const char* deletion, std::uint64_t sequence);

  SpoolFolder folder_;
  SpoolLimits limits_;
  std::unique_ptr<SqliteConnection> connection_;
  SpoolState state_;
  bool ready_ = false;
};

}  // namespace hoptap::exporting
