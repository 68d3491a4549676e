#include "export/sqlite/sqlite.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace hoptap::exporting {
namespace {

constexpr int kBusyMs = 10'000;         // two connections of ours at most wait for a checkpoint
constexpr int kStepsPerCheck = 10'000;  // of the virtual machine, between two looks at the limit

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

base::Outcome<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::string& file, Mode mode,
                                                                        const SqliteAdvice& advice) {
  sqlite3* db = nullptr;
  const int flags = (mode == Mode::kRead ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(file.c_str(), &db, flags, nullptr);
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(db, file, advice));
  if (code != SQLITE_OK) connection->fail(code);
  if (const auto opened = connection->outcome(fmt::format("open {}", advice.name)); !opened) {
    return tl::unexpected(opened.error());
  }
  sqlite3_busy_timeout(db, kBusyMs);
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (const auto& [sql, statement] : kept_) sqlite3_finalize(statement);
  sqlite3_close_v2(db_);
}

Statement SqliteConnection::prepare(const char* sql) {
  if (failed()) return {*this, nullptr, false};
  sqlite3_stmt*& statement = kept_[sql];
  if (statement == nullptr) {
    const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) fail(code);
  }
  return {*this, statement, false};
}

Statement SqliteConnection::prepare_once(const std::string& sql) {
  if (failed()) return {*this, nullptr, false};
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr);
  if (code != SQLITE_OK) fail(code);
  return {*this, statement, true};
}

void SqliteConnection::execute(const char* sql) {
  if (failed()) return;
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::int64_t SqliteConnection::number(const char* sql) {
  Statement statement = prepare(sql);
  return statement.step() ? statement.signed_at(0) : 0;
}

SqliteSignature SqliteConnection::signature() {
  return {number("SELECT count(*) FROM sqlite_schema") == 0, number("PRAGMA application_id"),
          number("PRAGMA user_version")};
}

void SqliteConnection::fail(int code) {
  if (failed()) return;
  code_ = code;
  message_ = db_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db_);
  // SQLite keeps the last error number of the system for good: it means something after errors of the system only.
  const bool of_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
  system_error_ = of_system && db_ != nullptr ? sqlite3_system_errno(db_) : 0;
}

base::Outcome<void> SqliteConnection::outcome(std::string_view doing) {
  if (!failed()) return {};
  const int primary = std::exchange(code_, SQLITE_OK) & 0xff;
  disk_was_full_ = primary == SQLITE_FULL || system_error_ == ENOSPC || system_error_ == EDQUOT;
  if (primary == SQLITE_INTERRUPT) return tl::unexpected(base::Failure{std::string(refusal_)});
  return tl::unexpected(base::Failure{fmt::format("cannot {}: {}", doing, words_of(primary))});
}

std::string SqliteConnection::words_of(int primary) const {
  const std::string folder = std::filesystem::path(file_).parent_path().string();
  if (disk_was_full_) return fmt::format("{}: the disk is full; {}", folder, advice_.disk_full);
  switch (primary) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return fmt::format("{} is damaged or no database ({}); {}", file_, message_, advice_.damaged);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return fmt::format("{} cannot be opened for writing ({}); give this user the right to write in {}", file_,
                         message_, folder);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fmt::format("{} is in use ({}); end the other program that has it open", file_, message_);
    case SQLITE_IOERR:
      return fmt::format("{}: {} ({}); look at the system's log, the disk may be failing", file_, message_,
                         system_error_ == 0 ? "no reason given" : std::strerror(system_error_));
    default: return fmt::format("{}: {}", file_, message_);
  }
}

void SqliteConnection::limit_steps(std::uint64_t steps_max, std::string_view refusal) {
  steps_left_ = steps_max;
  refusal_ = refusal;
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
