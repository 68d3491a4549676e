#include "export/store/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "export/store/parts.h"
#include "export/store/schema.h"

namespace hoptap::exporting {
namespace {

// The inbox must be on disk when a batch is acknowledged. The rest is made again from it after a crash, and both are
// in one log, so that nothing that is stored later survives without what was stored before.
constexpr const char* kInboxSettings =
    "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 16384; PRAGMA journal_size_limit = 67108864;"
    "PRAGMA cache_size = -16384";
constexpr const char* kEngineSettings =
    "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864;"
    "PRAGMA cache_size = -131072; PRAGMA temp_store = MEMORY";
constexpr const char* kReadSettings = "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA query_only = 1";

}  // namespace

bool has_bit(std::string_view bits, std::size_t bit) {
  return bit / 8 < bits.size() && (static_cast<unsigned char>(bits[bit / 8]) >> (bit % 8) & 1) != 0;
}

void set_bit(std::string& bits, std::size_t bit) {
  if (bit / 8 >= bits.size()) bits.resize(bit / 8 + 1);
  bits[bit / 8] = static_cast<char>(static_cast<unsigned char>(bits[bit / 8]) | 1u << (bit % 8));
}

bool all_set(std::string_view bits, std::size_t count) {
  for (std::size_t bit = 0; bit < count; ++bit) {
    if (!has_bit(bits, bit)) return false;
  }
  return true;
}

tl::unexpected<base::Failure> damaged(const std::string& file, std::string_view what) {
  return tl::unexpected(base::Failure{fmt::format(
      "{} holds {} that cannot be read; it is damaged, or another version of hoptap wrote it", file, what)});
}

// ---- Dictionary

std::uint64_t Dictionary::name(std::string_view text) {
  text = cut_name(text);
  if (text.empty()) return 0;
  if (const auto found = names_.find(text); found != names_.end()) return found->second;
  std::uint64_t id = kNoName;
  Statement find = connection_.prepare("SELECT id FROM name WHERE text = ?");
  if (find.text(text).step()) {
    id = find.number_at(0);
  } else if (has_room()) {
    connection_.prepare("INSERT INTO name(text) VALUES(?)").text(text).run();
    id = connection_.last_id();
    ++*stored_;
  } else {
    ++refused_;
    return kNoName;
  }
  if (names_.size() >= kCachedMax) names_.clear();
  names_.emplace(text, id);
  return id;
}

std::uint64_t Dictionary::path(const linker::Trace& trace) {
  std::string points;
  for (const linker::Hop& hop : trace.hops) points += (&hop == trace.hops.data() ? "" : ",") + hop.point;
  auto key = std::pair(trace.path, std::move(points));
  if (const auto found = paths_.find(key); found != paths_.end()) return found->second;
  Statement find = connection_.prepare("SELECT id FROM path WHERE signature = ? AND points = ?");
  std::uint64_t id = 0;
  if (find.number(key.first).text(key.second).step()) {
    id = find.number_at(0);
  } else {
    connection_.prepare("INSERT INTO path(signature, points) VALUES(?, ?)").number(key.first).text(key.second).run();
    id = connection_.last_id();
    const auto add = [&](std::string_view point) {
      connection_.prepare("INSERT OR IGNORE INTO path_point(point, path) VALUES(?, ?)")
          .number(name(point))
          .number(id)
          .run();
    };
    for (const linker::Hop& hop : trace.hops) {
      add(hop.point);
      if (hop.node.rank > 0) add(std::string_view(hop.point).substr(0, hop.point.rfind('/')));  // "tor-1" of "tor-1/2"
    }
  }
  if (paths_.size() >= kCachedMax) paths_.clear();
  paths_.emplace(std::move(key), id);
  return id;
}

void Dictionary::forget() {
  names_.clear();
  paths_.clear();
  stored_.reset();
}

bool Dictionary::has_room() {
  if (!stored_) {
    Statement count = connection_.prepare("SELECT count(*) FROM name");
    stored_ = count.step() ? count.number_at(0) : 0;
  }
  return *stored_ < Store::kNamesMax;
}

// ---- ReadPool

base::Outcome<void> ReadPool::open(const std::string& file, std::size_t count) {
  for (std::size_t at = 0; at < std::max<std::size_t>(count, 1); ++at) {
    auto connection = SqliteConnection::open(file, SqliteConnection::Mode::kRead, kStoreAdvice);
    if (!connection) return tl::unexpected(connection.error());
    (*connection)->execute(kReadSettings);
    if (auto set = (*connection)->outcome("open the database"); !set) return set;
    idle_.push_back(std::move(*connection));
  }
  return {};
}

ReadPool::Lease ReadPool::take(std::uint64_t steps_max) {
  std::unique_lock hold(mutex_);
  given_.wait(hold, [this] { return !idle_.empty(); });
  std::unique_ptr<SqliteConnection> connection = std::move(idle_.back());
  idle_.pop_back();
  connection->limit_steps(steps_max, Store::kQueryTooLong);
  return {*this, std::move(connection)};
}

void ReadPool::give(std::unique_ptr<SqliteConnection> connection) {
  {
    const std::lock_guard hold(mutex_);
    idle_.push_back(std::move(connection));
  }
  given_.notify_one();
}

// ---- Parts

Store::Parts::~Parts() {
  names.reset();
  inbox_names.reset();
  inbox.reset();
  engine.reset();
  if (lock >= 0) ::close(lock);
}

/// Keeps a second tracer out for as long as this process lives, however it ends.
base::Outcome<void> Store::Parts::lock_folder() {
  std::error_code error;
  std::filesystem::create_directories(config.folder, error);
  const std::string name = config.folder + "/hoptap.lock";
  lock = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) {
    return tl::unexpected(base::Failure{
        fmt::format("cannot make {}: {}; choose a folder that this user may write to", name, std::strerror(errno))});
  }
  if (::flock(lock, LOCK_EX | LOCK_NB) == 0) return {};
  return tl::unexpected(base::Failure{
      fmt::format("another tracer uses {}; stop that one, or give this one another folder", config.folder)});
}

