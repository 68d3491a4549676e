// The little of SQLite that the tracer's database and the probe's spool need. A connection remembers its first failure
// until outcome() is asked, so that a transaction is written as plain steps and asked once. One thread at a time each.
// Private to export/.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hoptap::exporting {

class SqliteConnection;

/// A prepared statement in use: bind from the left, step, read columns. Back at its start when this goes.
class Statement {
 public:
  Statement(SqliteConnection& connection, sqlite3_stmt* statement, bool owned)
      : connection_(connection), statement_(statement), owned_(owned) {}
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& number(std::uint64_t value);
  Statement& signed_number(std::int64_t value);
  Statement& fraction(double value);
  Statement& text(std::string_view value);   ///< must live until the last step
  Statement& bytes(std::string_view value);  ///< the same
  Statement& null();

  bool step();  ///< true: there is a row
  void run() { step(); }
  void again();  ///< to bind and step once more

  std::uint64_t number_at(int column) const;
  std::int64_t signed_at(int column) const;
  double fraction_at(int column) const;
  bool is_null_at(int column) const;
  std::string_view text_at(int column) const;  ///< also of bytes; valid until the next step

 private:
  SqliteConnection& connection_;
  sqlite3_stmt* statement_;  // null after a failure: everything does nothing
  bool owned_;
  int bound_ = 0;
};

/// What the words of a failure say of a file: what it is to people, and what they can do.
struct SqliteAdvice {
  std::string_view name;       ///< "the database"
  std::string_view disk_full;  ///< "make room …": goes on behind a semicolon
  std::string_view damaged;    ///< the same
};

/// What a file says it is. Both numbers are 0 in an empty one.
struct SqliteSignature {
  bool empty = true;
  std::int64_t application = 0;
  std::int64_t version = 0;
};

class SqliteConnection {
 public:
  enum class Mode { kWrite, kRead };

  /// kWrite makes the file when it is missing. The advice's texts must live as long.
  [[nodiscard]] static base::Outcome<std::unique_ptr<SqliteConnection>> open(const std::string& file, Mode mode,
                                                                             const SqliteAdvice& advice);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  Statement prepare(const char* sql);              ///< kept; `sql` must be the same few texts
  Statement prepare_once(const std::string& sql);  ///< not kept
  void execute(const char* sql);                   ///< any number of statements without results
  std::int64_t number(const char* sql);            ///< that the query gives first; 0: no row. Kept like prepare()
  SqliteSignature signature();                     ///< means nothing after a failure

  std::uint64_t changes() const { return static_cast<std::uint64_t>(sqlite3_changes64(db_)); }
  std::uint64_t last_id() const { return static_cast<std::uint64_t>(sqlite3_last_insert_rowid(db_)); }

  bool failed() const { return code_ != SQLITE_OK; }
  /// The first failure since this was last asked, in words: "cannot <doing>: …".
  [[nodiscard]] base::Outcome<void> outcome(std::string_view doing);
  /// The failure that outcome() gave last was for want of disk.
  bool disk_was_full() const { return disk_was_full_; }

  /// BEGIN IMMEDIATE, the steps, COMMIT; on a failure ROLLBACK.
  template <class Steps>
  [[nodiscard]] base::Outcome<void> transaction(std::string_view doing, Steps steps) {
    prepare("BEGIN IMMEDIATE").run();
    if (!failed()) steps();
    prepare("COMMIT").run();
    if (failed()) end();
    return outcome(doing);
  }

  /// Ends a transaction that only read, whatever became of it; no statement of it may still be in use.
  void end() {
    if (sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }

  /// A query that takes more steps fails, and outcome() says just `refusal`; 0: no limit. Counts from here.
  void limit_steps(std::uint64_t steps_max, std::string_view refusal);

 private:
  friend class Statement;
  SqliteConnection(sqlite3* db, std::string file, const SqliteAdvice& advice)
      : db_(db), file_(std::move(file)), advice_(advice) {}
  void fail(int code);
  std::string words_of(int primary) const;

  sqlite3* db_;
  std::string file_;
  SqliteAdvice advice_;
  std::map<const char*, sqlite3_stmt*> kept_;
  int code_ = SQLITE_OK;
  int system_error_ = 0;  ///< behind code_, 0: none
  std::string message_;
  bool disk_was_full_ = false;
  std::uint64_t steps_left_ = 0;
  std::string_view refusal_;
};

}  // namespace hoptap::exporting
