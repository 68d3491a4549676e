#include "appliance/tracer/tracer.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "appliance/tracer/report.h"

namespace hoptap::appliance {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kIdleNs = kNsPerSecond;            // without a batch, after which all that is there is judged
constexpr std::uint64_t kRoundEveryNs = kNsPerSecond;      // at most, and under load a third of the time at most
constexpr std::uint64_t kTidyEveryNs = 60 * kNsPerSecond;  // of retention, and of rounds without news
constexpr std::chrono::milliseconds kNap{200};

template <class Clock>
std::uint64_t now_of() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count());
}

/// For how long something took or lasts; not set back when the clock on the wall is.
std::uint64_t now_ns() { return now_of<std::chrono::steady_clock>(); }
std::uint64_t wall_ns() { return now_of<std::chrono::system_clock>(); }

}  // namespace

base::Outcome<std::unique_ptr<Tracer>> Tracer::start(const TracerConfig& config, Say say) {
  auto store = exporting::Store::open(config.store);
  if (!store) return tl::unexpected(store.error());
  std::unique_ptr<Tracer> tracer(new Tracer(std::move(*store), config, std::move(say)));
  if (auto recovered = tracer->engine_.recover(); !recovered) return tl::unexpected(recovered.error());
  Tracer* self = tracer.get();
  tracer->ingest_ = std::make_unique<Ingest>(
      *self->store_,
      [self] {
        ++self->commits_;
        self->changed_.notify_all();
      },
      config.totals_max);
  auto collector = exporting::CollectorServer::start(*self->ingest_, config.collector);
  if (!collector) return tl::unexpected(collector.error());
  tracer->collector_ = std::move(*collector);
  tracer->thread_ = std::thread([self] { self->run(); });
  auto http = HttpServer::start(
      config.http, {.store = self->store_.get(),
                    .metrics = [self] { return metrics_of(self->status()); },
                    .traffic = [self](exporting::MetricsWriter& out) { self->ingest_->traffic().write(out); },
                    .health = [self] { return health_of(self->status()); },
                    .status = [self] { return status_json(self->status(), self->ingest_->probes()); },
                    .now_ns = wall_ns});
  if (!http) return tl::unexpected(http.error());
  tracer->http_ = std::move(*http);
  return tracer;
}

Tracer::Tracer(std::unique_ptr<exporting::Store> store, const TracerConfig& config, Say say)
    : store_(std::move(store)), config_(config), say_(std::move(say)), engine_(*store_, config.engine) {}

Tracer::~Tracer() {
  http_.reset();
  if (collector_) collector_->stop();  // nothing more comes
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  ingest_.reset();  // what waits is stored
}

void Tracer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    try {
      work();
    } catch (const std::exception& error) {  // memory, most likely; what is acknowledged is on disk
      note(kReading, tl::unexpected(base::Failure{error.what()}));
      std::this_thread::sleep_for(kNap);
    }
    lock.lock();
  }
}

/// Reads on, judges when it is time, and rests when there is nothing to do.
void Tracer::work() {
  const std::uint64_t commits = commits_;
  const bool stuck = engine_.must_round() && !trouble_[kJudging].empty();  // no room for more
  const auto read = stuck ? base::Outcome<bool>(false) : engine_.read(now_ns());
  note(kStoring,
       ingest_->trouble().empty() ? base::Outcome<void>() : tl::unexpected(base::Failure{ingest_->trouble()}));
  note(kReading, read ? base::Outcome<void>() : tl::unexpected(read.error()));
  const bool idle = read && !*read;
  if (!idle) idle_since_ns_ = 0;
  if (idle && idle_since_ns_ == 0) idle_since_ns_ = now_ns();
  round_if_due(idle);
  retain_if_due();
  publish();
  std::unique_lock lock(mutex_);
  status_.settled = idle && !engine_.has_news() && status_.trouble.empty() && commits == commits_;
  if (read && *read) return;
  changed_.wait_for(lock, kNap, [&] { return stopping_ || (read && !stuck && commits != commits_); });
}

void Tracer::round_if_due(bool idle) {
  const std::uint64_t began = now_ns();
  const std::uint64_t rested = began - round_ended_ns_;
  const bool all = idle && began - idle_since_ns_ >= kIdleNs;
  // While nothing comes, nothing waits to be read either.
  const bool in_time = rested >= (all ? kRoundEveryNs : std::max(kRoundEveryNs, 2 * round_took_ns_));
  const bool must = engine_.must_round() && (in_time || trouble_[kJudging].empty());
  const bool due = must || (engine_.has_news() && in_time) || rested >= kTidyEveryNs;
  if (!due) return;
  note(kJudging, engine_.round(all));
  round_ended_ns_ = now_ns();
  round_took_ns_ = round_ended_ns_ - began;
}

void Tracer::retain_if_due() {
  const std::uint64_t now = now_ns();
  if (now - retained_ns_ < kTidyEveryNs) return;
  retained_ns_ = now;
  // Ages count in packet time, so that old captures may be replayed; a clock that runs ahead deletes nothing.
  const auto deleted = store_->retain(std::min(wall_ns(), engine_.counters().reached_ns));
  note(kTidying, deleted ? base::Outcome<void>() : tl::unexpected(deleted.error()));
}

/// Says a trouble once, when it begins, and when it is over.
void Tracer::note(Work work, const base::Outcome<void>& outcome) {
  trouble_[work] = outcome ? "" : outcome.error().what;
  std::string words;
  for (const std::string& trouble : trouble_)
    if (words.empty()) words = trouble;
  std::string before;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(status_.trouble, words);
  }
  if (words != before) say_(words.empty() ? "works again" : words);
}

void Tracer::publish() {
  const std::lock_guard lock(mutex_);
  status_.engine = engine_.counters();
  status_.points = engine_.points().all().size();
  status_.round_seconds = static_cast<double>(round_took_ns_) / 1e9;
}

TracerStatus Tracer::status() const {
  TracerStatus status;
  {
    const std::lock_guard lock(mutex_);
    status = status_;
  }
  if (ingest_) status.ingest = ingest_->counters();
  if (collector_) status.collector = collector_->counters();
  if (collector_ && status.trouble.empty()) status.trouble = collector_->tls_fault();
  status.store = store_->counters();
  return status;
}

}  // namespace hoptap::appliance
