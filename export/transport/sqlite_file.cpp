#include "export/transport/sqlite_file.h"

#include <cerrno>
#include <cstring>

namespace hoptap::exporting {

SqliteStatement& SqliteStatement::bind(int parameter, std::uint64_t value) {
  sqlite3_bind_int64(statement_.get(), parameter, static_cast<sqlite3_int64>(value));
  return *this;
}

SqliteStatement& SqliteStatement::bind_bytes(int parameter, std::string_view value) {
  // Not null also when empty, or SQLite binds NULL.
  sqlite3_bind_blob64(statement_.get(), parameter, value.empty() ? "" : value.data(), value.size(), SQLITE_STATIC);
  return *this;
}

std::uint64_t SqliteStatement::number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

std::string SqliteStatement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const std::size_t count = size(column);
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), count);
}

std::size_t SqliteStatement::size(int column) const {
  return static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
}

int SqliteFile::open(const std::string& path) {
  sqlite3* file = nullptr;
  const int done =
      sqlite3_open_v2(path.c_str(), &file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  file_.reset(file);
  if (done == SQLITE_OK) sqlite3_extended_result_codes(file, 1);
  return done;
}

int SqliteFile::prepare(std::string_view text, SqliteStatement& statement) {
  sqlite3_stmt* prepared = nullptr;
  const int done = sqlite3_prepare_v3(file_.get(), text.data(), static_cast<int>(text.size()),
                                      SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  statement.statement_.reset(prepared);
  return done;
}

std::uint64_t SqliteFile::number(std::string_view query, std::uint64_t otherwise) {
  SqliteStatement statement;
  if (prepare(query, statement) != SQLITE_OK || statement.step() != SQLITE_ROW) return otherwise;
  return statement.number(0);
}

bool SqliteFile::disk_full() const {
  const int system = sqlite3_system_errno(file_.get());
  const int code = sqlite3_errcode(file_.get()) & 0xff;
  return code == SQLITE_FULL || (code == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT));
}

bool SqliteFile::damaged() const {
  const int code = sqlite3_errcode(file_.get()) & 0xff;
  return code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
}

std::string SqliteFile::words() const {
  if (file_ == nullptr) return "no memory";
  std::string words = sqlite3_errmsg(file_.get());
  const int code = sqlite3_errcode(file_.get()) & 0xff;
  const int system = sqlite3_system_errno(file_.get());
  if ((code == SQLITE_IOERR || code == SQLITE_CANTOPEN) && system != 0)
    words += std::string(" (") + std::strerror(system) + ")";
  return words;
}

}  // namespace hoptap::exporting
