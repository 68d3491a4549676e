#include "export/transport/spool.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "export/transport/spool_folder.h"
#include "export/transport/sqlite_file.h"

namespace hoptap::exporting {
namespace {

constexpr std::uint64_t kApplicationId = 0x48545350;  // "HTSP", where SQLite lets a program sign its files
constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kInstanceBytes = 16;
constexpr std::uint64_t kNumbersReserved = 1024;
constexpr std::uint64_t kAsideBytesMax = 8u << 20;

// The pages are large because payloads are; exclusive, because SpoolFolder locks already and it needs no shared memory.
// Deleted pages are not overwritten (Debian's SQLite would), so that deleting needs next to no room.
constexpr const char* kSetUp =
    "PRAGMA page_size=16384; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=256;"
    "PRAGMA journal_size_limit=8388608; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF;";
constexpr const char* kMake =
    "BEGIN; PRAGMA application_id=1213485904; PRAGMA user_version=1;"
    "CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 1), instance BLOB NOT NULL, boot BLOB NOT NULL,"
    " mark BLOB NOT NULL, last INTEGER NOT NULL, reserved INTEGER NOT NULL, acknowledged INTEGER NOT NULL,"
    " waiting_batches INTEGER NOT NULL, waiting_records INTEGER NOT NULL, waiting_bytes INTEGER NOT NULL,"
    " appended_batches INTEGER NOT NULL, appended_records INTEGER NOT NULL,"
    " acknowledged_batches INTEGER NOT NULL, acknowledged_records INTEGER NOT NULL,"
    " dropped_batches INTEGER NOT NULL, dropped_records INTEGER NOT NULL,"
    " refused_batches INTEGER NOT NULL, refused_records INTEGER NOT NULL);"
    "CREATE TABLE batch(sequence INTEGER PRIMARY KEY, records INTEGER NOT NULL, payload BLOB NOT NULL);"
    "COMMIT;";
constexpr std::string_view kLoad = "SELECT * FROM state WHERE id = 1";
constexpr std::string_view kSave =
    "INSERT OR REPLACE INTO state VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

tl::unexpected<base::Failure> fail(std::string what) { return tl::unexpected(base::Failure{std::move(what)}); }

/// What the file says besides the batches.
struct State {
  std::string instance;
  std::string boot;
  std::string mark;
  std::uint64_t last = 0;      ///< number of the last batch
  std::uint64_t reserved = 0;  ///< a higher number was never used, whatever a power cut took
  std::uint64_t acknowledged = 0;
  SpoolCounters counters;

  /// The numbers in the order of the columns.
  std::array<std::uint64_t*, 14> numbers() {
    SpoolCounters& c = counters;
    return {&last,
            &reserved,
            &acknowledged,
            &c.waiting_batches,
            &c.waiting_records,
            &c.waiting_bytes,
            &c.appended_batches,
            &c.appended_records,
            &c.acknowledged_batches,
            &c.acknowledged_records,
            &c.dropped_batches,
            &c.dropped_records,
            &c.refused_batches,
            &c.refused_records};
  }
};

/// What a deletion took away.
struct Taken {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
};

}  // namespace

class Spool::Impl {
 public:
  Impl(SpoolFolder folder, SpoolLimits limits) : folder_(std::move(folder)), limits_(limits) {}
  ~Impl();

  base::Outcome<void> open();
  base::Outcome<Appended> append(std::string_view payload, std::uint32_t records, std::string_view mark);
  base::Outcome<void> set_mark(std::string_view mark);
  base::Outcome<std::vector<SpooledBatch>> next(std::uint64_t after, std::size_t batches_max, std::uint64_t bytes_max);
  base::Outcome<void> acknowledge(std::uint64_t sequence);
  base::Outcome<void> refuse(std::uint64_t sequence);

  std::mutex mutex;
  std::condition_variable room;
  bool has_room = true;
  State state;
  std::string instance;     ///< as in the state; never changes, so it is read without the lock
  std::uint64_t given = 0;  ///< batches up to this one may be on their way
  std::mutex listener_mutex;
  std::function<void()> listener;

