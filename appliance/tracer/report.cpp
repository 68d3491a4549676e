#include "appliance/tracer/report.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstddef>

namespace hoptap::appliance {
namespace {

class Metrics {
 public:
  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    add(fmt::format("hoptap_tracer_{}_total", name), help, Metric::Type::kCounter, static_cast<double>(value));
  }
  void gauge(std::string_view name, std::string_view help, double value) {
    add(fmt::format("hoptap_tracer_{}", name), help, Metric::Type::kGauge, value);
  }
  void label(std::string_view name, std::string_view value) { list_.back().labels.emplace_back(name, value); }
  std::vector<Metric> take() { return std::move(list_); }

 private:
  void add(std::string name, std::string_view help, Metric::Type type, double value) {
    list_.push_back({std::move(name), std::string(help), type, value, {}});
  }
  std::vector<Metric> list_;
};

void add_ingest(const TracerStatus& status, Metrics& metrics) {
  const IngestCounters& ingest = status.ingest;
  metrics.counter("ingest_batches", "Batches taken from probes.", ingest.batches);
  metrics.counter("ingest_bytes", "Bytes of batches taken, compressed.", ingest.bytes);
  metrics.counter("ingest_records", "Hop and leg records taken.", ingest.records);
  metrics.counter("ingest_metrics_rows", "Rows of metrics taken.", ingest.metrics_rows);
  metrics.counter("ingest_malformed_batches", "Batches refused for good.", ingest.malformed);
  metrics.counter("ingest_unavailable_batches", "Batches that probes were asked to keep.", ingest.unavailable);
  metrics.counter("ingest_commits", "Commits of batches to disk.", ingest.commits);
  metrics.counter("ingest_commit_failures", "Commits of batches that failed.", ingest.commit_failures);
}

void add_collector(const TracerStatus& status, Metrics& metrics) {
  const exporting::CollectorCounters& collector = status.collector;
  metrics.gauge("probes", "Probes connected.", static_cast<double>(collector.probes));
  metrics.gauge("streams", "Streams open, those without a greeting included.", static_cast<double>(collector.streams));
  metrics.counter("streams_opened", "Streams that were opened.", collector.streams_opened);
  for (std::size_t at = 0; at < collector.streams_ended.size(); ++at) {
    metrics.counter("streams_ended", "Streams that ended, by reason.", collector.streams_ended[at]);
    metrics.label("reason", exporting::name(static_cast<exporting::StreamEndReason>(at)));
  }
  metrics.counter("batch_duplicates", "Batches that came again and were not stored again.", collector.duplicates);
  metrics.counter("batch_gaps", "Batches that the spools of probes dropped.", collector.gaps);
  metrics.counter("reads_slowed", "Reads put off by a rate limit.", collector.times_slowed);
}

void add_engine(const TracerStatus& status, Metrics& metrics) {
  const EngineCounters& engine = status.engine;
  metrics.counter("records_joined", "Records taken into the window.", engine.window.hops + engine.window.legs);
  metrics.counter("records_keyless", "Records with nothing to join them by.", engine.window.keyless);
  metrics.counter("records_amending", "Records that came to a request already judged.", engine.window.amended);
  metrics.counter("records_late", "Records that came to a request already final.", engine.window.late);
  metrics.counter("requests_finished_early", "Requests made final early for want of memory.",
                  engine.window.let_go_early);
  metrics.counter("components_oversized", "Times that too many records shared their keys.", engine.window.oversized);
  metrics.counter("batches_unreadable", "Batches that were damaged while they lay in the inbox.",
                  engine.batches_unreadable);
  metrics.counter("rounds", "Rounds of judging.", engine.rounds);
  metrics.gauge("round_seconds", "Time that the last round of judging took.", status.round_seconds);
  metrics.counter("traces_put", "Traces written, revisions included.", engine.traces_put);
  metrics.counter("traces_final", "Traces that became final.", engine.traces_final);
  metrics.gauge("window_records", "Records in the window.", static_cast<double>(engine.window_records));
  metrics.gauge("window_bytes", "Bytes of the records in the window.", static_cast<double>(engine.window_bytes));
  const linker::ResolveCounters& resolved = engine.window.resolved;
  metrics.gauge("round_join_conflicts",
                "Records of the last round that a key would have joined and a check kept apart.",
                static_cast<double>(resolved.conflicts));
  metrics.gauge("round_ids_refused", "Header identifiers of the last round that too many requests had.",
                static_cast<double>(resolved.ids_refused));
  for (const auto& [limit, count] : engine.refused) {
    metrics.gauge("round_refused", "What the last round did not learn or judge because a limit was reached.",
                  static_cast<double>(count));
    metrics.label("limit", limit);
  }
  metrics.gauge("settled", "1 when all that is stored is judged.", status.settled ? 1 : 0);
}

}  // namespace

std::vector<Metric> metrics_of(const TracerStatus& status) {
  Metrics metrics;
  add_ingest(status, metrics);
  add_collector(status, metrics);
  add_engine(status, metrics);
  return metrics.take();
}

Health health_of(const TracerStatus& status) {
  if (!status.trouble.empty()) return {false, status.trouble};
  return {true, fmt::format("{} probes connected, {} points, {} records in the window, {}", status.collector.probes,
                            status.points, status.engine.window_records, status.settled ? "all judged" : "judging")};
}

std::string status_json(const TracerStatus& status, const std::vector<ProbeState>& probes) {
  boost::json::object out{{"version", HOPTAP_VERSION}, {"settled", status.settled}};
  out["records"] = status.engine.records;
  out["window_records"] = status.engine.window_records;
  out["late_records"] = status.engine.window.late;
  out["traces"] = status.store.traces;
  out["open_traces"] = status.store.open_traces;
  out["inbox_batches"] = status.store.inbox_batches;
  out["file_bytes"] = status.store.file_bytes;
  out["reached_ns"] = status.engine.reached_ns;
  out["round_seconds"] = status.round_seconds;
  if (!status.trouble.empty()) out["trouble"] = status.trouble;
  boost::json::array list;
  for (const ProbeState& probe : probes)
    list.push_back({{"name", probe.name}, {"peer", probe.peer}, {"connected", probe.connected}});
  out["probes"] = std::move(list);
  return boost::json::serialize(out);
}

}  // namespace hoptap::appliance
