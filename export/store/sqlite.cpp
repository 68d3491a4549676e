#include "export/store/sqlite.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "export/store/store.h"

namespace hoptap::exporting {
namespace {

constexpr int kBusyMs = 10'000;         // two connections of ours at most wait for a checkpoint
constexpr int kStepsPerCheck = 10'000;  // of the virtual machine, between two looks at the limit

std::string words_of(int code, int system_error, const std::string& message, const std::string& file) {
  const std::string folder = std::filesystem::path(file).parent_path().string();
  const int primary = code & 0xff;
  if (primary == SQLITE_FULL || system_error == ENOSPC || system_error == EDQUOT) {
    return fmt::format(
        "the disk of {} is full; make room or lower the retention: nothing stored is lost, and writing "
        "goes on when there is room",
        folder);
  }
  if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
    return fmt::format("{} is damaged or no database ({}); move it and its -wal and -shm files away and start again",
                       file, message);
  }
  if (primary == SQLITE_READONLY || primary == SQLITE_PERM || primary == SQLITE_CANTOPEN) {
    return fmt::format("{} cannot be opened for writing ({}); give this user the right to write in {}", file, message,
                       folder);
  }
  if (primary == SQLITE_IOERR) {
    return fmt::format("{}: {} ({}); look at the system's log, the disk may be failing", file, message,
                       system_error == 0 ? "no reason given" : std::strerror(system_error));
  }
  return fmt::format("{}: {}", file, message);
}

}  // namespace

Statement::~Statement() {
  if (statement_ == nullptr) return;
  if (owned_) {
    sqlite3_finalize(statement_);
  } else {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
}

Statement& Statement::number(std::uint64_t value) { return signed_number(static_cast<std::int64_t>(value)); }

Statement& Statement::signed_number(std::int64_t value) {
  if (statement_ != nullptr) sqlite3_bind_int64(statement_, ++bound_, value);
  return *this;
}

Statement& Statement::fraction(double value) {
  if (statement_ != nullptr) sqlite3_bind_double(statement_, ++bound_, value);
  return *this;
}

Statement& Statement::text(std::string_view value) {
  if (statement_ != nullptr) {
    sqlite3_bind_text64(statement_, ++bound_, value.data() == nullptr ? "" : value.data(), value.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
  }
  return *this;
}

Statement& Statement::bytes(std::string_view value) {
  if (statement_ != nullptr) {
    sqlite3_bind_blob64(statement_, ++bound_, value.data() == nullptr ? "" : value.data(), value.size(), SQLITE_STATIC);
  }
  return *this;
}

Statement& Statement::null() {
  if (statement_ != nullptr) sqlite3_bind_null(statement_, ++bound_);
  return *this;
}

bool Statement::step() {
  if (statement_ == nullptr || connection_.failed()) return false;
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) connection_.fail(code);
  return code == SQLITE_ROW;
}

void Statement::again() {
  if (statement_ != nullptr) sqlite3_reset(statement_);
  bound_ = 0;
}

std::uint64_t Statement::number_at(int column) const { return static_cast<std::uint64_t>(signed_at(column)); }
std::int64_t Statement::signed_at(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::fraction_at(int column) const { return sqlite3_column_double(statement_, column); }
bool Statement::is_null_at(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::string_view Statement::text_at(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

base::Outcome<std::unique_ptr<Connection>> Connection::open(const std::string& file, Mode mode) {
  sqlite3* db = nullptr;
  const int flags = (mode == Mode::kRead ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(file.c_str(), &db, flags, nullptr);
  std::unique_ptr<Connection> connection(new Connection(db, file));
  if (code != SQLITE_OK) connection->fail(code);
  if (const auto opened = connection->outcome("open the database"); !opened) return tl::unexpected(opened.error());
  sqlite3_busy_timeout(db, kBusyMs);
  return connection;
}

Connection::~Connection() {
  for (const auto& [sql, statement] : kept_) sqlite3_finalize(statement);
  sqlite3_close_v2(db_);
}

Statement Connection::prepare(const char* sql) {
  if (failed()) return {*this, nullptr, false};
  sqlite3_stmt*& statement = kept_[sql];
  if (statement == nullptr) {
    const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) fail(code);
  }
  return {*this, statement, false};
}

Statement Connection::prepare_once(const std::string& sql) {
  if (failed()) return {*this, nullptr, false};
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr);
  if (code != SQLITE_OK) fail(code);
  return {*this, statement, true};
}

void Connection::execute(const char* sql) {
  if (failed()) return;
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

void Connection::fail(int code) {
  if (failed()) return;
  code_ = code;
  system_error_ = db_ == nullptr ? 0 : sqlite3_system_errno(db_);
  message_ = db_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db_);
}

base::Outcome<void> Connection::outcome(std::string_view doing) {
  if (!failed()) return {};
  const int code = std::exchange(code_, SQLITE_OK);
  if ((code & 0xff) == SQLITE_INTERRUPT) return tl::unexpected(base::Failure{std::string(Store::kQueryTooLong)});
  // SQLite keeps the last error number of the system for good: it means something after errors of the system only.
  const bool of_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
  return tl::unexpected(base::Failure{
      fmt::format("cannot {}: {}", doing, words_of(code, of_system ? system_error_ : 0, message_, file_))});
}

void Connection::limit_steps(std::uint64_t steps_max) {
  steps_left_ = steps_max;
  if (steps_max == 0) return sqlite3_progress_handler(db_, 0, nullptr, nullptr);
  const auto check = [](void* context) {
    std::uint64_t& left = *static_cast<std::uint64_t*>(context);
    if (left < static_cast<std::uint64_t>(kStepsPerCheck)) return 1;
    left -= static_cast<std::uint64_t>(kStepsPerCheck);
    return 0;
  };
  sqlite3_progress_handler(db_, kStepsPerCheck, check, &steps_left_);
}

}  // namespace hoptap::exporting
