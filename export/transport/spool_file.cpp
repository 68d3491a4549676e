#include "export/transport/spool_file.h"

#include <algorithm>
#include <utility>

namespace hoptap::exporting {
namespace {

constexpr std::int64_t kApplicationId = 0x48545350;  // "HTSP", where SQLite lets a program sign its files
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kInstanceBytes = 16;
constexpr std::uint64_t kAsideBytesMax = 8u << 20;

constexpr SqliteAdvice kAdvice{
    .name = "the spool",
    .disk_full = "free some space there, or lower the spool's size limit. Nothing in it is lost",
    .damaged = "move the folder away to begin an empty one. What waited in it is not delivered"};

// The pages are large because payloads are; exclusive, because SpoolFolder locks already and it needs no shared memory.
// Deleted pages are not overwritten (Debian's SQLite would), so that deleting needs next to no room.
constexpr const char* kSetUp =
    "PRAGMA page_size=16384; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=256;"
    "PRAGMA journal_size_limit=8388608; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF;";
constexpr const char* kMake =
    "PRAGMA application_id=1213485904; PRAGMA user_version=1;"
    "CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 1), instance BLOB NOT NULL, boot BLOB NOT NULL,"
    " mark BLOB NOT NULL, last INTEGER NOT NULL, reserved INTEGER NOT NULL, acknowledged INTEGER NOT NULL,"
    " waiting_batches INTEGER NOT NULL, waiting_records INTEGER NOT NULL, waiting_bytes INTEGER NOT NULL,"
    " appended_batches INTEGER NOT NULL, appended_records INTEGER NOT NULL,"
    " acknowledged_batches INTEGER NOT NULL, acknowledged_records INTEGER NOT NULL,"
    " dropped_batches INTEGER NOT NULL, dropped_records INTEGER NOT NULL,"
    " refused_batches INTEGER NOT NULL, refused_records INTEGER NOT NULL);"
    "CREATE TABLE batch(sequence INTEGER PRIMARY KEY, records INTEGER NOT NULL, payload BLOB NOT NULL);";

tl::unexpected<base::Failure> fail(std::string what) { return tl::unexpected(base::Failure{std::move(what)}); }

}  // namespace

std::array<std::uint64_t*, 14> SpoolState::numbers() {
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

base::Outcome<std::unique_ptr<SpoolFile>> SpoolFile::open(SpoolFolder folder, const SpoolLimits& limits) {
  std::unique_ptr<SpoolFile> file(new SpoolFile(std::move(folder), limits));
  if (base::Outcome<void> opened = file->open(); !opened) return tl::unexpected(opened.error());
  return file;
}

SpoolFile::~SpoolFile() {
  if (!ready_) return;
  // Closed in order: the numbers that were reserved and not used are free again.
  (void)transact("close the spool", [](SpoolState& state) { state.reserved = state.last; });
}

base::Outcome<void> SpoolFile::open() {
  const std::string path = folder_.database();
  auto connection = SqliteConnection::open(path, SqliteConnection::Mode::kWrite, kAdvice);
  if (!connection) return tl::unexpected(connection.error());
  connection_ = std::move(*connection);
  connection_->execute(kSetUp);
  const SqliteSignature found = connection_->signature();
  if (base::Outcome<void> read = connection_->outcome("open the spool"); !read) return read;
  if (!found.empty && found.application != kApplicationId) {
    return fail(path + " is not a spool of hoptap; give the spool a folder of its own");
  }
  if (!found.empty && found.version != kVersion) {
    return fail("the spool " + folder_.path() + " has format " + std::to_string(found.version) +
                ", this hoptap reads " + std::to_string(kVersion) +
                "; deliver it with the version that wrote it, or name another folder");
  }
  if (base::Outcome<void> taken_up = found.empty ? make() : load(); !taken_up) return taken_up;
  sync_commits(false);
  put_aside();
  ready_ = true;
  return {};
}

base::Outcome<void> SpoolFile::make() {
  return transact("make the spool", [this](SpoolState& state) {
    connection_->execute(kMake);
    state.instance = random_bytes(kInstanceBytes);
    state.boot = boot_name();
  });
}

base::Outcome<void> SpoolFile::load() {
  {
    Statement row = connection_->prepare("SELECT * FROM state WHERE id = 1");
    if (row.step()) {
      state_.instance = row.text_at(1);
      state_.boot = row.text_at(2);
      state_.mark = row.text_at(3);
      int column = 4;
      for (std::uint64_t* number : state_.numbers()) *number = row.number_at(column++);
    }
  }
  if (base::Outcome<void> read = connection_->outcome("read the spool"); !read) return read;
  if (state_.instance.empty()) {
    return fail("the spool " + folder_.path() + " has lost its state and is damaged; " + std::string(kAdvice.damaged));
  }
  if (state_.boot == boot_name()) return {};
  // The machine was started anew. Batches that the tracer acknowledged may be missing here with their numbers, and a
  // number must not be used for a second batch.
  return transact("open the spool", [](SpoolState& state) {
    state.boot = boot_name();
    state.last = std::max(state.last, state.reserved);
  });
}

void SpoolFile::save() {
  Statement row =
      connection_->prepare("INSERT OR REPLACE INTO state VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  row.bytes(state_.instance).bytes(state_.boot).bytes(state_.mark);
  for (const std::uint64_t* number : state_.numbers()) row.number(*number);
  row.run();
}

void SpoolFile::insert(std::uint64_t sequence, std::uint32_t records, std::string_view payload) {
  connection_->prepare("INSERT INTO batch VALUES(?, ?, ?)").number(sequence).number(records).bytes(payload).run();
}

SpoolTaken SpoolFile::take(std::uint64_t sequence) {
  return take("SELECT count(*), sum(records), sum(length(payload)) FROM batch WHERE sequence = ?",
              "DELETE FROM batch WHERE sequence = ?", sequence);
}

SpoolTaken SpoolFile::take_up_to(std::uint64_t sequence) {
  return take("SELECT count(*), sum(records), sum(length(payload)) FROM batch WHERE sequence <= ?",
              "DELETE FROM batch WHERE sequence <= ?", sequence);
}

SpoolTaken SpoolFile::take(const char* sum, const char* deletion, std::uint64_t sequence) {
  Statement found = connection_->prepare(sum);
  if (!found.number(sequence).step()) return {};
  const SpoolTaken taken{found.number_at(0), found.number_at(1)};
  connection_->prepare(deletion).number(sequence).run();
  SpoolCounters& counters = state_.counters;
  counters.waiting_batches -= taken.batches;
  counters.waiting_records -= taken.records;
  counters.waiting_bytes -= found.number_at(2);
  return taken;
}

std::uint64_t SpoolFile::oldest_after(std::uint64_t sequence) {
  Statement found = connection_->prepare("SELECT sequence FROM batch WHERE sequence > ? ORDER BY sequence LIMIT 1");
  return found.number(sequence).step() ? found.number_at(0) : 0;
}

base::Outcome<std::vector<SpooledBatch>> SpoolFile::read(std::uint64_t after, std::size_t batches_max,
                                                         std::uint64_t bytes_max) {
  std::vector<SpooledBatch> batches;
  std::uint64_t bytes = 0;
  {
    Statement row = connection_->prepare("SELECT * FROM batch WHERE sequence > ? ORDER BY sequence LIMIT ?");
    row.number(after).number(batches_max);
    while (row.step()) {
      const std::string_view payload = row.text_at(2);
      bytes += payload.size();
      if (!batches.empty() && bytes > bytes_max) break;
      batches.push_back({row.number_at(0), static_cast<std::uint32_t>(row.number_at(1)), std::string(payload)});
    }
  }
  if (base::Outcome<void> done = connection_->outcome("read the spool"); !done) return tl::unexpected(done.error());
  return batches;
}

void SpoolFile::sync_commits(bool on) {
  connection_->execute(on || limits_.survive_power_cut ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

void SpoolFile::put_aside() { folder_.put_aside(std::min(kAsideBytesMax, limits_.bytes_max / 8)); }

bool SpoolFile::make_disk_free() { return connection_->disk_was_full() && folder_.give_free(); }

void SpoolFile::shorten_log() {
  connection_->execute("PRAGMA wal_checkpoint(TRUNCATE)");
  (void)connection_->outcome("shorten the spool's log");  // the next time then
}

}  // namespace hoptap::exporting
