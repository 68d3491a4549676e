// The store's traces as the engine writes them.
#include <algorithm>

#include "base/hash.h"
#include "export/store/parts.h"
#include "export/trace_codec.h"

namespace hoptap::exporting {
namespace {

/// Changes of the counters, to be added when they are on disk.
struct Changes {
  std::int64_t traces = 0;
  std::int64_t open_traces = 0;
  std::int64_t inbox_batches = 0;
  std::int64_t inbox_records = 0;
  std::int64_t inbox_bytes = 0;
  std::uint64_t written = 0;

  void add_to(StoreCounters& counters) const {
    const auto add = [](std::uint64_t& sum, std::int64_t change) { sum += static_cast<std::uint64_t>(change); };
    add(counters.traces, traces);
    add(counters.open_traces, open_traces);
    add(counters.inbox_batches, inbox_batches);
    add(counters.inbox_records, inbox_records);
    add(counters.inbox_bytes, inbox_bytes);
    counters.traces_written += written;
  }
};

constexpr int kTraceLevel = 3;

/// A trace's row, as far as it can be made without the database.
struct Made {
  const TraceRow* row = nullptr;
  std::string body;
  std::uint64_t digest = 0;
};

std::vector<Made> make_rows(std::span<const TraceRow> rows) {
  std::vector<Made> made;
  made.reserve(rows.size());
  for (const TraceRow& row : rows) {
    const base::Bytes encoded = base::as_bytes(row.encoded);
    made.push_back({&row, compress(row.encoded, kTraceLevel), base::hash_bytes(encoded)});
  }
  return made;
}

/// Binds all columns behind n and id, in the order that both statements below name them.
void bind_columns(Statement& statement, const Made& made, Dictionary& names) {
  const linker::Trace& trace = *made.row->trace;
  const linker::Verdict& verdict = made.row->judgement->verdict;
  static const flowtable::HopRecord kNothing;
  const flowtable::HopRecord& told = trace.hops.empty() ? kNothing : trace.telling_hop().record;
  const std::uint64_t path = names.path(trace);
  const std::uint64_t protocol = names.name(told.protocol);
  const std::uint64_t endpoint = names.name(told.endpoint);
  const std::uint64_t method = names.name(told.method);
  const std::uint64_t from = names.name(verdict.from.empty() ? verdict.at : verdict.from);
  const std::uint64_t to = names.name(verdict.from.empty() ? std::string_view() : verdict.to);
  statement.number(sortable(linker::start_ns(trace))).signed_number(trace.response_time_ns);
  statement.number(path).number(protocol).number(endpoint).number(method);
  if (told.has_status) {
    statement.number(told.status);
  } else {
    statement.null();
  }
  statement.number(static_cast<std::uint64_t>(verdict.kind)).number(from).number(to);
  statement.number(trace.flags).number(trace.hops.size()).number(made.row->revision);
  statement.number(made.digest).text(cut_name(told.resource));
}

void put_one(SqliteConnection& engine, Dictionary& names, const Made& made, Changes& changes) {
  std::uint64_t n = 0;
  bool was_final = false;
  {
    Statement find = engine.prepare("SELECT n, final FROM trace WHERE id = ?");
    if (find.number(made.row->trace->id).step()) {
      n = find.number_at(0);
      was_final = find.number_at(1) != 0;
    }
  }
  if (n == 0) {
    Statement insert = engine.prepare(
        "INSERT INTO trace(id, start_ns, duration_ns, path, protocol, endpoint, method, status, verdict, slow_from, "
        "slow_to, flags, hops, revision, digest, resource, final) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)");
    insert.number(made.row->trace->id);
    bind_columns(insert, made, names);
    insert.run();
    n = engine.last_id();
    engine.prepare("INSERT INTO body(n, encoded) VALUES(?, ?)").number(n).bytes(made.body).run();
    ++changes.traces;
    ++changes.open_traces;
  } else {
    Statement update = engine.prepare(
        "UPDATE trace SET start_ns = ?, duration_ns = ?, path = ?, protocol = ?, endpoint = ?, method = ?, status = ?, "
        "verdict = ?, slow_from = ?, slow_to = ?, flags = ?, hops = ?, revision = ?, digest = ?, resource = ?, "
        "final = 0 WHERE n = ?");
    bind_columns(update, made, names);
    update.number(n).run();
    engine.prepare("UPDATE body SET encoded = ? WHERE n = ?").bytes(made.body).number(n).run();
    changes.open_traces += was_final ? 1 : 0;
  }
  ++changes.written;
}

void remove_one(SqliteConnection& engine, std::uint64_t id, Changes& changes) {
  std::uint64_t n = 0;
  {
    Statement find = engine.prepare("SELECT n, final FROM trace WHERE id = ?");
    if (!find.number(id).step()) return;
    n = find.number_at(0);
    changes.open_traces -= find.number_at(1) == 0 ? 1 : 0;
  }
  engine.prepare("DELETE FROM trace WHERE n = ?").number(n).run();
  engine.prepare("DELETE FROM body WHERE n = ?").number(n).run();
  --changes.traces;
}

void remove_and_rename(SqliteConnection& engine, const Settled& settled, Changes& changes) {
  for (const std::uint64_t id : settled.remove) remove_one(engine, id, changes);
  for (const auto& [old_id, new_id] : settled.renamed) {
    if (old_id == new_id) continue;
    engine.prepare("UPDATE alias SET new = ? WHERE new = ?").number(new_id).number(old_id).run();
    engine.prepare("INSERT OR REPLACE INTO alias(old, new) VALUES(?, ?)").number(old_id).number(new_id).run();
  }
  for (const std::uint64_t id : settled.remove) {
    engine.prepare("DELETE FROM alias WHERE new = ?").number(id).run();
  }
}

/// Sets a batch's bits; deletes it when all are set.
void set_bits(SqliteConnection& engine, const BatchBits& bits, Changes& changes) {
  std::string done;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  {
    Statement find = engine.prepare("SELECT done, records, length(payload) FROM inbox WHERE id = ?");
    if (!find.number(bits.batch).step()) return;
    done = find.text_at(0);
    records = find.number_at(1);
    bytes = find.number_at(2);
  }
  if (done.size() < bits.bits.size()) done.resize(bits.bits.size());
  for (std::size_t at = 0; at < bits.bits.size(); ++at) {
    done[at] = static_cast<char>(static_cast<unsigned char>(done[at]) | static_cast<unsigned char>(bits.bits[at]));
  }
  if (!all_set(done, records)) {
    engine.prepare("UPDATE inbox SET done = ? WHERE id = ?").bytes(done).number(bits.batch).run();
    return;
  }
  engine.prepare("DELETE FROM inbox WHERE id = ?").number(bits.batch).run();
  --changes.inbox_batches;
  changes.inbox_records -= static_cast<std::int64_t>(records);
  changes.inbox_bytes -= static_cast<std::int64_t>(bytes);
}

}  // namespace

base::Outcome<void> Store::put_traces(const Settled& settled) {
  std::span<const TraceRow> left = settled.put;
  bool first = true;
  while (first || !left.empty()) {
    const std::span<const TraceRow> chunk = left.first(std::min(left.size(), kRowsPerTransaction));
    left = left.subspan(chunk.size());
    const std::vector<Made> made = make_rows(chunk);
    Changes changes;
    std::uint64_t refused = 0;
    {
      const std::lock_guard turn(parts_->writing);
      SqliteConnection& engine = *parts_->engine;
      auto done = parts_->engine_transaction("store traces", [&] {
        if (first) remove_and_rename(engine, settled, changes);
        for (const Made& one : made) put_one(engine, *parts_->names, one, changes);
      });
      if (!done) return done;
      refused = parts_->names->refused();
    }
    parts_->change_counters([&](StoreCounters& counters) {
      changes.add_to(counters);
      counters.names_refused = refused;
    });
    first = false;
  }
  return {};
}

base::Outcome<void> Store::finish(const Finished& finished) {
  Changes changes;
  {
    const std::lock_guard turn(parts_->writing);
    SqliteConnection& engine = *parts_->engine;
    auto done = parts_->engine_transaction("make traces final", [&] {
      for (const std::uint64_t id : finished.traces) {
        engine.prepare("UPDATE trace SET final = 1 WHERE id = ? AND final = 0").number(id).run();
        changes.open_traces -= static_cast<std::int64_t>(engine.changes());
      }
      for (const BatchBits& bits : finished.batches) set_bits(engine, bits, changes);
    });
    if (!done) return done;
  }
  parts_->change_counters([&](StoreCounters& counters) { changes.add_to(counters); });
  return {};
}

base::Outcome<std::vector<OpenTrace>> Store::open_traces() {
  ReadPool::Lease read = parts_->readers.take(0);
  std::vector<OpenTrace> traces;
  {
    Statement find = read->prepare("SELECT id, digest, revision FROM trace WHERE final = 0 ORDER BY n");
    while (find.step()) {
      traces.push_back({find.number_at(0), find.number_at(1), static_cast<std::uint32_t>(find.number_at(2))});
    }
  }
  if (auto done = read->outcome("read the open traces"); !done) return tl::unexpected(done.error());
  return traces;
}

}  // namespace hoptap::exporting
