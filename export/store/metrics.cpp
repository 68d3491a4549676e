// The store's metrics: rows of batches are kept for a short time as they are, and added to those of their minute, in
// the transaction that stores the batch.
#include <array>

#include "export/metrics/row_codec.h"
#include "export/store/parts.h"

namespace hoptap::exporting {
namespace {

/// A key as it lies in the table.
struct StoredKey {
  const MetricsAdder::Window& window;
  std::uint64_t point;     ///< name
  std::uint64_t protocol;  ///< name
  std::string client;
  std::string server;
  const MetricsKey& key;

  void bind(Statement& statement) const {
    statement.number(window.length_ns)
        .number(window.start_ns)
        .number(point)
        .number(static_cast<std::uint64_t>(key.scope));
    statement.text(server).number(key.server.port).number(protocol).number(key.transport).text(client);
    statement.number(key.tags);
  }
};

MetricsKey key_of(const Statement& find) {
  MetricsKey key;
  key.scope = static_cast<RowScope>(std::min<std::uint64_t>(find.number_at(3), 2));
  key.server.address = base::IpAddress::from_text(find.text_at(4)).value_or(base::IpAddress{});
  key.server.port = static_cast<std::uint16_t>(find.number_at(5));
  key.protocol = find.text_at(6);
  key.transport = static_cast<std::uint8_t>(find.number_at(7));
  key.client = base::IpAddress::from_text(find.text_at(8)).value_or(base::IpAddress{});
  key.tags = static_cast<std::uint32_t>(find.number_at(9));
  return key;
}

bool matches(const MetricsFilter& filter, const Statement& find) {
  return (filter.point.empty() || filter.point == find.text_at(2)) &&
         (filter.server.empty() || filter.server == find.text_at(4)) &&
         (!filter.server_port || *filter.server_port == find.number_at(5)) &&
         (filter.protocol.empty() || filter.protocol == find.text_at(6)) &&
         (filter.client.empty() || filter.client == find.text_at(8));
}

}  // namespace

void MetricsAdder::add(const InboxBatch& batch, bool seconds) {
  for (const MetricsRow& row : batch.metrics) {
    const std::uint64_t start_ns = sortable(row.start_ns);
    const std::string& point = batch.points.at(row.key.point);
    MetricsKey key = row.key;
    key.point = 0;
    windows_[{Store::kMetricsNs, start_ns - start_ns % Store::kMetricsNs, point}][key].add(row.values);
    if (seconds && row.length_ns < Store::kMetricsNs) windows_[{row.length_ns, start_ns, point}][key].add(row.values);
  }
}

void MetricsAdder::store(SqliteConnection& inbox, Dictionary& names, std::size_t rows_max) {
  for (const auto& [window, rows] : windows_) {
    const std::uint64_t point = names.name(window.point);
    Room room{rows_max, rows_max / 4 + 1, 1};
    Statement count = inbox.prepare(
        "SELECT scope, count(*) FROM metrics WHERE length_ns = ? AND start_ns = ? AND point = ? GROUP BY scope");
    count.number(window.length_ns).number(window.start_ns).number(point);
    while (count.step()) {
      std::size_t& left = room[std::min<std::size_t>(count.number_at(0), 2)];
      left -= std::min<std::size_t>(left, count.number_at(1));
    }
    for (const auto& [key, values] : rows) put(inbox, names, {window, point, room}, key, values);
  }
}

void MetricsAdder::put(SqliteConnection& inbox, Dictionary& names, const Place& place, const MetricsKey& key,
                       const MetricsValues& values) {
  const StoredKey stored{place.window,
                         place.point,
                         names.name(key.protocol),
                         key.scope == RowScope::kClient ? key.client.text() : "",
                         key.scope == RowScope::kPoint ? "" : key.server.address.text(),
                         key};
  MetricsValues sum;
  bool known = false;
  {
    Statement find = inbox.prepare(
        "SELECT data FROM metrics WHERE length_ns = ? AND start_ns = ? AND point = ? AND scope = ? AND server = ? AND "
        "server_port = ? AND protocol = ? AND transport = ? AND client = ? AND tags = ?");
    stored.bind(find);
    if ((known = find.step()))
      if (auto data = decode_metrics(base::as_bytes(find.text_at(0)))) sum = std::move(*data);
  }
  std::size_t& room = place.room[static_cast<std::size_t>(key.scope)];
  if (!known && room == 0 && key.scope != RowScope::kPoint) {
    ++refused_;
    return put(inbox, names, place, key.wider(), values);
  }
  if (!known && room > 0) --room;
  sum.add(values);
  std::vector<std::uint8_t> data;
  encode(sum, data);
  Statement replace = inbox.prepare(
      "INSERT OR REPLACE INTO metrics(length_ns, start_ns, point, scope, server, server_port, protocol, transport, "
      "client, tags, data) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  stored.bind(replace);
  replace.bytes(base::as_text(data)).run();
}

base::Outcome<void> Store::metrics(const MetricsFilter& filter, const std::function<bool(StoredMetrics&&)>& take) {
  ReadPool::Lease read = parts_->readers.take(parts_->config.query_steps_max);
  bool whole = true;
  {
    Statement find = read->prepare(
        "SELECT m.start_ns, m.length_ns, ifnull(n.text, ''), m.scope, m.server, m.server_port, ifnull(p.text, ''), "
        "m.transport, m.client, m.tags, m.data FROM metrics m LEFT JOIN name n ON n.id = m.point "
        "LEFT JOIN name p ON p.id = m.protocol WHERE m.length_ns >= ? AND m.length_ns <= ? AND m.start_ns >= ? AND "
        "m.start_ns < ? ORDER BY m.start_ns DESC, m.point DESC, m.scope DESC, m.server DESC, m.server_port DESC, "
        "m.protocol DESC, m.transport DESC, m.client DESC, m.tags DESC");
    find.number(filter.seconds ? 0 : kMetricsNs).number(filter.seconds ? kMetricsNs - 1 : kMetricsNs);
    find.number(sortable(filter.from_ns.value_or(0))).number(sortable(filter.to_ns.value_or(UINT64_MAX)));
    bool more = true;
    while (more && find.step()) {
      if (!matches(filter, find)) continue;
      StoredMetrics row{std::string(find.text_at(2)), {find.number_at(0), find.number_at(1), key_of(find), {}}};
      auto data = decode_metrics(base::as_bytes(find.text_at(10)));
      whole = whole && data.has_value();
      if (data) row.row.values = std::move(*data);
      more = take(std::move(row));
    }
  }
  if (auto done = read->outcome("read metrics"); !done) return done;
  if (!whole) return damaged(parts_->file, "a row of metrics");
  return {};
}

}  // namespace hoptap::exporting
