// The store's traces as the HTTP API asks for them.
#include <algorithm>

#include "export/store/parts.h"

namespace hoptap::exporting {
namespace {

/// Conditions on a trace, put together with what is to be bound to them.
class Conditions {
 public:
  void add(std::string_view sql, std::uint64_t value) {
    sql_ += std::string(sql_.empty() ? " WHERE " : " AND ") + std::string(sql);
    values_.push_back({value, {}, false});
  }
  void add(std::string_view sql, std::string_view text) {
    sql_ += std::string(sql_.empty() ? " WHERE " : " AND ") + std::string(sql);
    values_.push_back({0, text, true});
  }
  void also_bind(std::uint64_t value) { values_.push_back({value, {}, false}); }

  const std::string& sql() const { return sql_; }
  void bind(Statement& statement) const {
    for (const Value& value : values_) {
      if (value.is_text) {
        statement.text(value.text);
      } else {
        statement.number(value.number);
      }
    }
  }

 private:
  struct Value {
    std::uint64_t number;
    std::string_view text;
    bool is_text;
  };
  std::string sql_;
  std::vector<Value> values_;
};

/// Nothing of a name that no row has.
std::optional<std::uint64_t> find_name(SqliteConnection& read, std::string_view text) {
  Statement find = read.prepare("SELECT id FROM name WHERE text = ?");
  if (!find.text(cut_name(text)).step()) return std::nullopt;
  return find.number_at(0);
}

/// Adds "column = name". @return false when no row can match
bool add_name(SqliteConnection& read, std::string_view sql, std::string_view text, Conditions& conditions) {
  if (text.empty()) return true;
  const std::optional<std::uint64_t> name = find_name(read, text);
  if (name) conditions.add(sql, *name);
  return name.has_value();
}

/// The first text behind all that begin with `prefix`; empty: there is none.
std::string behind(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

std::vector<std::uint64_t> numbers_of(Statement& statement) {
  std::vector<std::uint64_t> numbers;
  while (statement.step()) numbers.push_back(statement.number_at(0));
  return numbers;
}

/// Few paths are looked up one by one in their index; many are checked while going through time.
bool add_paths(const std::vector<std::uint64_t>& paths, Conditions& conditions) {
  if (paths.empty()) return false;
  if (paths.size() == 1) {
    conditions.add("t.path = ?", paths.front());
    return true;
  }
  std::string list;
  for (std::size_t at = 1; at < paths.size(); ++at) list += ",?";
  conditions.add("+t.path IN (?" + list + ")", paths.front());
  for (std::size_t at = 1; at < paths.size(); ++at) conditions.also_bind(paths[at]);
  return true;
}

constexpr std::size_t kPathsMax = 30000;  // SQLite binds up to 32766 values

bool add_path_filters(SqliteConnection& read, const TraceFilter& filter, Conditions& conditions) {
  if (filter.path) {
    Statement find = read.prepare("SELECT id FROM path WHERE signature = ?");
    find.number(*filter.path);
    if (!add_paths(numbers_of(find), conditions)) return false;
  }
  if (!filter.path_points.empty()) {
    Statement find = read.prepare("SELECT id FROM path WHERE points = ?");
    find.text(filter.path_points);
    if (!add_paths(numbers_of(find), conditions)) return false;
  }
  if (!filter.point.empty()) {
    const std::optional<std::uint64_t> point = find_name(read, filter.point);
    if (!point) return false;
    Statement find = read.prepare("SELECT path FROM path_point WHERE point = ? LIMIT ?");
    find.number(*point).number(kPathsMax);
    if (!add_paths(numbers_of(find), conditions)) return false;
  }
  return true;
}

/// What the filter says, as conditions. The texts must outlive them. @return false when no trace can match
bool conditions_of(SqliteConnection& read, const TraceFilter& filter, const std::string& prefix_end,
                   Conditions& conditions) {
  if (filter.from_ns) conditions.add("t.start_ns >= ?", sortable(*filter.from_ns));
  if (filter.to_ns) conditions.add("t.start_ns < ?", sortable(*filter.to_ns));
  if (!add_path_filters(read, filter, conditions)) return false;
  if (!add_name(read, "t.protocol = ?", filter.protocol, conditions)) return false;
  if (!add_name(read, "t.endpoint = ?", filter.endpoint, conditions)) return false;
  if (!filter.resource_prefix.empty()) conditions.add("t.resource >= ?", cut_name(filter.resource_prefix));
  if (!prefix_end.empty()) conditions.add("t.resource < ?", prefix_end);
  if (filter.status_min && *filter.status_min >= 400)
    conditions.add("t.status >= 400 AND t.status >= ?", *filter.status_min);
  if (filter.status_min && *filter.status_min < 400) conditions.add("t.status >= ?", *filter.status_min);
  if (filter.status_max) conditions.add("t.status <= ?", *filter.status_max);
  if (filter.min_duration_ns) conditions.add("t.duration_ns >= ?", static_cast<std::uint64_t>(*filter.min_duration_ns));
  if (!filter.slow_from.empty() || !filter.slow_to.empty()) {
    if (!add_name(read, "t.slow_from = ?", filter.slow_from, conditions)) return false;
    if (!add_name(read, "t.slow_to > 0 AND t.slow_to = ?", filter.slow_to, conditions)) return false;
  }
  if (filter.verdict) {
    const bool any = *filter.verdict != linker::VerdictKind::kNone;
    conditions.add(any ? "t.verdict > 0 AND t.verdict = ?" : "t.verdict = ?",
                   static_cast<std::uint64_t>(*filter.verdict));
  }
  return true;
}

struct Found {
  std::uint64_t n = 0;
  std::uint64_t start_ns = 0;
  StoredTrace trace;
};

/// Rows without bodies, one more than asked for when there are more.
std::vector<Found> find_rows(SqliteConnection& read, Conditions& conditions, std::optional<TraceCursor> cursor,
                             std::size_t limit) {
  if (cursor) {
    conditions.add("(t.start_ns, t.id) < (?, ?)", sortable(cursor->start_ns));
    conditions.also_bind(cursor->id);
  }
  std::vector<Found> rows;
  Statement find = read.prepare_once("SELECT t.n, t.start_ns, t.id, t.revision, t.final FROM trace t" +
                                     conditions.sql() + " ORDER BY t.start_ns DESC, t.id DESC LIMIT ?");
  conditions.bind(find);
  find.number(limit + 1);
  while (find.step()) {
    Found& row = rows.emplace_back();
    row.n = find.number_at(0);
    row.start_ns = find.number_at(1);
    row.trace.id = find.number_at(2);
    row.trace.revision = static_cast<std::uint32_t>(find.number_at(3));
    row.trace.final = find.number_at(4) != 0;
  }
  return rows;
}

constexpr std::size_t kEncodedBytesMax = 64u << 20;

/// False: what is stored is no trace, or there is nothing.
bool read_body(SqliteConnection& read, std::uint64_t n, std::vector<std::uint8_t>& encoded) {
  Statement find = read.prepare("SELECT encoded FROM body WHERE n = ?");
  if (!find.number(n).step()) return false;
  const auto bytes = decompress(find.text_at(0), kEncodedBytesMax);
  if (!bytes) return false;
  const base::Bytes read_bytes = base::as_bytes(*bytes);
  encoded.assign(read_bytes.begin(), read_bytes.end());
  return true;
}

std::optional<Found> find_trace(SqliteConnection& read, std::uint64_t id) {
  Statement find = read.prepare("SELECT n, revision, final FROM trace WHERE id = ?");
  if (!find.number(id).step()) return std::nullopt;
  return Found{find.number_at(0), 0, {id, static_cast<std::uint32_t>(find.number_at(1)), find.number_at(2) != 0, {}}};
}

/// One state of the database for several queries. The transaction must end before the connection is given back.
class Snapshot {
 public:
  explicit Snapshot(SqliteConnection& read) : read_(read) { read_.execute("BEGIN"); }
  ~Snapshot() { read_.end(); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  SqliteConnection& read_;
};

}  // namespace

base::Outcome<TracePage> Store::traces(const TraceFilter& filter, std::optional<TraceCursor> cursor,
                                       std::size_t limit) {
  ReadPool::Lease read = parts_->readers.take(parts_->config.query_steps_max);
  TracePage page;
  {
    const Snapshot snapshot(*read);
    const std::string prefix_end = behind(std::string(cut_name(filter.resource_prefix)));
    Conditions conditions;
    std::vector<Found> rows;
    if (conditions_of(*read, filter, prefix_end, conditions)) rows = find_rows(*read, conditions, cursor, limit);
    if (rows.size() > limit) {
      rows.resize(limit);
      if (!rows.empty()) page.next = TraceCursor{rows.back().start_ns, rows.back().trace.id};
    }
    for (Found& row : rows) {
      if (!read_body(*read, row.n, row.trace.encoded)) row.trace.encoded.clear();
      page.traces.push_back(std::move(row.trace));
    }
  }
  if (auto done = read->outcome("read traces"); !done) return tl::unexpected(done.error());
  return page;
}

base::Outcome<std::optional<StoredTrace>> Store::trace(std::uint64_t id) {
  ReadPool::Lease read = parts_->readers.take(parts_->config.query_steps_max);
  std::optional<Found> found;
  bool whole = true;
  {
    const Snapshot snapshot(*read);
    found = find_trace(*read, id);
    if (!found) {
      Statement alias = read->prepare("SELECT new FROM alias WHERE old = ?");
      if (alias.number(id).step()) found = find_trace(*read, alias.number_at(0));
    }
    if (found) whole = read_body(*read, found->n, found->trace.encoded);
  }
  if (auto done = read->outcome("read a trace"); !done) return tl::unexpected(done.error());
  if (!whole) return damaged(parts_->file, "a trace");
  if (!found) return std::optional<StoredTrace>();
  return std::optional<StoredTrace>(std::move(found->trace));
}

}  // namespace hoptap::exporting