  const SpoolFolder& folder() const { return folder_; }

 private:
  template <class Work>
  base::Outcome<void> transact(const std::string& doing, const Work& work);
  base::Outcome<void> make_if_new();
  base::Outcome<void> check_version();
  base::Outcome<void> load();
  base::Failure failure(const std::string& doing) const;
  bool save();
  bool take_away(SqliteStatement& sum, SqliteStatement& deletion, std::uint64_t sequence, Taken& taken);
  bool make_room(std::uint64_t bytes);
  bool fits(std::uint64_t bytes) const { return state.counters.waiting_bytes + bytes <= limits_.bytes_max; }

  SpoolFolder folder_;
  SpoolLimits limits_;
  SqliteFile file_;
  bool ready_ = false;
  bool full_ = false;  ///< the last failure was for want of disk
  SqliteStatement save_, insert_, next_, first_, sum_to_, delete_to_, sum_one_, delete_one_;
};

Spool::Impl::~Impl() {
  if (!ready_) return;
  // Closed in order: the numbers that were reserved and not used are free again.
  (void)transact("close", [this] {
    state.reserved = state.last;
    return true;
  });
}

base::Failure Spool::Impl::failure(const std::string& doing) const {
  const std::string what = "cannot " + doing + " the spool " + folder_.path() + ": ";
  if (file_.disk_full()) {
    return {what + "the disk is full; free some space there, or lower the spool's size limit. Nothing in it is lost"};
  }
  if (file_.damaged()) {
    return {what + folder_.database() + " is damaged (" + file_.words() +
            "); move the folder away to begin an empty one. What waited in it is not delivered"};
  }
  return {what + file_.words() + "; check the disk and who owns the folder"};
}

/// Runs `work` and saves the state in one transaction; on failure neither the file nor the state has changed.
template <class Work>
base::Outcome<void> Spool::Impl::transact(const std::string& doing, const Work& work) {
  const State before = state;
  if (file_.run("BEGIN IMMEDIATE") == SQLITE_OK && work() && save() && file_.run("COMMIT") == SQLITE_OK) return {};
  const base::Failure failed = failure(doing);
  full_ = file_.disk_full();
  file_.run("ROLLBACK");
  state = before;
  ++state.counters.write_failures;
  return tl::unexpected(failed);
}

base::Outcome<void> Spool::Impl::open() {
  if (file_.open(folder_.database()) != SQLITE_OK || file_.run(kSetUp) != SQLITE_OK) {
    return tl::unexpected(failure("open"));
  }
  if (base::Outcome<void> made = make_if_new(); !made) return made;
  const bool prepared =
      file_.prepare(kSave, save_) == SQLITE_OK &&
      file_.prepare("INSERT INTO batch VALUES(?, ?, ?)", insert_) == SQLITE_OK &&
      file_.prepare("SELECT * FROM batch WHERE sequence > ? ORDER BY sequence LIMIT ?", next_) == SQLITE_OK &&
      file_.prepare("SELECT sequence FROM batch WHERE sequence > ? ORDER BY sequence LIMIT 1", first_) == SQLITE_OK &&
      file_.prepare("SELECT count(*), sum(records), sum(length(payload)) FROM batch WHERE sequence <= ?", sum_to_) ==
          SQLITE_OK &&
      file_.prepare("DELETE FROM batch WHERE sequence <= ?", delete_to_) == SQLITE_OK &&
      file_.prepare("SELECT count(*), sum(records), sum(length(payload)) FROM batch WHERE sequence = ?", sum_one_) ==
          SQLITE_OK &&
      file_.prepare("DELETE FROM batch WHERE sequence = ?", delete_one_) == SQLITE_OK;
  if (!prepared) return tl::unexpected(failure("read"));
  if (base::Outcome<void> loaded = load(); !loaded) return loaded;
  if (limits_.survive_power_cut) file_.run("PRAGMA synchronous=FULL");
  folder_.put_aside(std::min(kAsideBytesMax, limits_.bytes_max / 8));
  instance = state.instance;
  ready_ = true;
  return {};
}

base::Outcome<void> Spool::Impl::make_if_new() {
  if (file_.number("SELECT count(*) FROM sqlite_schema", 1) != 0) return check_version();
  if (file_.damaged()) return tl::unexpected(failure("open"));
  if (file_.run(kMake) != SQLITE_OK || file_.prepare(kSave, save_) != SQLITE_OK) return tl::unexpected(failure("make"));
  state.instance = random_bytes(kInstanceBytes);
  state.boot = boot_name();
  return transact("make", [] { return true; });
}

base::Outcome<void> Spool::Impl::check_version() {
  const std::uint64_t id = file_.number("PRAGMA application_id", 0);
  if (file_.damaged()) return tl::unexpected(failure("open"));
  if (id != kApplicationId) {
    return fail(folder_.database() + " is not a spool of hoptap; give the spool a folder of its own");
  }
  const std::uint64_t version = file_.number("PRAGMA user_version", 0);
  if (version != kVersion) {
    return fail("the spool " + folder_.path() + " has format " + std::to_string(version) + ", this hoptap reads " +
                std::to_string(kVersion) + "; deliver it with the version that wrote it, or name another folder");
  }
  return {};
}

base::Outcome<void> Spool::Impl::load() {
  SqliteStatement row;
  if (file_.prepare(kLoad, row) != SQLITE_OK) return tl::unexpected(failure("read"));
  if (row.step() != SQLITE_ROW) {
    // Killed between making the tables and the first state: nothing was in it yet.
    row.reset();
    state.instance = random_bytes(kInstanceBytes);
    state.boot = boot_name();
    return transact("make", [] { return true; });
  }
  state.instance = row.bytes(1);
  state.boot = row.bytes(2);
  state.mark = row.bytes(3);
  int column = 4;
  for (std::uint64_t* number : state.numbers()) *number = row.number(column++);
  row.reset();
  if (state.boot == boot_name()) return {};
  // The machine was started anew. Batches that the tracer acknowledged may be missing here with their numbers, and a
  // number must not be used for a second batch.
  return transact("open", [this] {
    state.boot = boot_name();
    state.last = std::max(state.last, state.reserved);
    return true;
  });
}

bool Spool::Impl::save() {
  save_.reset();
  save_.bind_bytes(1, state.instance).bind_bytes(2, state.boot).bind_bytes(3, state.mark);
  int parameter = 4;
  for (const std::uint64_t* number : state.numbers()) save_.bind(parameter++, *number);
  const bool saved = save_.step() == SQLITE_DONE;
  if (saved) save_.reset();  // after a failure the words are still wanted
  return saved;
}

/// Deletes what `sum` and `deletion` say of `sequence`, and adds it up.
bool Spool::Impl::take_away(SqliteStatement& sum, SqliteStatement& deletion, std::uint64_t sequence, Taken& taken) {
  sum.reset();
  if (sum.bind(1, sequence).step() != SQLITE_ROW) return false;
  const Taken found{sum.number(0), sum.number(1), sum.number(2)};
  sum.reset();
  deletion.reset();
  if (deletion.bind(1, sequence).step() != SQLITE_DONE) return false;
  deletion.reset();
  SpoolCounters& counters = state.counters;
  counters.waiting_batches -= found.batches;
  counters.waiting_records -= found.records;
  counters.waiting_bytes -= found.bytes;
  taken.batches += found.batches;
  taken.records += found.records;
  taken.bytes += found.bytes;
  return true;
}

/// Drops the oldest batches that are not on their way until `bytes` fit or none are left. False when the file fails.
bool Spool::Impl::make_room(std::uint64_t bytes) {
  Taken taken;
  while (!fits(bytes)) {
    first_.reset();
    const int found = first_.bind(1, std::max(given, state.acknowledged)).step();
    if (found == SQLITE_DONE) break;
    if (found != SQLITE_ROW) return false;
    const std::uint64_t oldest = first_.number(0);
    first_.reset();
    if (!take_away(sum_one_, delete_one_, oldest, taken)) return false;
  }
  first_.reset();
  state.counters.dropped_batches += taken.batches;
  state.counters.dropped_records += taken.records;
  return true;
}

base::Outcome<Appended> Spool::Impl::append(std::string_view payload, std::uint32_t records, std::string_view mark) {
  if (payload.size() > std::min<std::uint64_t>(limits_.bytes_max, kPayloadBytesMax)) {
    return fail("a batch of " + std::to_string(payload.size()) + " bytes is larger than the spool may get (" +
                std::to_string(limits_.bytes_max) + "); raise the spool's size limit");
  }
  if (mark.size() > kMarkBytesMax) return fail("the reader's mark is too long for the spool");
  const std::lock_guard lock(mutex);
  if (limits_.when_full == WhenFull::kWait && !fits(payload.size())) {
    ++state.counters.kept_waiting;
    has_room = false;
    return Appended{AppendResult::kFull, 0};
  }
  Appended appended;
  const bool fsync = !limits_.survive_power_cut && state.last + 1 > state.reserved;
  if (fsync) file_.run("PRAGMA synchronous=FULL");
  const base::Outcome<void> done = transact("write to", [&] {
    if (limits_.when_full == WhenFull::kDropOldest && !make_room(payload.size())) return false;
    const std::uint64_t sequence = ++state.last;
    if (sequence > state.reserved) state.reserved = sequence + kNumbersReserved - 1;
    SpoolCounters& counters = state.counters;
    state.mark = mark;
    ++counters.appended_batches;
    counters.appended_records += records;
    if (!fits(payload.size())) {
      ++counters.dropped_batches;
      counters.dropped_records += records;
      appended = {AppendResult::kDropped, sequence};
      return true;
    }
    ++counters.waiting_batches;
    counters.waiting_records += records;
    counters.waiting_bytes += payload.size();
    appended = {AppendResult::kStored, sequence};
    insert_.reset();
    const bool inserted = insert_.bind(1, sequence).bind(2, records).bind_bytes(3, payload).step() == SQLITE_DONE;
    if (inserted) insert_.reset();
    return inserted;
  });
  insert_.reset();
  if (fsync) file_.run("PRAGMA synchronous=NORMAL");
  if (!done) return tl::unexpected(done.error());
  return appended;
}

base::Outcome<void> Spool::Impl::set_mark(std::string_view mark) {
  if (mark.size() > kMarkBytesMax) return fail("the reader's mark is too long for the spool");
  const std::lock_guard lock(mutex);
  return transact("write to", [&] {
    state.mark = mark;
    return true;
  });
}

base::Outcome<std::vector<SpooledBatch>> Spool::Impl::next(std::uint64_t after, std::size_t batches_max,
                                                           std::uint64_t bytes_max) {
  const std::lock_guard lock(mutex);
  std::vector<SpooledBatch> batches;
  std::uint64_t bytes = 0;
  int got = SQLITE_DONE;
  next_.reset();
  next_.bind(1, std::max(after, state.acknowledged)).bind(2, batches_max);
  while ((got = next_.step()) == SQLITE_ROW) {
    bytes += next_.size(2);
    if (!batches.empty() && bytes > bytes_max) break;
    batches.push_back({next_.number(0), static_cast<std::uint32_t>(next_.number(1)), next_.bytes(2)});
  }
  if (got != SQLITE_ROW && got != SQLITE_DONE) {
    const base::Failure failed = failure("read");
    next_.reset();
    return tl::unexpected(failed);
  }
  next_.reset();
  if (!batches.empty()) given = std::max(given, batches.back().sequence);
  return batches;
}

base::Outcome<void> Spool::Impl::acknowledge(std::uint64_t sequence) {
  const std::lock_guard lock(mutex);
  if (sequence <= state.acknowledged) return {};
  if (sequence > state.last) {
    return fail("the tracer has batch " + std::to_string(sequence) + " of this spool, which has only come to " +
                std::to_string(state.last) + ": the folder " + folder_.path() +
                " is an old copy; move it away to begin an empty one");
  }
  const auto deletion = [&] {
    Taken taken;
    if (!take_away(sum_to_, delete_to_, sequence, taken)) return false;
    state.counters.acknowledged_batches += taken.batches;
    state.counters.acknowledged_records += taken.records;
    state.acknowledged = sequence;
    return true;
  };
  base::Outcome<void> done = transact("delete from", deletion);
  if (!done && full_ && folder_.give_free()) {
    done = transact("delete from", deletion);
    file_.run("PRAGMA wal_checkpoint(TRUNCATE)");  // what it holds twice becomes room
  } else if (done) {
    folder_.put_aside(std::min(kAsideBytesMax, limits_.bytes_max / 8));
  }
  if (!done) return done;
  has_room = true;
  room.notify_all();
  return {};
}

base::Outcome<void> Spool::Impl::refuse(std::uint64_t sequence) {
  const std::lock_guard lock(mutex);
  base::Outcome<void> done = transact("delete from", [&] {
    Taken taken;
    if (!take_away(sum_one_, delete_one_, sequence, taken)) return false;
    state.counters.refused_batches += taken.batches;
    state.counters.refused_records += taken.records;
    return true;
  });
  if (!done) return done;
  has_room = true;
  room.notify_all();
  return {};
}

Spool::Spool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Spool::~Spool() = default;

base::Outcome<std::unique_ptr<Spool>> Spool::open(const std::string& folder, SpoolLimits limits) {
  base::Outcome<SpoolFolder> locked = SpoolFolder::lock(folder);
  if (!locked) return tl::unexpected(locked.error());
  auto impl = std::make_unique<Impl>(std::move(*locked), limits);
  if (base::Outcome<void> opened = impl->open(); !opened) return tl::unexpected(opened.error());
  return std::unique_ptr<Spool>(new Spool(std::move(impl)));
}

const std::string& Spool::instance() const { return impl_->instance; }

const std::string& Spool::folder() const { return impl_->folder().path(); }

base::Outcome<Appended> Spool::append(std::string_view payload, std::uint32_t records, std::string_view mark) {
  base::Outcome<Appended> appended = impl_->append(payload, records, mark);
  if (appended && appended->result == AppendResult::kStored) {
    const std::lock_guard lock(impl_->listener_mutex);
    if (impl_->listener) impl_->listener();
  }
  return appended;
}

base::Outcome<void> Spool::set_mark(std::string_view mark) { return impl_->set_mark(mark); }

std::string Spool::mark() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->state.mark;
}

bool Spool::wait_for_room(std::chrono::milliseconds longest) {
  std::unique_lock lock(impl_->mutex);
  return impl_->room.wait_for(lock, longest, [this] { return impl_->has_room; });
}

base::Outcome<std::vector<SpooledBatch>> Spool::next(std::uint64_t after_sequence, std::size_t batches_max,
                                                     std::uint64_t bytes_max) {
  return impl_->next(after_sequence, batches_max, bytes_max);
}

base::Outcome<void> Spool::acknowledge(std::uint64_t sequence) { return impl_->acknowledge(sequence); }

base::Outcome<void> Spool::refuse(std::uint64_t sequence) { return impl_->refuse(sequence); }

void Spool::none_on_their_way() {
  const std::lock_guard lock(impl_->mutex);
  impl_->given = 0;
}

std::uint64_t Spool::acknowledged() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->state.acknowledged;
}

std::uint64_t Spool::last_sequence() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->state.last;
}

SpoolCounters Spool::counters() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->state.counters;
}

void Spool::listen(std::function<void()> appended) {
  const std::lock_guard lock(impl_->listener_mutex);
  impl_->listener = std::move(appended);
}

}  // namespace hoptap::exporting
