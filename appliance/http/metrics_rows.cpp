// Stored rows of metrics, added up as the person asks.
#include <algorithm>
#include <map>
#include <tuple>

#include "appliance/http/answers.h"
#include "export/metrics/row_text.h"

namespace hoptap::appliance {
namespace {

using exporting::MetricsBy;
using exporting::StoredMetrics;

constexpr std::size_t kRowsMax = 10000;  // in one answer

/// "point,server": these tell rows apart; nothing said: all do.
MetricsBy read_by(Query& query) {
  MetricsBy by;
  const std::optional<std::string> text = query.text("by");
  if (!text) return by;
  by = {false, false, false, false};
  std::string_view rest(*text);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view name = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    bool* const which = name == "point"      ? &by.point
                        : name == "client"   ? &by.client
                        : name == "server"   ? &by.server
                        : name == "protocol" ? &by.protocol
                                             : nullptr;
    if (which == nullptr) {
      query.complain("by", "write some of point,client,server,protocol");
      return by;
    }
    *which = true;
  }
  return by;
}

exporting::MetricsFilter read_filter(Query& query) {
  exporting::MetricsFilter filter;
  filter.from_ns = query.time("from");
  filter.to_ns = query.time("to");
  filter.point = query.text("point").value_or("");
  filter.protocol = query.text("protocol").value_or("");
  for (const char* name : {"client", "server"}) {
    const std::optional<std::string> text = query.text(name);
    if (!text) continue;
    const auto address = base::IpAddress::from_text(*text);
    if (!address) query.complain(name, "write an IP address, such as 10.0.0.1");
    if (address) (std::string_view(name) == "client" ? filter.client : filter.server) = address->text();
  }
  if (const auto port = query.number("port", 0, 65535)) filter.server_port = static_cast<std::uint16_t>(*port);
  return filter;
}

/// Rows that are one under `by` and the step, newest first.
class Groups {
 public:
  /// @param step_ns  nothing: minutes as stored; 0: all in one
  Groups(const MetricsBy& by, std::optional<std::uint64_t> step_ns) : by_(by), step_ns_(step_ns) {}

  /// @return false: there are as many as may be
  bool add(StoredMetrics&& row) {
    by_.reduce(row);
    exporting::MetricsRow& one = row.row;
    const std::uint64_t end_ns = one.start_ns + one.length_ns;
    const std::uint64_t start_ns = !step_ns_ ? one.start_ns : *step_ns_ == 0 ? 0 : one.start_ns / *step_ns_ * *step_ns_;
    Key key{~start_ns, row.point, one.key};
    if (groups_.size() > kRowsMax && groups_.count(key) == 0) return false;
    const auto [at, fresh] = groups_.try_emplace(std::move(key));
    exporting::MetricsRow& sum = at->second;
    const std::uint64_t last_ns = fresh ? end_ns : std::max(end_ns, sum.start_ns + sum.length_ns);
    sum.start_ns = fresh ? one.start_ns : std::min(sum.start_ns, one.start_ns);
    sum.length_ns = last_ns - sum.start_ns;
    sum.values.add(one.values);
    return true;
  }

  std::vector<StoredMetrics> take() {
    std::vector<StoredMetrics> rows;
    for (auto& [key, sum] : groups_) {
      if (step_ns_.value_or(0) != 0) {
        sum.start_ns = ~std::get<0>(key);
        sum.length_ns = *step_ns_;
      }
      sum.key = std::get<2>(key);
      rows.push_back({std::get<1>(key), std::move(sum)});
    }
    return rows;
  }

 private:
  using Key = std::tuple<std::uint64_t, std::string, exporting::MetricsKey>;

  MetricsBy by_;
  std::optional<std::uint64_t> step_ns_;
  std::map<Key, exporting::MetricsRow> groups_;
};

}  // namespace

HttpResponse answer_metrics_rows(const Asked& asked) {
  exporting::MetricsFilter filter = read_filter(asked.query);
  const MetricsBy by = read_by(asked.query);
  const std::optional<std::uint64_t> step_ns = read_step(asked);
  const std::uint64_t limit = asked.query.number("limit", 1, kRowsMax).value_or(Router::kLimitMax);
  if (asked.query.complaint()) return {};
  filter.seconds = step_ns && *step_ns > 0 && *step_ns < exporting::Store::kMetricsNs;
  Groups groups(by, step_ns);
  bool more = false;
  const auto read = asked.sources.store->metrics(filter, [&](StoredMetrics&& row) {
    more = !groups.add(std::move(row));
    return !more;
  });
  if (!read) return storage_error(read.error());
  std::vector<StoredMetrics> rows = groups.take();
  more = more || rows.size() > limit;
  if (rows.size() > limit) rows.resize(limit);
  if (asked.format == Format::kText) return text_response(exporting::draw_metrics(rows, by, asked.style));
  std::vector<std::string> objects;
  objects.reserve(rows.size());
  for (const StoredMetrics& row : rows) objects.push_back(exporting::metrics_json(row, by));
  return list_response(asked.format, "metrics", objects, more_text(more));
}

}  // namespace hoptap::appliance
