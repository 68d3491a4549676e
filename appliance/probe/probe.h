// The probe: reads captures, or listens at interfaces, puts the records into the spool, and has them delivered. One
// thread, beside that of the sender and those that listen.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "appliance/http/server.h"
#include "appliance/probe/batcher.h"
#include "appliance/probe/config.h"
#include "appliance/probe/live_capture.h"
#include "base/result.h"
#include "export/transport/sender.h"
#include "export/transport/spool.h"

namespace hoptap::appliance {

struct ProbeCounters {
  std::uint64_t hops = 0;
  std::uint64_t legs = 0;
  std::uint64_t metrics_rows = 0;
  std::uint64_t payload_bytes = 0;  ///< of the batches, compressed
  std::uint64_t passed_over = 0;    ///< records that the spool had from before
  std::uint64_t not_spooled = 0;    ///< records given up, for the disk would not take them before the end
};

class Probe {
 public:
  /// Called often; what there is to be said. Returning false ends the work as soon as possible.
  using Watch = std::function<bool(const Probe&)>;

  /// Opens the captures or interfaces and the spool, and begins to connect.
  [[nodiscard]] static base::Outcome<std::unique_ptr<Probe>> start(const ProbeConfig& config);
  ~Probe();

  /// Reads the captures to their end into the spool; interfaces until `watch` ends it, and then what is open. Fails
  /// when one cannot be spooled for good.
  [[nodiscard]] base::Outcome<void> read(const Watch& watch);

  /// Waits for the tracer to acknowledge everything. @return false when `watch` ended it
  bool deliver(const Watch& watch);

  capture::SourceProgress progress() const { return replay_ ? replay_->progress() : capture::SourceProgress{}; }
  exporting::SenderStatus sender() const { return sender_->status(); }
  exporting::SpoolCounters spool() const { return spool_->counters(); }
  const ProbeCounters& counters() const { return counters_; }
  /// Where /metrics is; "" when it is not served.
  std::string metrics_url() const { return http_ ? http_->url() + "/metrics" : ""; }
  /// Why the spool does not take more; "" when it does.
  const std::string& trouble() const { return trouble_; }
  bool keeps_spool() const { return temporary_folder_.empty(); }
  const std::string& spool_folder() const { return spool_->folder(); }
  const Replay* replay() const { return replay_ ? &*replay_ : nullptr; }
  const LiveCapture* live() const { return live_.get(); }
  const ProcessFinder* finder() const { return finder_.get(); }  ///< null: processes are not looked for

 private:
  using Clock = std::chrono::steady_clock;

  explicit Probe(const ProbeConfig& config) : config_(config) {}
  base::Outcome<void> open_spool();
  base::Outcome<void> open_captures(std::uint64_t inputs);
  base::Outcome<void> open_interfaces();
  base::Outcome<void> open_processes();
  void begin_to_listen();
  void listen(const Watch& watch);
  bool keep_pace(const PointSet& points);
  bool put_due(const Watch& watch, bool all);
  decode::DecodeConfig decode_config() const;
  base::Outcome<void> serve_metrics();
  void write_metrics(exporting::MetricsWriter& out) const;
  bool put(const exporting::Batch& batch, const Watch& watch);

  ProbeConfig config_;
  std::string temporary_folder_;
  std::unique_ptr<exporting::Spool> spool_;
  std::unique_ptr<exporting::Sender> sender_;
  std::unique_ptr<ProcessFinder> finder_;
  std::unique_ptr<Batcher> batcher_;
  Clock::time_point began_{};         ///< the replay
  std::uint64_t stretch_end_ns_ = 0;  ///< of packet time since its first packet
  std::optional<Replay> replay_;      ///< nothing: all has been read before, or there are interfaces
  std::unique_ptr<LiveCapture> live_;
  ProbeCounters counters_;
  std::string trouble_;
  std::unique_ptr<HttpServer> http_;  ///< asks the others: goes first
};

}  // namespace hoptap::appliance
