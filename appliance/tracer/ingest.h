// Takes batches from the collector, checks them, and stores them in the inbox: many at a time in one commit by a thread
// of its own. A batch is acknowledged when it is on disk. Called by gRPC's threads; borrows the store.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "appliance/tracer/traffic.h"
#include "export/store/store.h"
#include "export/transport/batch_sink.h"
#include "export/wire/batch.h"

namespace hoptap::appliance {

struct IngestCounters {
  std::uint64_t batches = 0;  ///< stored; those refused are below
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;  ///< hops and legs
  std::uint64_t metrics_rows = 0;
  std::uint64_t malformed = 0;    ///< batches refused for good
  std::uint64_t unavailable = 0;  ///< batches that the probe was asked to keep
  std::uint64_t commits = 0;
  std::uint64_t commit_failures = 0;
};

/// A probe as it was last heard of.
struct ProbeState {
  std::string name;
  std::string instance;
  std::string peer;
  bool connected = false;
};

class Ingest : public exporting::BatchSink {
 public:
  static constexpr std::size_t kWaitingBytesMax = 256u << 20;
  static constexpr std::size_t kPointsMax = 4096;     ///< of connected probes; batches with further ones must wait
  static constexpr std::size_t kInstancesMax = 4096;  ///< spools remembered; those that left are forgotten first

  /// @param stored  called by the commit thread after each commit
  Ingest(exporting::Store& store, std::function<void()> stored,
         std::size_t totals_max = TrafficTotals::kRowsMaxDefault);
  ~Ingest() override;  ///< stores what waits

  base::Outcome<std::uint64_t> welcome(const exporting::ProbeHello& hello) override;
  void store(const exporting::ProbeHello& hello, exporting::ReceivedBatch&& batch,
             std::function<void(exporting::StoreResult)> stored) override;
  void goodbye(const exporting::ProbeHello& hello) override;

  IngestCounters counters() const;
  std::vector<ProbeState> probes() const;
  const TrafficTotals& traffic() const { return traffic_; }
  /// Why the last commit failed; "" when it did not.
  std::string trouble() const;

 private:
  struct Waiting {
    exporting::InboxBatch batch;
    std::function<void(exporting::StoreResult)> stored;
  };
  /// Of a spool that has connected.
  struct Instance {
    ProbeState state;
    std::uint64_t last = 0;  ///< sequence that is on disk
    bool failed = false;     ///< a batch was not stored: until the next welcome() none after it may be
  };

  exporting::StoreResult check(const exporting::ProbeHello& hello, const exporting::ReceivedBatch& batch,
                               const exporting::Batch& records);
  void forget_one();
  void forget_points();
  std::string claim(const std::string& point, const std::string& instance);
  void count_refused(const exporting::ProbeHello& hello, exporting::StoreOutcome outcome);
  void count_commit(const std::vector<exporting::InboxBatch>& rows, const exporting::StoreResult& result);
  void run();
  void commit(std::vector<Waiting>&& batches);

  exporting::Store& store_;
  std::function<void()> stored_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::map<std::string, Instance> instances_;
  std::map<std::string, std::string> owners_;  ///< of each point: the instance that feeds it
  IngestCounters counters_;
  TrafficTotals traffic_;
  std::string trouble_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hoptap::appliance
