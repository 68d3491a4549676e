#include "appliance/tracer/config.h"

#include "appliance/state_folder.h"
#include "appliance/yaml/section.h"

namespace hoptap::appliance {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr double kBig = 9e15;

void read_collect(const YAML::Node& node, exporting::CollectorConfig& collector) {
  const Section section(node, "collect",
                        {"listen", "tls", "batch_bytes_max", "batches_in_flight_max", "probes_max",
                         "bytes_per_second_max", "batches_per_second_max"});
  collector.listen = section.text("listen", collector.listen);
  const auto number = [&](std::string_view key, auto& value, double low) {
    using Number = std::remove_reference_t<decltype(value)>;
    value = static_cast<Number>(section.integer(key, value, {low, sizeof(Number) == 4 ? 4e9 : kBig}));
  };
  number("batch_bytes_max", collector.batch_bytes_max, 65536);
  number("batches_in_flight_max", collector.batches_in_flight_max, 1);
  number("probes_max", collector.streams_max, 1);
  number("bytes_per_second_max", collector.bytes_per_second_max, 0);
  number("batches_per_second_max", collector.batches_per_second_max, 0);
  if (!section.has("tls")) return;
  const Section tls(section.find("tls"), "collect: tls", {"certificate", "key", "client_ca"});
  collector.tls.emplace();
  collector.tls->certificate_file = tls.need("certificate").as<std::string>();
  collector.tls->key_file = tls.need("key").as<std::string>();
  collector.tls->client_ca_file = tls.text("client_ca", "");
}

void read_http(const YAML::Node& node, HttpServerConfig& http) {
  const Section section(node, "http", {"listen", "tls", "connections_max"});
  if (section.has("listen")) {
    if (const auto set = set_http_listen(section.text("listen", ""), http); !set)
      section.fail("listen", set.error().what);
  }
  http.connections_max = section.integer("connections_max", http.connections_max, {1, 100'000});
  if (!section.has("tls")) return;
  const Section tls(section.find("tls"), "http: tls", {"certificate", "key", "client_ca"});
  http.tls.certificate_file = tls.need("certificate").as<std::string>();
  http.tls.key_file = tls.need("key").as<std::string>();
  http.tls.client_ca_file = tls.text("client_ca", "");
}

void read_keep(const YAML::Node& node, exporting::Retention& retention) {
  const Section section(node, "keep", {"age_days", "size_mib"});
  retention.age_s = static_cast<std::uint64_t>(
      section.number("age_days", static_cast<double>(retention.age_s) / 86400, {0.01, 36500}) * 86400);
  retention.bytes_max = section.integer("size_mib", retention.bytes_max >> 20, {16, 1e9}) << 20;
}

void read_window(const YAML::Node& node, EngineConfig& engine) {
  const Section section(node, "window", {"rest_s", "kept_s", "records_max", "verdict_s", "patience_s"});
  engine.window.rest_ticks = section.integer("rest_s", engine.window.rest_ticks, {0, 3600});
  engine.window.kept_ticks = section.integer("kept_s", engine.window.kept_ticks, {1, 86400});
  engine.window.records_max = section.integer("records_max", engine.window.records_max, {1000, 1e9});
  engine.bucket_ns = section.integer("verdict_s", engine.bucket_ns / kNsPerSecond, {1, 86400}) * kNsPerSecond;
  engine.patience_ns = section.integer("patience_s", engine.patience_ns / kNsPerSecond, {1, 86400}) * kNsPerSecond;
}

void read_metrics(const YAML::Node& node, TracerConfig& config) {
  const Section section(node, "metrics", {"rows_max", "seconds_kept_s", "totals_max"});
  config.store.metrics_rows_max = section.integer("rows_max", config.store.metrics_rows_max, {1, 1e6});
  config.store.metrics_seconds_kept_s =
      section.integer("seconds_kept_s", config.store.metrics_seconds_kept_s, {0, 1e9});
  config.totals_max = section.integer("totals_max", config.totals_max, {1, 1e6});
}

TracerConfig read(const YAML::Node& root) {
  const Section top(root, "the tracer's configuration", {"data", "collect", "http", "keep", "window", "metrics"});
  TracerConfig config = default_tracer_config();
  config.store.folder = top.text("data", config.store.folder);
  read_collect(top.find("collect"), config.collector);
  read_http(top.find("http"), config.http);
  read_keep(top.find("keep"), config.store.retention);
  read_window(top.find("window"), config.engine);
  read_metrics(top.find("metrics"), config);
  return config;
}

}  // namespace

TracerConfig default_tracer_config() {
  TracerConfig config;
  config.store.folder = state_folder("tracer");
  return config;
}

base::Outcome<TracerConfig> read_tracer_config(const std::string& text, std::string_view file) {
  return read_yaml(text, file, read);
}

std::string_view example_tracer_config() {
  return R"(# hoptap tracer -c tracer.yaml ; every key may be left out, what stands here is the default
# data: /var/lib/hoptap/tracer    # the database; for users other than root a folder in their home

collect:                          # from probes, over gRPC
  listen: 127.0.0.1:4717          # 0.0.0.0:4717 takes probes of other hosts: use tls then
  # tls:
  #   certificate: tracer.pem     # with its chain; read again when it changes
  #   key: tracer.key
  #   client_ca: probes-ca.pem    # probes must show a certificate that this one signed
  batch_bytes_max: 4194304
  batches_in_flight_max: 64       # of a probe, not yet acknowledged
  probes_max: 1024
  bytes_per_second_max: 0         # of a probe; 0: as fast as it can. Slows it, loses nothing
  batches_per_second_max: 0

http:                             # the API, see docs/api.md
  listen: 127.0.0.1:8717
  # tls: {certificate: tracer.pem, key: tracer.key}
  connections_max: 256

keep:                             # traces older than this, or the oldest over this size, are deleted
  age_days: 7
  size_mib: 10240

window:                           # of what is joined and judged together, by the packets' own time
  rest_s: 5                       # a request without news for so long is judged
  kept_s: 600                     # and until then a late record still joins it
  records_max: 1000000            # in memory, about 0.4 kB each; over it the oldest are finished early
  verdict_s: 60                   # a verdict for each stretch of so many seconds
  patience_s: 30                  # a point silent for so long holds nothing up

metrics:                          # counters by client, server and protocol, see docs/autometrics.md
  rows_max: 2000                  # clients of a point in a second or minute; further ones are added up
  seconds_kept_s: 900             # seconds, beside the minutes, which are kept like traces; 0: none
  totals_max: 2000                # clients at /metrics, since the tracer was started
)";
}

}  // namespace hoptap::appliance
