// What a Store is made of. Private to export/store/.
#pragma once

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "export/sqlite/sqlite.h"
#include "export/store/store.h"
#include "export/zstd_frame.h"

namespace hoptap::exporting {

inline constexpr SqliteAdvice kStoreAdvice{
    .name = "the database",
    .disk_full = "make room or lower the retention: nothing stored is lost, and writing goes on when there is room",
    .damaged = "move it and its -wal and -shm files away and start again"};

/// A lock that lets those who wait in, in the order they came: the ingest thread must not starve behind an engine that
/// writes one chunk after the other.
class Turns {
 public:
  void lock() {
    std::unique_lock hold(mutex_);
    const std::uint64_t mine = next_++;
    changed_.wait(hold, [&] { return serving_ == mine; });
  }
  void unlock() {
    {
      const std::lock_guard hold(mutex_);
      ++serving_;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t next_ = 0;
  std::uint64_t serving_ = 0;
};

/// Names and paths by number, for the connection that writes them. What it learned in a transaction that failed must be
/// forgotten.
class Dictionary {
 public:
  explicit Dictionary(SqliteConnection& connection) : connection_(connection) {}

  /// 0 of an empty text; kNoName when the dictionary is full.
  std::uint64_t name(std::string_view text);
  std::uint64_t path(const linker::Trace& trace);
  void forget();
  std::uint64_t refused() const { return refused_; }

  static constexpr std::uint64_t kNoName = ~std::uint64_t{0};

 private:
  static constexpr std::size_t kCachedMax = 1u << 16;
  struct TextHash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  bool has_room();

  SqliteConnection& connection_;
  std::unordered_map<std::string, std::uint64_t, TextHash, std::equal_to<>> names_;
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> paths_;
  std::optional<std::size_t> stored_;  ///< names in the database; nothing: to be counted
  std::uint64_t refused_ = 0;
};

/// The metrics of the batches of one append(), added up by window and point before they meet those in the table.
class MetricsAdder {
 public:
  struct Window {
    std::uint64_t length_ns;
    std::uint64_t start_ns;
    std::string point;

    auto operator<=>(const Window&) const = default;
  };

  /// @param seconds  keeps the rows themselves too, beside their minutes
  void add(const InboxBatch& batch, bool seconds);
  /// Within a transaction. @param rows_max  of clients, for each point in a window
  void store(SqliteConnection& inbox, Dictionary& names, std::size_t rows_max);
  std::uint64_t refused() const { return refused_; }  ///< rows that went to a wider one

 private:
  using Room = std::array<std::size_t, 3>;  ///< rows that may be added, by scope
  struct Place {
    const Window& window;
    std::uint64_t point;  ///< name
    Room& room;
  };
  void put(SqliteConnection& inbox, Dictionary& names, const Place& place, const MetricsKey& key,
           const MetricsValues& values);

  std::map<Window, std::map<MetricsKey, MetricsValues>> windows_;
  std::uint64_t refused_ = 0;
};

/// Connections to read over; who comes when all are in use waits.
class ReadPool {
 public:
  class Lease {
   public:
    Lease(ReadPool& pool, std::unique_ptr<SqliteConnection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    ~Lease() { pool_.give(std::move(connection_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    SqliteConnection& operator*() { return *connection_; }
    SqliteConnection* operator->() { return connection_.get(); }

   private:
    ReadPool& pool_;
    std::unique_ptr<SqliteConnection> connection_;
  };

  [[nodiscard]] base::Outcome<void> open(const std::string& file, std::size_t count);
  Lease take(std::uint64_t steps_max);

 private:
  void give(std::unique_ptr<SqliteConnection> connection);

  std::mutex mutex_;
  std::condition_variable given_;
  std::vector<std::unique_ptr<SqliteConnection>> idle_;
};

struct Store::Parts {
  explicit Parts(StoreConfig chosen) : config(std::move(chosen)) {}
  ~Parts();

  [[nodiscard]] base::Outcome<void> lock_folder();
  [[nodiscard]] base::Outcome<void> open();
  [[nodiscard]] base::Outcome<void> count();
  /// Runs the steps as a transaction over the engine's connection; needs `writing`.
  template <class Steps>
  base::Outcome<void> engine_transaction(std::string_view doing, Steps steps) {
    base::Outcome<void> done = engine->transaction(doing, steps);
    if (!done) {
      names->forget();
      note_failure();
    }
    return done;
  }
  void note_failure();
  /// Adds to the counters under their lock.
  template <class Change>
  void change_counters(Change change) {
    const std::lock_guard hold(counting);
    change(counters);
  }

  StoreConfig config;
  std::string file;
  int lock = -1;
  Turns writing;                             ///< whoever uses one of the next four
  std::unique_ptr<SqliteConnection> inbox;   ///< every commit is on disk to stay
  std::unique_ptr<SqliteConnection> engine;  ///< commits are on disk in order, the latest perhaps not yet
  std::unique_ptr<Dictionary> names;         ///< of `engine`
  std::unique_ptr<Dictionary> inbox_names;   ///< of `inbox`
  ReadPool readers;
  mutable std::mutex counting;
  StoreCounters counters;
  std::map<std::string, std::uint64_t> duplicates;  ///< by instance; under `counting`
};

/// A name as the dictionary has it.
inline std::string_view cut_name(std::string_view text) { return text.substr(0, Store::kNameBytesMax); }

/// SQLite's numbers have a sign, and rows are ordered by them.
inline std::uint64_t sortable(std::uint64_t time_ns) {
  return std::min(time_ns, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
}

tl::unexpected<base::Failure> damaged(const std::string& file, std::string_view what);

}  // namespace hoptap::exporting
