#include "appliance/probe/probe.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "export/wire/batch.h"

namespace hoptap::appliance {
namespace {

constexpr std::chrono::milliseconds kNap{100};
constexpr std::chrono::milliseconds kRetry{1000};  // after the disk would not take a batch

}  // namespace

base::Outcome<std::unique_ptr<Probe>> Probe::start(const ProbeConfig& config) {
  const auto inputs = hash_of_inputs(config);
  if (!inputs) return tl::unexpected(inputs.error());
  std::unique_ptr<Probe> probe(new Probe(config));
  if (auto opened = probe->open_spool(); !opened) return tl::unexpected(opened.error());
  if (auto opened = probe->open_captures(*inputs); !opened) return tl::unexpected(opened.error());
  exporting::SenderConfig sender = config.sender;
  sender.decompress = [](std::string_view payload) {
    return exporting::decompress(payload, exporting::batch_limit::kBatchBytes);
  };
  auto started = exporting::Sender::start(*probe->spool_, std::move(sender));
  if (!started) return tl::unexpected(started.error());
  probe->sender_ = std::move(*started);
  if (auto serving = probe->serve_metrics(); !serving) return tl::unexpected(serving.error());
  return probe;
}

Probe::~Probe() {
  http_.reset();
  sender_.reset();
  spool_.reset();
  std::error_code ignored;
  if (!temporary_folder_.empty()) std::filesystem::remove_all(temporary_folder_, ignored);
}

base::Outcome<void> Probe::serve_metrics() {
  if (!config_.metrics_http) return {};
  auto started = HttpServer::start(*config_.metrics_http,
                                   {.traffic = [this](exporting::MetricsWriter& out) { write_metrics(out); },
                                    .health =
                                        [] {
                                          return Health{true, "reading or delivering"};
                                        }});
  if (!started) return tl::unexpected(base::Failure{"metrics: " + started.error().what});
  http_ = std::move(*started);
  return {};
}

/// Any thread.
void Probe::write_metrics(exporting::MetricsWriter& out) const {
  const auto counter = [&out](std::string_view name, std::string_view help, std::uint64_t value) {
    out.family(name, exporting::FamilyType::kCounter, "", help);
    out.sample("_total", "", value);
  };
  const exporting::SpoolCounters spool = spool_->counters();
  counter("hoptap_probe_records", "Hop and leg records put into the spool.", spool.appended_records);
  counter("hoptap_probe_dropped_records", "Of them, dropped for want of room.", spool.dropped_records);
  counter("hoptap_probe_acknowledged_batches", "Batches that the tracer has on disk.", spool.acknowledged_batches);
  const ProbeMetrics* metrics = batcher_ ? batcher_->metrics() : nullptr;
  if (metrics == nullptr) return;
  const exporting::MetricsCounters counters = metrics->counters();
  counter("hoptap_probe_metrics_rows", "Rows of metrics given out.", counters.rows);
  counter("hoptap_probe_metrics_late", "Reports whose interval was over.", counters.late);
  counter("hoptap_probe_metrics_clients_overflow", "Reports without a row for their client.",
          counters.overflow.clients);
  counter("hoptap_probe_metrics_servers_overflow", "Reports without a row for their server.",
          counters.overflow.servers);
  metrics->write(out);
}

base::Outcome<void> Probe::open_spool() {
  std::string folder = config_.spool_folder;
  if (folder.empty()) {
    const char* chosen = std::getenv("TMPDIR");
    folder = std::string(chosen != nullptr && *chosen != '\0' ? chosen : "/tmp") + "/hoptap-spool-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr)
      return tl::unexpected(base::Failure{fmt::format("no temporary spool in {}: {}; set TMPDIR or give --spool FOLDER",
                                                      folder, std::strerror(errno))});
    temporary_folder_ = folder;
  }
  auto spool = exporting::Spool::open(folder, config_.spool);
  if (!spool) return tl::unexpected(spool.error());
  spool_ = std::move(*spool);
  return {};
}

base::Outcome<void> Probe::open_captures(std::uint64_t inputs) {
  ReplayMark mark{inputs, 0, false};
  if (const std::string text = spool_->mark(); !text.empty()) {
    const auto known = ReplayMark::read(text);
    if (!known || known->inputs != inputs)
      return tl::unexpected(base::Failure{fmt::format(
          "the spool {} holds records of other captures (or points, filter, version of hoptap); take another "
          "--spool, or finish what it was begun with, then delete it",
          spool_->folder())});
    mark = *known;
  }
  counters_.passed_over = mark.records;
  if (mark.done) return {};
  batcher_ = std::make_unique<Batcher>(config_, mark);
  ReplayConfig replay;
  replay.flows = config_.flows;
  replay.flows.metrics_interval_ns = config_.metrics.length_ns;
  replay.filter = config_.filter;
  replay.decode.vxlan_ports.insert(replay.decode.vxlan_ports.end(), config_.vxlan_ports.begin(),
                                   config_.vxlan_ports.end());
  std::vector<std::string> files;
  for (const ReplayInput& input : config_.replay) files.push_back(input.file);
  auto opened = Replay::open(files, replay, *batcher_);
  if (!opened) return tl::unexpected(opened.error());
  replay_ = std::move(*opened);
  return {};
}

/// False when the person wants an end.
bool Probe::put(const exporting::Batch& batch, const Watch& watch) {
  const std::string payload = exporting::compress(exporting::encode_batch(batch));
  const auto records = static_cast<std::uint32_t>(batch.hops.size() + batch.legs.size());
  while (watch(*this)) {
    const auto appended = spool_->append(payload, records, batcher_->mark().text());
    trouble_ = appended ? "" : appended.error().what;
    if (appended && appended->result != exporting::AppendResult::kFull) {
      counters_.hops += batch.hops.size();
      counters_.legs += batch.legs.size();
      counters_.metrics_rows += batch.metrics.size();
      counters_.payload_bytes += payload.size();
      return true;
    }
    if (appended) {
      spool_->wait_for_room(kNap);
    } else {
      std::this_thread::sleep_for(kRetry);
    }
  }
  return false;
}

base::Outcome<void> Probe::read(const Watch& watch) {
  if (!replay_) return {};
  const ReplayPoints points(*replay_, config_.replay);
  bool more = true;
  while (more && watch(*this)) {
    more = replay_->step();
    batcher_->advance(points);
    while (batcher_->is_due(points) || !more) {
      if (!put(batcher_->take(points), watch)) return {};
      if (batcher_->mark().done) return {};
    }
  }
  return {};
}

bool Probe::deliver(const Watch& watch) {
  while (!sender_->drain(kNap)) {
    if (!watch(*this)) return false;
  }
  return true;
}

}  // namespace hoptap::appliance
