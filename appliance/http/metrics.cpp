// Health and figures for machines that watch.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>
#include <set>

#include "appliance/http/answers.h"

namespace hoptap::appliance {
namespace {

std::string value_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == std::floor(value) && std::fabs(value) < 9e15) return fmt::format("{:.0f}", value);
  return fmt::format("{:.9g}", value);
}

std::string labels_of(const Metric& metric) {
  std::string labels;
  for (const auto& [name, value] : metric.labels) {
    const std::string label = exporting::label_text({{name, value}});
    labels += (labels.empty() || label.empty() ? "" : ",") + label;
  }
  return labels;
}

}  // namespace

void write_metrics(const std::vector<Metric>& metrics, exporting::MetricsWriter& out) {
  std::set<std::string_view> done;
  for (const Metric& first : metrics) {
    if (!done.insert(first.name).second) continue;
    const bool counter = first.type == Metric::Type::kCounter;
    const std::string_view suffix = counter ? "_total" : "";
    out.family(std::string_view(first.name).substr(0, first.name.size() - suffix.size()),
               counter ? exporting::FamilyType::kCounter : exporting::FamilyType::kGauge, "", first.help);
    for (const Metric& metric : metrics) {
      if (metric.name == first.name) out.sample(suffix, labels_of(metric), value_text(metric.value));
    }
  }
}

std::vector<Metric> store_metrics(const exporting::StoreCounters& counters) {
  std::vector<Metric> metrics;
  const auto add = [&](const char* name, const char* help, Metric::Type type, std::uint64_t value) {
    metrics.push_back({name, help, type, static_cast<double>(value), {}});
  };
  constexpr auto kCounter = Metric::Type::kCounter;
  constexpr auto kGauge = Metric::Type::kGauge;
  add("hoptap_store_inbox_batches", "Batches whose traces are not all final.", kGauge, counters.inbox_batches);
  add("hoptap_store_inbox_records", "Records in these batches.", kGauge, counters.inbox_records);
  add("hoptap_store_inbox_bytes", "Bytes of these batches.", kGauge, counters.inbox_bytes);
  add("hoptap_store_batches_total", "Batches stored.", kCounter, counters.batches);
  add("hoptap_store_batch_duplicates_total", "Batches that came again and were left out.", kCounter,
      counters.batch_duplicates);
  add("hoptap_store_sequence_gaps_total", "Batches that probes dropped and never sent.", kCounter,
      counters.sequence_gaps);
  add("hoptap_store_traces", "Traces held.", kGauge, counters.traces);
  add("hoptap_store_open_traces", "Traces held that may still change.", kGauge, counters.open_traces);
  add("hoptap_store_traces_written_total", "Traces written, revisions included.", kCounter, counters.traces_written);
  add("hoptap_store_traces_expired_total", "Traces deleted for age or size.", kCounter, counters.traces_expired);
  add("hoptap_store_metrics_overflow_total", "Rows of metrics whose minute was full and that a wider row took.",
      kCounter, counters.metrics_overflow);
  add("hoptap_store_names_refused_total", "Names that the full dictionary did not take.", kCounter,
      counters.names_refused);
  add("hoptap_store_write_failures_total", "Writes that failed, as on a full disk.", kCounter, counters.write_failures);
  add("hoptap_store_file_bytes", "Size of the database file.", kGauge, counters.file_bytes);
  return metrics;
}

HttpResponse answer_metrics(const Asked& asked) {
  std::vector<Metric> metrics;
  if (asked.sources.store != nullptr) metrics = store_metrics(asked.sources.store->counters());
  if (asked.sources.metrics) {
    for (Metric& metric : asked.sources.metrics()) metrics.push_back(std::move(metric));
  }
  const exporting::MetricsFormat format = exporting::metrics_format(asked.accept);
  exporting::MetricsWriter out(format);
  write_metrics(metrics, out);
  if (asked.sources.traffic) asked.sources.traffic(out);
  return {200, std::string(content_type(format)), out.finish(), {}};
}

HttpResponse answer_health(const Asked& asked) {
  const Health health = asked.sources.health ? asked.sources.health() : Health{true, "serving"};
  const unsigned status = health.ok ? 200 : 503;
  if (asked.format == Format::kText) return {status, "text/plain; charset=utf-8", health.words + "\n", {}};
  const boost::json::object body{{"ok", health.ok}, {"words", health.words}};
  return {status, "application/json", boost::json::serialize(body) + "\n", {}};
}

}  // namespace hoptap::appliance
