// One SQLite file and its statements, as the spool needs them. Not locked: one thread at a time. Private to transport.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hoptap::exporting {

class SqliteFile;

/// A prepared statement; borrows the file. bind() counts parameters from 1, columns count from 0.
class SqliteStatement {
 public:
  SqliteStatement() = default;
  SqliteStatement& bind(int parameter, std::uint64_t value);
  SqliteStatement& bind_bytes(int parameter, std::string_view value);  ///< borrows until the next reset()
  int step() { return sqlite3_step(statement_.get()); }                ///< SQLITE_ROW, SQLITE_DONE or an error
  void reset() { sqlite3_reset(statement_.get()); }
  std::uint64_t number(int column) const;
  std::string bytes(int column) const;
  std::size_t size(int column) const;  ///< of the bytes, without reading them

 private:
  friend class SqliteFile;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class SqliteFile {
 public:
  /// SQLITE_OK or an error; the file is made when missing.
  int open(const std::string& path);
  /// SQLITE_OK or an error. Statements are ours, so they end with '\0'.
  int run(const char* statements) { return sqlite3_exec(file_.get(), statements, nullptr, nullptr, nullptr); }
  int prepare(std::string_view text, SqliteStatement& statement);
  /// The one number that a query gives, `otherwise` if it gives none.
  std::uint64_t number(std::string_view query, std::uint64_t otherwise);

  bool disk_full() const;     ///< the last error means that there is no room
  bool damaged() const;       ///< the last error means that the file is no sound database
  std::string words() const;  ///< of the last error
  void close() { file_.reset(); }

 private:
  struct Close {
    void operator()(sqlite3* file) const { sqlite3_close_v2(file); }
  };
  std::unique_ptr<sqlite3, Close> file_;
};

}  // namespace hoptap::exporting
