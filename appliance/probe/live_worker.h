// One thread that listens at one interface: capture -> decode -> flow table -> records, which another thread takes.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "appliance/probe/cpu_ceiling.h"
#include "appliance/probe/live_input.h"
#include "base/result.h"
#include "capture/dpdk/dpdk.h"
#include "capture/live/interfaces.h"
#include "decode/decoder.h"
#include "flowtable/flow_table.h"

namespace hoptap::appliance {

using LiveRecord = std::variant<flowtable::HopRecord, flowtable::LegRecord, flowtable::FlowMetrics>;

/// How a worker stands. All counts since it began, over all times that its interface came and went.
struct LiveStatus {
  capture::LinkState state = capture::LinkState::kRunning;
  capture::LiveCounters capture;
  std::uint64_t reached_ns = 0;       ///< packet time: all that passed before has been looked at
  std::uint64_t flows = 0;            ///< live legs
  std::uint64_t exchanges = 0;        ///< given out
  std::uint64_t records_dropped = 0;  ///< because nobody took them in time
  std::uint64_t legs_left_out = 0;    ///< of one packet each, above kLonePacketLegsMax
  std::uint64_t cpu_ns = 0;           ///< that the thread has used
  std::uint64_t slept_ns = 0;         ///< to stay below its CPU ceiling
  flowtable::Strain strain{};         ///< what it leaves out for that
  flowtable::FlowCounters engine;
  capture::Offloads offloads;                  ///< of the interface, when it was opened last
  bool ended = false;                          ///< no record will follow
  std::vector<decode::MirrorSession> mirrors;  ///< whose packets came in here
  std::uint64_t unlisted_mirror_packets = 0;   ///< of sessions that there was no room for
  std::vector<bool> matched_mirrors;           ///< of FeedConfig::mirrors, which ever fit a packet first
  decode::StampCounts stamps;                  ///< of switches; all 0 without `time`
  std::vector<decode::PointStamps> stamped;    ///< likewise, by point; none without
  std::string trouble;                         ///< what is wrong now, for the person; "" when nothing is
};

/// What there is to begin with: nothing, and known.
capture::LiveCounters no_counters();

/// What one of them does not know is not known of both.
capture::LiveCounters sum_of(capture::LiveCounters sum, const capture::LiveCounters& more);

struct LiveWorkerConfig {
  LiveInput input;
  std::uint32_t point = 0;                         ///< number in records
  std::shared_ptr<decode::MirrorPoints> mirrors;   ///< of all workers at the interface; null: its own
  std::shared_ptr<decode::SharedTickClock> ticks;  ///< likewise
  decode::DecodeConfig decode;
  flowtable::FlowTableConfig flows;  ///< metrics_interval_ns 0: no metrics
  capture::DpdkConfig dpdk;          ///< of all ports
  double cpu_cores = 0;              ///< that the thread may use: 0.5 is half a core; 0: no ceiling
  /// That wait to be taken; more are dropped, and what is not of an exchange at half as many.
  std::size_t records_max = 1u << 15;
};

class LiveWorker final : flowtable::RecordSink {
 public:
  /// Of the records that wait to be taken; more are dropped too.
  static constexpr std::size_t kTextBytesMax = 16u << 20;
  /// Leg records of one packet, a second: what is above is a flood or a scan, is in the metrics, and must not keep
  /// other records from the tracer.
  static constexpr std::uint64_t kLonePacketLegsMax = 1000;

  /// Opens the interface, unless it is given as `source` (a queue of DPDK); packets wait in its ring until start().
  /// Needs privileges as capture::open_ring(), now and, in the thread, when the interface comes again.
  [[nodiscard]] static base::Outcome<std::unique_ptr<LiveWorker>> open(
      const LiveWorkerConfig& config, std::unique_ptr<capture::LiveSource> source = nullptr);
  void start();
  ~LiveWorker() override;  ///< stop(), and waits

  // Any thread.
  void stop() { stopping_ = true; }  ///< what is open is given out, then status().ended
  std::vector<LiveRecord> take();
  LiveStatus status() const;

 private:
  using Clock = std::chrono::steady_clock;

  LiveWorker(const LiveWorkerConfig& config, std::unique_ptr<capture::LiveSource> source);
  void run();
  void work();
  bool read();
  void rest();
  void pass_time(std::uint64_t host_ns);
  void drain();
  void reopen();
  void hold_numbers();
  void report();
  bool has_room(std::size_t most);
  void hand_over();
  void keep_below_ceiling();

  void hop(const flowtable::HopRecord& record) override;
  void leg(const flowtable::LegRecord& record) override;
  void metrics(const flowtable::FlowMetrics& flow) override;

  // The worker's thread.
  const LiveWorkerConfig config_;
  std::unique_ptr<capture::LiveSource> source_;  ///< null: the interface is gone
  decode::Decoder decoder_;
  decode::MirrorSplitter splitter_;
  decode::SwitchStamps stamps_;
  flowtable::FlowTable flows_;
  std::vector<capture::Packet> packets_;
  std::vector<decode::Decoded> decoded_;
  std::vector<LiveRecord> made_;
  capture::LiveCounters before_;  ///< of sources that are gone
  std::uint64_t reached_ns_ = 0;
  std::uint64_t lone_legs_left_ = kLonePacketLegsMax;  ///< until the next whole second
  std::uint64_t legs_left_out_ = 0;
  std::uint64_t records_dropped_ = 0;
  std::size_t made_text_bytes_ = 0;     ///< of made_
  std::size_t untaken_ = 0;             ///< of those handed over, when that was looked at last
  std::size_t untaken_text_bytes_ = 0;  ///< theirs
  CpuCeiling ceiling_;
  capture::Offloads offloads_;
  bool finishing_ = false;  ///< no more packets: rather wait than drop
  Clock::time_point next_second_{};
  std::string trouble_;
  Clock::time_point next_report_{};
  Clock::time_point next_open_{};
  Clock::time_point counts_numbers_at_{};  ///< of mirrors

  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;  ///< over what follows
  std::vector<LiveRecord> ready_;
  std::size_t ready_text_bytes_ = 0;
  LiveStatus status_;

  std::thread thread_;
};

}  // namespace hoptap::appliance
