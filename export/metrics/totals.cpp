#include "export/metrics/totals.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "export/json_value.h"

namespace hoptap::exporting {
namespace {

constexpr std::array<std::string_view, 2> kDirections{"to_server", "to_client"};
constexpr std::string_view kOther = "other";  // of a label whose values have no room

/// A row with the labels that all of its samples have.
struct Labelled {
  std::string labels;
  const TotalValues* values;
};

std::string labels_of(const MetricsKey& key, const std::string& point) {
  if (key.scope == RowScope::kPoint) return label_text({{"point", point}, {"client", kOther}, {"server", kOther}});
  return label_text({{"point", point},
                     {"client", key.scope == RowScope::kServer ? std::string(kOther) : key.client.text()},
                     {"server", key.server.address.text()},
                     {"server_port", fmt::format_int(key.server.port).c_str()},
                     {"transport", transport_name(key.transport)},
                     {"protocol", key.protocol},
                     {"tags", key.tags == 0 ? std::string() : std::to_string(key.tags)}});
}

std::string with(const std::string& labels, std::string_view name, std::string_view value) {
  return name.empty() ? labels : fmt::format("{},{}=\"{}\"", labels, name, value);
}

void sample(MetricsWriter& out, const SumInfo& info, const std::string& labels, std::uint64_t value) {
  const std::string all = with(labels, info.label, info.value);
  const std::string_view suffix = info.merge == Merge::kSum ? "_total" : "";
  if (info.unit == "seconds") {
    out.sample(suffix, all, seconds_text(value));
  } else {
    out.sample(suffix, all, value);
  }
}

/// Calls `write` for each sum of `infos`, family by family, those of a family for each row in turn.
template <class Infos, class Begin, class Write>
void for_each_family(const Infos& infos, const std::vector<Labelled>& rows, Begin begin, Write write) {
  for (std::size_t first = 0, next = 0; first < infos.size(); first = next) {
    while (next < infos.size() && infos[next].family == infos[first].family) ++next;
    begin(infos[first]);
    for (const Labelled& row : rows)
      for (std::size_t at = first; at < next; ++at) write(row, at);
  }
}

void write_counts(MetricsWriter& out, const std::vector<Labelled>& rows) {
  const auto begin = [&](const SumInfo& info) { out.family(info.family, FamilyType::kCounter, info.unit, info.help); };
  for_each_family(count_infos(), rows, begin, [&](const Labelled& row, std::size_t at) {
    const MetricsSums& sums = row.values->sums;
    // A service with requests shows its errors also when there are none yet, so that their rate is 0.
    const bool shown = at <= index_of(Count::kResets) && sums.count(Count::kRequests) > 0;
    if (shown || sums.counts[at] > 0) sample(out, count_infos()[at], row.labels, sums.counts[at]);
  });
  const auto begin_way = [&](const SumInfo& info) {
    const FamilyType type = info.merge == Merge::kSum ? FamilyType::kCounter : FamilyType::kGauge;
    out.family(info.family, type, info.unit, info.help);
  };
  for_each_family(way_infos(), rows, begin_way, [&](const Labelled& row, std::size_t at) {
    for (std::size_t way = 0; way < kDirections.size(); ++way) {
      const std::uint64_t value = row.values->sums.ways[way][at];
      if (value > 0) sample(out, way_infos()[at], with(row.labels, "direction", kDirections[way]), value);
    }
  });
}

void write_latency(MetricsWriter& out, const std::vector<Labelled>& rows) {
  const SumInfo& info = time_infos()[index_of(Time::kLatency)];
  out.family(info.family, FamilyType::kHistogram, info.unit, info.help);
  for (const Labelled& row : rows) {
    const TimeSums& latency = row.values->sums.times[index_of(Time::kLatency)];
    if (latency.count == 0) continue;
    for (std::size_t at = 0; at < kLatencyBoundsNs.size(); ++at)
      out.sample("_bucket", with(row.labels, "le", seconds_text(kLatencyBoundsNs[at])), row.values->at_most[at]);
    out.sample("_bucket", with(row.labels, "le", "+Inf"), latency.count);
    out.sample("_count", row.labels, latency.count);
    out.sample("_sum", row.labels, seconds_text(latency.sum_ns));
  }
}

void write_times(MetricsWriter& out, const std::vector<Labelled>& rows) {
  const auto infos = time_infos().subspan<1>();  // behind the latency
  const auto begin = [&](const SumInfo& info) { out.family(info.family, FamilyType::kSummary, info.unit, info.help); };
  for_each_family(infos, rows, begin, [&](const Labelled& row, std::size_t at) {
    const TimeSums& times = row.values->sums.times[at + 1];
    if (times.count == 0) return;
    const std::string labels = with(row.labels, infos[at].label, infos[at].value);
    out.sample("_count", labels, times.count);
    out.sample("_sum", labels, seconds_text(times.sum_ns));
  });
}

}  // namespace

void TotalValues::add(const MetricsValues& values) {
  sums.add(values.sums);
  for (std::size_t at = 0; at < at_most.size(); ++at) {
    const std::uint64_t above = values.latency.count_from(static_cast<std::int64_t>(kLatencyBoundsNs[at]));
    at_most[at] += values.latency.count() - above;
  }
}

void MetricsTotals::write(MetricsWriter& out, const NameOf& point_name) const {
  std::vector<const RowSet<TotalValues>::Row*> sorted;
  for (const auto& row : rows_.rows()) sorted.push_back(&row);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* left, const auto* right) { return left->first < right->first; });
  std::vector<Labelled> rows;
  rows.reserve(sorted.size());
  for (const auto* row : sorted) rows.push_back({labels_of(row->first, point_name(row->first.point)), &row->second});
  write_counts(out, rows);
  write_latency(out, rows);
  write_times(out, rows);
}

}  // namespace hoptap::exporting