base::Outcome<void> Store::Parts::open() {
  if (auto locked = lock_folder(); !locked) return locked;
  file = config.folder + "/hoptap.sqlite";
  auto first = SqliteConnection::open(file, SqliteConnection::Mode::kWrite, kStoreAdvice);
  if (!first) return tl::unexpected(first.error());
  engine = std::move(*first);
  if (auto prepared = prepare_schema(*engine, file); !prepared) return prepared;
  engine->execute(kEngineSettings);
  if (auto set = engine->outcome("open the database"); !set) return set;
  auto second = SqliteConnection::open(file, SqliteConnection::Mode::kWrite, kStoreAdvice);
  if (!second) return tl::unexpected(second.error());
  inbox = std::move(*second);
  inbox->execute(kInboxSettings);
  if (auto set = inbox->outcome("open the database"); !set) return set;
  names = std::make_unique<Dictionary>(*engine);
  inbox_names = std::make_unique<Dictionary>(*inbox);
  if (auto opened = readers.open(file, config.readers); !opened) return opened;
  return count();
}

base::Outcome<void> Store::Parts::count() {
  Statement held = engine->prepare("SELECT count(*), total(records), total(length(payload)) FROM inbox");
  if (held.step()) {
    counters.inbox_batches = held.number_at(0);
    counters.inbox_records = static_cast<std::uint64_t>(held.fraction_at(1));
    counters.inbox_bytes = static_cast<std::uint64_t>(held.fraction_at(2));
  }
  Statement traces =
      engine->prepare("SELECT (SELECT count(*) FROM trace), (SELECT count(*) FROM trace WHERE final = 0)");
  if (traces.step()) {
    counters.traces = traces.number_at(0);
    counters.open_traces = traces.number_at(1);
  }
  return engine->outcome("read the database");
}

void Store::Parts::note_failure() {
  change_counters([](StoreCounters& sums) { ++sums.write_failures; });
}

// ---- Store

Store::Store(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Store::~Store() = default;

base::Outcome<std::unique_ptr<Store>> Store::open(const StoreConfig& config) {
  auto parts = std::make_unique<Parts>(config);
  if (const auto opened = parts->open(); !opened) return tl::unexpected(opened.error());
  return std::unique_ptr<Store>(new Store(std::move(parts)));
}

const std::string& Store::file() const { return parts_->file; }

StoreCounters Store::counters() const {
  StoreCounters counters;
  {
    const std::lock_guard hold(parts_->counting);
    counters = parts_->counters;
  }
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(parts_->file, error);
  counters.file_bytes = error ? 0 : bytes;
  return counters;
}

}  // namespace hoptap::exporting
