// The tracer: collector, ingest, engine, storage and HTTP API in one process. Owns its threads; any thread may call.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "appliance/http/server.h"
#include "appliance/tracer/config.h"
#include "appliance/tracer/engine.h"
#include "appliance/tracer/ingest.h"
#include "base/result.h"

namespace hoptap::appliance {

/// What the tracer does, as it stood a moment ago.
struct TracerStatus {
  EngineCounters engine;
  IngestCounters ingest;
  exporting::CollectorCounters collector;
  exporting::StoreCounters store;
  std::size_t points = 0;
  bool settled = false;      ///< all that was stored is judged
  double round_seconds = 0;  ///< that the last round took
  std::string trouble;       ///< why it does not get on; "" when it does
};

class Tracer {
 public:
  using Say = std::function<void(const std::string&)>;

  /// Works when this returns. `say` gets a line for the person when something begins or ends to go wrong.
  [[nodiscard]] static base::Outcome<std::unique_ptr<Tracer>> start(const TracerConfig& config, Say say);
  /// Stores what probes have sent, then stops.
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  std::uint16_t collector_port() const { return collector_->port(); }
  std::string url() const { return http_->url(); }
  TracerStatus status() const;

 private:
  enum Work : std::size_t { kReading, kJudging, kTidying, kStoring };

  Tracer(std::unique_ptr<exporting::Store> store, const TracerConfig& config, Say say);
  void run();
  void work();
  void round_if_due(bool idle);
  void retain_if_due();
  void note(Work work, const base::Outcome<void>& outcome);
  void publish();

  std::unique_ptr<exporting::Store> store_;
  TracerConfig config_;
  Say say_;
  Engine engine_;

  // Of the engine's thread.
  std::uint64_t idle_since_ns_ = 0;
  std::uint64_t round_ended_ns_ = 0;
  std::uint64_t round_took_ns_ = 0;
  std::uint64_t retained_ns_ = 0;
  std::array<std::string, 4> trouble_;  ///< by Work

  std::atomic<std::uint64_t> commits_{0};  ///< of the ingest
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  TracerStatus status_;
  bool stopping_ = false;

  std::unique_ptr<Ingest> ingest_;
  std::unique_ptr<exporting::CollectorServer> collector_;
  std::unique_ptr<HttpServer> http_;
  std::thread thread_;
};

}  // namespace hoptap::appliance
