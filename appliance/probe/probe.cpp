#include "appliance/probe/probe.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "appliance/probe/live_metrics.h"
#include "appliance/probe/sandbox.h"
#include "appliance/processes/finder_metrics.h"
#include "export/wire/batch.h"

namespace hoptap::appliance {
namespace {

constexpr std::chrono::milliseconds kNap{100};
constexpr std::chrono::milliseconds kRetry{1000};  // after the disk would not take a batch
constexpr std::chrono::milliseconds kShortNap{10};
constexpr std::chrono::milliseconds kBatchEvery{1000};
constexpr std::chrono::seconds kLastSpooling{10};
constexpr std::string_view kLiveMark = "live 1";  // in the spool, where a replay has how far it is

}  // namespace

base::Outcome<std::unique_ptr<Probe>> Probe::start(const ProbeConfig& config) {
  const auto inputs = hash_of_inputs(config);
  if (!inputs) return tl::unexpected(inputs.error());
  std::unique_ptr<Probe> probe(new Probe(config));
  if (auto opened = probe->open_spool(); !opened) return tl::unexpected(opened.error());
  if (auto opened = probe->open_processes(); !opened) return tl::unexpected(opened.error());
  auto opened = config.interfaces.empty() ? probe->open_captures(*inputs) : probe->open_interfaces();
  if (!opened) return tl::unexpected(opened.error());
  if (config.sandbox)  // before any thread that stays
    if (const auto entered = enter_sandbox(probe->live_ && probe->live_->attaches_programs()); !entered)
      return tl::unexpected(entered.error());
  if (probe->live_) probe->begin_to_listen();
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
  live_.reset();
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
  if (live_) write_live_metrics(*live_, out);
  if (finder_) write_process_metrics(finder_->counters(), out);
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
  exporting::SpoolLimits limits = config_.spool;
  const bool is_live = !config_.interfaces.empty();
  limits.when_full =
      config_.when_full.value_or(is_live ? exporting::WhenFull::kDropOldest : exporting::WhenFull::kWait);
  auto spool = exporting::Spool::open(folder, limits);
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
  replay.decode = decode_config();
  std::vector<std::string> files;
  for (const ReplayInput& input : config_.replay) {
    files.push_back(input.file);
    replay.feeds.push_back(input.feed);
  }
  auto opened = Replay::open(files, replay, *batcher_);
  if (!opened) return tl::unexpected(opened.error());
  replay_ = std::move(*opened);
  return {};
}

decode::DecodeConfig Probe::decode_config() const {
  decode::DecodeConfig decode;
  decode.vxlan_ports.insert(decode.vxlan_ports.end(), config_.vxlan_ports.begin(), config_.vxlan_ports.end());
  return decode;
}

base::Outcome<void> Probe::open_interfaces() {
  if (const std::string mark = spool_->mark(); !mark.empty() && mark != kLiveMark)
    return tl::unexpected(
        base::Failure{fmt::format("the spool {} holds records of captures; take another --spool, or finish what it was "
                                  "begun with, then delete it",
                                  spool_->folder())});
  batcher_ = std::make_unique<Batcher>(config_, ReplayMark{});
  LiveWorkerConfig worker;
  worker.decode = decode_config();
  worker.flows = config_.flows;
  worker.dpdk = config_.dpdk;
  worker.flows.metrics_interval_ns = config_.metrics.length_ns;
  worker.records_max = config_.records_max;
  worker.cpu_cores = config_.cpu_cores_max;
  std::vector<LiveInput> inputs = config_.interfaces;
  for (LiveInput& input : inputs) input.capture.filter = filter_without_export(config_.filter, config_.sender.address);
  auto opened = LiveCapture::open(inputs, worker);
  if (!opened) return tl::unexpected(opened.error());
  live_ = std::move(*opened);
  return {};
}

/// Before privileges are given up.
base::Outcome<void> Probe::open_processes() {
  if (config_.processes == ProcessWay::kOff) return {};
  auto finder = ProcessFinder::open(config_.processes, config_.sandbox);
  if (!finder) return tl::unexpected(finder.error());
  finder_ = std::move(*finder);
  for (const LiveInput& input : config_.interfaces) finder_->learn_namespace(input.capture.network_namespace);
  return {};
}

void Probe::begin_to_listen() {
  if (finder_) {
    finder_->start([live = live_.get()](std::uint32_t point) {
      return live->input(point / LiveCapture::kPointsPerInput).capture.network_namespace;
    });
    batcher_->set_finder(*finder_);
  }
  live_->start();
}

/// False when the person wants an end.
bool Probe::put(const exporting::Batch& batch, const Watch& watch) {
  const std::string payload = exporting::compress(exporting::encode_batch(batch));
  const auto records = static_cast<std::uint32_t>(batch.hops.size() + batch.legs.size());
  do {
    const auto appended = spool_->append(payload, records, live_ ? std::string(kLiveMark) : batcher_->mark().text());
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
  } while (watch(*this));
  counters_.not_spooled += records;
  return false;
}

/// What is due, or `all` that has been gathered. False when the spool would not take it.
bool Probe::put_due(const Watch& watch, bool all) {
  if (finder_) finder_->read();
  batcher_->advance(*live_);
  while (batcher_->is_due(*live_) || (all && batcher_->gathered() > 0))
    if (!put(batcher_->take(*live_), watch)) return false;
  return true;
}

void Probe::listen(const Watch& watch) {
  Clock::time_point next_batch{};
  while (watch(*this)) {
    if (live_->gather(*batcher_) == 0) std::this_thread::sleep_for(kShortNap);
    const bool is_time = Clock::now() >= next_batch;  // often, so that traces are soon whole
    if (is_time) next_batch = Clock::now() + kBatchEvery;
    if (!put_due(watch, is_time)) break;
  }
  // What there is, is spooled though the person wants an end; but a disk that takes nothing must not keep us for ever.
  Clock::time_point last = Clock::now() + kLastSpooling;
  std::uint64_t stored = counters_.payload_bytes;
  const Watch go_on = [&](const Probe&) {
    if (std::exchange(stored, counters_.payload_bytes) != counters_.payload_bytes) last = Clock::now() + kLastSpooling;
    return Clock::now() < last;
  };
  live_->stop();
  bool stores = true;
  while (!live_->has_ended()) {
    if (live_->gather(*batcher_) == 0) std::this_thread::sleep_for(kShortNap);
    stores = stores && put_due(go_on, false);
  }
  live_->gather(*batcher_);
  stores =
      stores && put_due(go_on, true) && put(batcher_->take(*live_), go_on);  // the last: that the points have ended
  if (!stores) counters_.not_spooled += batcher_->gathered();
}

/// Reads what is due at the speed of the replay, of one stretch at most, or waits a little for it. Metrics are told of
/// the time between stretches only: so the same records come in the same order at any pace. False when all has been
/// read.
bool Probe::keep_pace(const PointSet& points) {
  constexpr std::uint64_t kStretchNs = 100'000'000;
  const auto elapsed = std::chrono::duration<double, std::nano>(Clock::now() - began_) * config_.replay_speed;
  const auto due_ns = static_cast<std::uint64_t>(elapsed.count());
  const auto next_ns = replay_->read_until(std::min(due_ns, stretch_end_ns_));
  if (!next_ns) return false;
  if (*next_ns > stretch_end_ns_) {
    batcher_->advance(points);
    stretch_end_ns_ = (*next_ns / kStretchNs + 1) * kStretchNs;
  }
  if (*next_ns <= due_ns) return true;
  const auto due = began_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::nano>(
                                static_cast<double>(*next_ns) / config_.replay_speed));
  std::this_thread::sleep_until(std::min(due, Clock::now() + kNap));
  return true;
}

base::Outcome<void> Probe::read(const Watch& watch) {
  if (live_) listen(watch);
  if (!replay_) return {};
  const ReplayPoints points(*replay_, config_.replay);
  const bool is_paced = config_.replay_speed > 0;
  Clock::time_point next_batch = began_ = Clock::now();
  bool more = true;
  while (more && watch(*this)) {
    more = is_paced ? keep_pace(points) : replay_->step();
    if (!is_paced || !more) batcher_->advance(points);
    const bool is_time = is_paced && Clock::now() >= next_batch;
    if (is_time) next_batch = Clock::now() + kBatchEvery;
    while (batcher_->is_due(points) || !more || (is_time && batcher_->gathered() > 0)) {
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
