// The little of SQLite that the store needs. A connection remembers its first failure until outcome() is asked, so that
// a transaction is written as plain steps and asked once. One thread at a time each. Private to export/store/.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hoptap::exporting {

class Connection;

/// A prepared statement in use: bind from the left, step, read columns. Back at its start when this goes.
class Statement {
 public:
  Statement(Connection& connection, sqlite3_stmt* statement, bool owned)
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
  Connection& connection_;
  sqlite3_stmt* statement_;  // null after a failure: everything does nothing
  bool owned_;
  int bound_ = 0;
};

class Connection {
 public:
  enum class Mode { kWrite, kRead };

  [[nodiscard]] static base::Outcome<std::unique_ptr<Connection>> open(const std::string& file, Mode mode);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Statement prepare(const char* sql);              ///< kept; `sql` must be the same few texts
  Statement prepare_once(const std::string& sql);  ///< not kept
  void execute(const char* sql);                   ///< any number of statements without results

  std::uint64_t changes() const { return static_cast<std::uint64_t>(sqlite3_changes64(db_)); }
  std::uint64_t last_id() const { return static_cast<std::uint64_t>(sqlite3_last_insert_rowid(db_)); }

  bool failed() const { return code_ != SQLITE_OK; }
  /// The first failure since this was last asked, in words: "cannot <doing>: …".
  [[nodiscard]] base::Outcome<void> outcome(std::string_view doing);

  /// BEGIN IMMEDIATE, the steps, COMMIT; on a failure ROLLBACK.
  template <class Steps>
  [[nodiscard]] base::Outcome<void> transaction(std::string_view doing, Steps steps) {
    execute("BEGIN IMMEDIATE");
    if (!failed()) steps();
    if (!failed()) execute("COMMIT");
    if (failed() && sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    return outcome(doing);
  }

  /// Ends a transaction that only read, whatever became of it; no statement of it may still be in use.
  void end() {
    if (sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }

  /// A query that takes more steps fails with kQueryTooLong; 0: no limit. Counts from here.
  void limit_steps(std::uint64_t steps_max);

 private:
  friend class Statement;
  Connection(sqlite3* db, std::string file) : db_(db), file_(std::move(file)) {}
  void fail(int code);

  sqlite3* db_;
  std::string file_;
  std::map<const char*, sqlite3_stmt*> kept_;
  int code_ = SQLITE_OK;
  int system_error_ = 0;
  std::string message_;
  std::uint64_t steps_left_ = 0;
};

}  // namespace hoptap::exporting
