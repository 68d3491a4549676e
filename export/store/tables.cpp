// The store's windows, segments, points and legs.
#include <algorithm>
#include <boost/json.hpp>

#include "export/store/parts.h"
#include "export/trace_codec.h"

namespace hoptap::exporting {
namespace {

constexpr std::int64_t kRecent = -1;  // in place of a window's start

template <class Value>
std::string encoded(const Value& value) {
  std::vector<std::uint8_t> bytes;
  encode(value, bytes);
  return std::string(base::as_text(bytes));
}

template <class Number>
void bind_if(Statement& statement, const std::optional<Number>& value) {
  if (!value) {
    statement.null();
  } else if constexpr (std::is_floating_point_v<Number>) {
    statement.fraction(*value);
  } else {
    statement.signed_number(static_cast<std::int64_t>(*value));
  }
}

template <class Number>
std::optional<Number> read_if(const Statement& statement, int column) {
  if (statement.is_null_at(column)) return std::nullopt;
  if constexpr (std::is_floating_point_v<Number>) {
    return statement.fraction_at(column);
  } else {
    return static_cast<Number>(statement.signed_at(column));
  }
}

std::string list_text(const std::vector<std::string>& names) {
  boost::json::array list;
  for (const std::string& name : names) list.emplace_back(name);
  return boost::json::serialize(list);
}

std::vector<std::string> read_list(std::string_view text) {
  std::vector<std::string> names;
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  if (error || !value.is_array()) return names;
  for (const boost::json::value& name : value.get_array()) {
    if (name.is_string()) names.emplace_back(name.get_string());
  }
  return names;
}

void put_window(SqliteConnection& engine, const WindowRow& row) {
  const std::string verdict = encoded(row.verdict);
  engine.prepare("INSERT OR REPLACE INTO window(start_ns, end_ns, verdict) VALUES(?, ?, ?)")
      .signed_number(row.recent ? kRecent : static_cast<std::int64_t>(sortable(row.start_ns)))
      .number(sortable(row.end_ns))
      .bytes(verdict)
      .run();
}

void put_segment(SqliteConnection& engine, Dictionary& names, const SegmentRow& row) {
  const std::string times = encoded(row.times);
  const std::uint64_t from = names.name(row.from);
  const std::uint64_t to = names.name(row.to);
  engine
      .prepare(
          "INSERT OR REPLACE INTO segment(bucket_start_ns, bucket_ns, kind, source, target, request_copies_lost, "
          "response_copies_lost, losses, times) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .number(sortable(row.bucket_start_ns))
      .number(sortable(row.bucket_ns))
      .number(static_cast<std::uint64_t>(row.kind))
      .number(from)
      .number(to)
      .number(row.request_copies_lost)
      .number(row.response_copies_lost)
      .fraction(row.losses)
      .bytes(times)
      .run();
}

void put_point(SqliteConnection& engine, Dictionary& names, const PointRow& row) {
  const std::uint64_t name = names.name(row.name), probe = names.name(row.probe), role = names.name(row.role);
  const std::string towards_client = list_text(row.towards_client), towards_server = list_text(row.towards_server);
  Statement put = engine.prepare(
      "INSERT OR REPLACE INTO point(name, probe, role, completeness_to_server, completeness_to_client, first_ns, "
      "reached_ns, hops, legs, packets, lost_packets, clock_rate, clock_offset_ns, clock_bound_ns, towards_client, "
      "towards_server, stamps) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  put.number(name).number(probe).number(role);
  bind_if(put, row.completeness_to_server);
  bind_if(put, row.completeness_to_client);
  put.number(row.first_ns).number(row.reached_ns).number(row.hops).number(row.legs).number(row.packets);
  bind_if(put, row.lost_packets);
  put.fraction(row.clock_rate);
  bind_if(put, row.clock_offset_ns);
  bind_if(put, row.clock_bound_ns);
  const std::string stamps = stamps_line(row.stamps);
  put.text(towards_client).text(towards_server).text(stamps).run();
}

/// 0: not known.
struct ProcessColumns {
  std::uint64_t pid = 0;
  std::uint64_t name = 0;
  std::string_view container;  ///< not in the dictionary, which keeps for good what containers use but once
};

ProcessColumns columns_of(const flowtable::Process* process, Dictionary& names) {
  if (process == nullptr) return {};
  return {process->pid, names.name(process->name), process->container_id};
}

void put_leg(SqliteConnection& engine, Dictionary& names, const LegRow& row) {
  const flowtable::LegRecord& leg = *row.leg;
  const std::uint64_t point = names.name(row.point), protocol = names.name(leg.protocol);
  const std::string client = leg.client.text(), server = leg.server.text();
  const ProcessColumns of_client = columns_of(leg.processes.client.get(), names);
  const ProcessColumns of_server = columns_of(leg.processes.server.get(), names);
  Statement put = engine.prepare(
      "INSERT OR REPLACE INTO leg(point, leg_id, first_ns, last_ns, client, server, transport, protocol, close, flags, "
      "exchanges, handshake_ns, bytes_to_server, bytes_to_client, retransmissions_to_server, "
      "retransmissions_to_client, "
      "unseen_bytes_to_server, unseen_bytes_to_client, client_pid, client_executable, client_container, server_pid, "
      "server_executable, server_container) "
      "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  put.number(point).number(leg.leg_id).number(sortable(leg.first_ns)).number(sortable(leg.last_ns));
  put.text(client).text(server).number(leg.transport).number(protocol);
  put.number(static_cast<std::uint64_t>(leg.close)).number(leg.flags).number(leg.exchanges);
  const bool opened = leg.syn_ns != 0 && leg.ack_ns >= leg.syn_ns;
  bind_if(put, opened ? std::optional(leg.ack_ns - leg.syn_ns) : std::nullopt);
  for (const auto* way : {&leg.to_server, &leg.to_client}) put.number(way->bytes);
  for (const auto* way : {&leg.to_server, &leg.to_client}) put.number(way->retransmissions);
  for (const auto* way : {&leg.to_server, &leg.to_client}) put.number(way->unseen_bytes);
  for (const ProcessColumns* one : {&of_client, &of_server})
    put.number(one->pid).number(one->name).text(one->container);
  put.run();
}

/// In transactions of at most kRowsPerTransaction; `put` is called for each row.
template <class Parts, class Row, class Put>
base::Outcome<void> put_rows(Parts& parts, std::string_view doing, std::span<const Row> rows, Put put) {
  while (!rows.empty()) {
    const std::span<const Row> chunk = rows.first(std::min(rows.size(), Store::kRowsPerTransaction));
    rows = rows.subspan(chunk.size());
    const std::lock_guard turn(parts.writing);
    auto done = parts.engine_transaction(doing, [&] {
      for (const Row& row : chunk) put(*parts.engine, *parts.names, row);
    });
    if (!done) return done;
  }
  return {};
}

std::optional<WindowRow> window_of(const Statement& find) {
  base::Result<linker::RunVerdict> verdict = decode_run_verdict(base::as_bytes(find.text_at(2)));
  if (!verdict) return std::nullopt;
  const bool recent = find.signed_at(0) == kRecent;
  return WindowRow{recent ? 0 : find.number_at(0), find.number_at(1), std::move(*verdict), recent};
}

bool matches(const SpanFilter& filter, const SegmentRow& row) {
  return (filter.segment_from.empty() || filter.segment_from == row.from) &&
         (filter.segment_to.empty() || filter.segment_to == row.to) &&
         (filter.point.empty() || filter.point == row.from || filter.point == row.to) &&
         (!filter.kind || *filter.kind == row.kind);
}

/// All but the sketch.
void read_segment(const Statement& find, SegmentRow& row) {
  row.bucket_start_ns = find.number_at(0);
  row.bucket_ns = find.number_at(1);
  row.kind = static_cast<linker::PartKind>(
      std::clamp<std::int64_t>(find.signed_at(2), 0, static_cast<int>(linker::PartKind::kDelayedAck)));
  row.from = find.text_at(3);
  row.to = find.text_at(4);
  row.request_copies_lost = find.number_at(5);
  row.response_copies_lost = find.number_at(6);
  row.losses = find.fraction_at(7);
}

}  // namespace

base::Outcome<void> Store::put_stretches(const Stretches& stretches) {
  const std::lock_guard turn(parts_->writing);
  return parts_->engine_transaction("store verdicts", [&] {
    SqliteConnection& engine = *parts_->engine;
    for (const std::uint64_t start_ns : stretches.starts_ns) {
      engine.prepare("DELETE FROM window WHERE start_ns = ?").number(sortable(start_ns)).run();
      engine.prepare("DELETE FROM segment WHERE bucket_start_ns = ?").number(sortable(start_ns)).run();
    }
    for (const WindowRow& row : stretches.windows) put_window(engine, row);
    for (const SegmentRow& row : stretches.segments) put_segment(engine, *parts_->names, row);
  });
}

base::Outcome<void> Store::put_points(std::span<const PointRow> rows) {
  return put_rows(*parts_, "store points", rows, put_point);
}

base::Outcome<void> Store::put_legs(std::span<const LegRow> rows) {
  return put_rows(*parts_, "store legs", rows, put_leg);
}

base::Outcome<std::vector<WindowRow>> Store::windows(const SpanFilter& filter) {
  ReadPool::Lease read = parts_->readers.take(parts_->config.query_steps_max);
  std::vector<WindowRow> rows;
  bool whole = true;
  const auto take = [&](Statement& find) {
    while (find.step()) {
      std::optional<WindowRow> row = window_of(find);
      whole = whole && row.has_value();
      if (row) rows.push_back(std::move(*row));
    }
  };
  {
    Statement recent = read->prepare("SELECT start_ns, end_ns, verdict FROM window WHERE start_ns = -1");
    take(recent);
    Statement find = read->prepare(
        "SELECT start_ns, end_ns, verdict FROM window WHERE start_ns >= ? AND start_ns < ? ORDER BY start_ns DESC "
        "LIMIT "
        "?");
    find.number(sortable(filter.from_ns.value_or(0))).number(sortable(filter.to_ns.value_or(UINT64_MAX)));
    find.number(filter.rows_max);
    take(find);
  }
  if (auto done = read->outcome("read verdicts"); !done) return tl::unexpected(done.error());
  if (!whole) return damaged(parts_->file, "a verdict");
  return rows;
}

base::Outcome<std::vector<SegmentRow>> Store::segments(const SpanFilter& filter) {
  ReadPool::Lease read = parts_->readers.take(parts_->config.query_steps_max);
  std::vector<SegmentRow> rows;
  bool whole = true;
  {
    Statement find = read->prepare(
        "SELECT s.bucket_start_ns, s.bucket_ns, s.kind, a.text, b.text, s.request_copies_lost, s.response_copies_lost, "
        "s.losses, s.times FROM segment s LEFT JOIN name a ON a.id = s.source LEFT JOIN name b ON b.id = s.target "
        "WHERE s.bucket_start_ns >= ? AND s.bucket_start_ns < ? "
        "ORDER BY s.bucket_start_ns DESC, s.bucket_ns DESC, s.kind DESC, s.source DESC, s.target DESC");
    find.number(sortable(filter.from_ns.value_or(0))).number(sortable(filter.to_ns.value_or(UINT64_MAX)));
    while (rows.size() < filter.rows_max && find.step()) {
      SegmentRow row;
      read_segment(find, row);
      if (!matches(filter, row)) continue;
      base::Result<base::Sketch> times = decode_sketch(base::as_bytes(find.text_at(8)));
      whole = whole && times.has_value();
      if (times) row.times = std::move(*times);
      rows.push_back(std::move(row));
    }
  }
  if (auto done = read->outcome("read segments"); !done) return tl::unexpected(done.error());
  if (!whole) return damaged(parts_->file, "a segment");
  return rows;
}

base::Outcome<std::vector<PointRow>> Store::points() {
  ReadPool::Lease read = parts_->readers.take(parts_->config.query_steps_max);
  std::vector<PointRow> rows;
  {
    Statement find = read->prepare(
        "SELECT n.text, r.text, p.text, completeness_to_server, completeness_to_client, first_ns, reached_ns, hops, "
        "legs, packets, lost_packets, clock_rate, clock_offset_ns, clock_bound_ns, towards_client, towards_server, "
        "stamps "
        "FROM point LEFT JOIN name n ON n.id = point.name LEFT JOIN name r ON r.id = point.role "
        "LEFT JOIN name p ON p.id = point.probe ORDER BY n.text, p.text");
    while (find.step()) {
      PointRow& row = rows.emplace_back();
      row.name = find.text_at(0);
      row.role = find.text_at(1);
      row.probe = find.text_at(2);
      row.completeness_to_server = read_if<double>(find, 3);
      row.completeness_to_client = read_if<double>(find, 4);
      row.first_ns = find.number_at(5);
      row.reached_ns = find.number_at(6);
      row.hops = find.number_at(7);
      row.legs = find.number_at(8);
      row.packets = find.number_at(9);
      row.lost_packets = read_if<std::uint64_t>(find, 10);
      row.clock_rate = find.fraction_at(11);
      row.clock_offset_ns = read_if<std::int64_t>(find, 12);
      row.clock_bound_ns = read_if<std::int64_t>(find, 13);
      row.towards_client = read_list(find.text_at(14));
      row.towards_server = read_list(find.text_at(15));
      row.stamps = read_stamps(find.text_at(16));
    }
  }
  if (auto done = read->outcome("read points"); !done) return tl::unexpected(done.error());
  return rows;
}

}  // namespace hoptap::exporting
