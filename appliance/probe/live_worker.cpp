#include "appliance/probe/live_worker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "appliance/clock.h"
#include "appliance/probe/head_source.h"
#include "bpf-optional/head_tap.h"
#include "capture/live/pcap_live.h"
#include "capture/live/ring_source.h"
#include "export/wire/batch.h"

namespace hoptap::appliance {
namespace {

constexpr std::chrono::milliseconds kReportEvery{100};
constexpr std::chrono::milliseconds kOpenEvery{1000};
constexpr std::chrono::milliseconds kWorkersBegin{1500};  // more than kOpenEvery
constexpr std::chrono::milliseconds kGoneNap{50};
constexpr std::chrono::milliseconds kShortNap{5};  // until records are taken
constexpr std::chrono::milliseconds kLastReading{1000};
constexpr int kWaitMs = 50;

base::Outcome<std::unique_ptr<capture::LiveSource>> open_source(const LiveWorkerConfig& config) {
  const LiveInput& input = config.input;
  switch (input.way) {
    case CaptureWay::kEbpf:
      return open_head_source(input.capture,
                              input.head_bytes.value_or(config.flows.l7 ? bpf::HeadTapConfig::kHeadBytes : 0));
    case CaptureWay::kLibpcap: return capture::open_pcap_live(input.capture);
    default: return capture::open_ring(input.capture);  // queues of DPDK are opened by LiveCapture
  }
}

/// Nothing is known of what cannot be asked.
capture::Offloads offloads_of(const LiveInput& input) {
  if (input.way == CaptureWay::kDpdk) return {};
  const auto traits = capture::interface_traits(input.capture.interface, input.capture.network_namespace);
  return traits ? traits->offloads : capture::Offloads{};
}

void add(std::optional<std::uint64_t>& sum, const std::optional<std::uint64_t>& more) {
  if (sum && more) {
    *sum += *more;
  } else {
    sum.reset();
  }
}

}  // namespace

capture::LiveCounters no_counters() {
  capture::LiveCounters counters;
  counters.received_by_kernel = counters.dropped_by_ring = counters.ring_freezes = counters.dropped_by_interface = 0;
  counters.stamps.emplace();
  return counters;
}

capture::LiveCounters sum_of(capture::LiveCounters sum, const capture::LiveCounters& more) {
  sum.packets += more.packets;
  sum.bytes += more.bytes;
  sum.filtered += more.filtered;
  sum.truncated += more.truncated;
  sum.unreadable += more.unreadable;
  add(sum.received_by_kernel, more.received_by_kernel);
  add(sum.dropped_by_ring, more.dropped_by_ring);
  add(sum.ring_freezes, more.ring_freezes);
  add(sum.dropped_by_interface, more.dropped_by_interface);
  if (sum.stamps && more.stamps) {
    sum.stamps->nic += more.stamps->nic;
    sum.stamps->kernel += more.stamps->kernel;
    sum.stamps->ring += more.stamps->ring;
    sum.stamps->poll += more.stamps->poll;
  } else {
    sum.stamps.reset();
  }
  return sum;
}

base::Outcome<std::unique_ptr<LiveWorker>> LiveWorker::open(const LiveWorkerConfig& config,
                                                            std::unique_ptr<capture::LiveSource> given) {
  if (given) return std::unique_ptr<LiveWorker>(new LiveWorker(config, std::move(given)));
  auto source = open_source(config);
  if (!source) return tl::unexpected(source.error());
  return std::unique_ptr<LiveWorker>(new LiveWorker(config, std::move(*source)));
}

void LiveWorker::start() {
  thread_ = std::thread([this] { run(); });
}

LiveWorker::LiveWorker(const LiveWorkerConfig& config, std::unique_ptr<capture::LiveSource> source)
    : config_(config),
      source_(std::move(source)),
      decoder_(config.decode),
      splitter_(config.mirrors ? config.mirrors : std::make_shared<decode::MirrorPoints>()),
      stamps_(config.input.feed.stamps, config.ticks),
      flows_(config.flows, config.point, *this),
      packets_(capture::kBatchPackets),
      decoded_(capture::kBatchPackets),
      before_(no_counters()),
      ceiling_(config.cpu_cores),
      offloads_(offloads_of(config.input)) {}

LiveWorker::~LiveWorker() {
  stop();
  if (thread_.joinable()) thread_.join();
}

/// While the workers of an interface begin one after the other, the kernel gives a mirror's session now to this one,
/// now to that one.
void LiveWorker::hold_numbers() {
  if (config_.input.workers <= 1) return;
  splitter_.set_counting(false);
  counts_numbers_at_ = Clock::now() + kWorkersBegin;
}

void LiveWorker::run() {
  hold_numbers();
  while (!stopping_) work();
  if (source_) drain();
  finishing_ = true;
  splitter_.finish();
  flows_.finish();
  while (!made_.empty()) {
    hand_over();
    if (!made_.empty()) std::this_thread::sleep_for(kShortNap);
  }
  report();
  const std::lock_guard lock(mutex_);
  status_.ended = true;
}

void LiveWorker::work() {
  if (!source_) {
    reopen();
  } else if (!read()) {
    rest();
  }
  if (Clock::now() >= next_report_) report();
}

/// One batch. False when there is none.
bool LiveWorker::read() {
  const std::size_t count = source_->poll(packets_);
  if (count == 0) return false;
  const std::span<const capture::Packet> batch = std::span(packets_).first(count);
  const std::span<decode::Decoded> decoded = std::span(decoded_).first(count);
  decoder_.decode(batch, source_->interfaces(), decoded);
  stamps_.apply(batch, decoded);
  reached_ns_ = std::max(reached_ns_, decoded.back().time_ns);
  splitter_.split(decoded, decoder_.erspan_packets());
  stamps_.note_points(decoded);
  flows_.add(decoded);
  if (ceiling_.is_set()) keep_below_ceiling();
  return true;
}

void LiveWorker::keep_below_ceiling() {
  const auto sleep = ceiling_.account(clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_THREAD_CPUTIME_ID));
  flows_.set_strain(ceiling_.strain());
  if (sleep.count() > 0 && !stopping_) std::this_thread::sleep_for(sleep);
}

/// Nothing is there. Time goes on all the same: by the host's clock, which stamps the packets, less what may still be
/// on its way from the kernel. The clock of a NIC is another.
void LiveWorker::pass_time(std::uint64_t host_ns) {
  const std::uint64_t on_its_way_ns = 2'000'000ull * config_.input.capture.block_timeout_ms + 5'000'000;
  if (config_.input.capture.asks_nic_time || host_ns <= on_its_way_ns) return;
  const auto switch_ns = static_cast<std::int64_t>(host_ns - on_its_way_ns) - stamps_.lag_ns();
  reached_ns_ = std::max(reached_ns_, static_cast<std::uint64_t>(std::max<std::int64_t>(switch_ns, 0)));
  flows_.advance(reached_ns_);
}

void LiveWorker::rest() {
  const std::uint64_t before_ns = clock_ns(CLOCK_REALTIME);
  source_->wait(kWaitMs);
  if (read()) return;
  pass_time(before_ns);
  if (source_->state() != capture::LinkState::kGone) return;
  drain();
  before_ = sum_of(before_, source_->live_counters());
  source_.reset();
  trouble_ = config_.input.capture.interface + " is gone; its packets are read again when it comes back";
  next_open_ = Clock::now() + kOpenEvery;
}

/// What the kernel has taken in until now, the block that it still fills too.
void LiveWorker::drain() {
  source_->close_intake();
  const Clock::time_point end = Clock::now() + kLastReading;
  const Clock::time_point retired =
      Clock::now() + std::chrono::milliseconds(2 * config_.input.capture.block_timeout_ms + 5);
  while (Clock::now() < end) {
    if (Clock::now() >= next_report_) report();
    if (read()) continue;
    if (Clock::now() >= retired) break;
    source_->wait(1);
  }
}

void LiveWorker::reopen() {
  pass_time(clock_ns(CLOCK_REALTIME));
  if (Clock::now() < next_open_) {
    std::this_thread::sleep_for(kGoneNap);
    return;
  }
  next_open_ = Clock::now() + kOpenEvery;
  auto source = open_source(config_);
  if (!source) {
    trouble_ = "is not there: " + source.error().what;
    return;
  }
  source_ = std::move(*source);
  offloads_ = offloads_of(config_.input);
  hold_numbers();
  trouble_.clear();
}

void LiveWorker::leg(const flowtable::LegRecord& record) {
  if (record.to_server.packets + record.to_client.packets <= 1) {
    if (lone_legs_left_ == 0) {
      ++legs_left_out_;
      return;
    }
    --lone_legs_left_;
  }
  if (has_room(config_.records_max / 2)) made_.emplace_back(record);
}

void LiveWorker::report() {
  if (Clock::now() >= next_second_) {
    next_second_ = Clock::now() + std::chrono::seconds(1);
    lone_legs_left_ = kLonePacketLegsMax;
  }
  next_report_ = Clock::now() + kReportEvery;
  if (ceiling_.is_set()) keep_below_ceiling();  // when nothing comes, too: it may be left
  LiveStatus now;
  now.state = source_ ? source_->state() : capture::LinkState::kGone;
  now.capture = source_ ? sum_of(before_, source_->live_counters()) : before_;
  now.flows = flows_.live_legs();
  now.exchanges = flows_.counters().exchanges;
  now.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  now.legs_left_out = legs_left_out_;
  now.slept_ns = ceiling_.slept_ns();
  now.strain = ceiling_.strain();
  now.engine = flows_.counters();
  now.offloads = offloads_;
  if (Clock::now() >= counts_numbers_at_) splitter_.set_counting(true);
  splitter_.advance(reached_ns_);
  now.mirrors = splitter_.sessions();
  now.unlisted_mirror_packets = splitter_.unlisted_packets();
  now.matched_mirrors = splitter_.matched_rules();
  now.stamps = stamps_.counts();
  now.stamped = stamps_.points();
  now.trouble = trouble_;
  if (source_ && now.trouble.empty()) now.trouble = source_->complaint();
  if (now.state == capture::LinkState::kDown) now.trouble = config_.input.capture.interface + " is down";
  now.records_dropped = records_dropped_;
  hand_over();
  const std::lock_guard lock(mutex_);
  now.reached_ns = made_.empty() ? reached_ns_ : status_.reached_ns;  // not before its records are to be had
  status_ = std::move(now);
}

/// May one more record wait, of which there may be so many, handed over or not?
bool LiveWorker::has_room(std::size_t most) {
  const std::size_t chunk = std::min<std::size_t>(1024, most);
  const auto is_full = [&] {
    return made_.size() + untaken_ >= most || made_text_bytes_ + untaken_text_bytes_ >= kTextBytesMax;
  };
  if (made_.size() >= chunk || is_full()) hand_over();
  while (finishing_ && is_full()) {
    std::this_thread::sleep_for(kShortNap);
    hand_over();
  }
  if (!is_full()) return true;
  ++records_dropped_;
  return false;
}

void LiveWorker::hand_over() {
  const std::lock_guard lock(mutex_);
  if (ready_.size() + made_.size() <= config_.records_max) {
    ready_.insert(ready_.end(), std::make_move_iterator(made_.begin()), std::make_move_iterator(made_.end()));
    made_.clear();
    ready_text_bytes_ += std::exchange(made_text_bytes_, 0);
  }
  untaken_ = ready_.size();
  untaken_text_bytes_ = ready_text_bytes_;
}

void LiveWorker::hop(const flowtable::HopRecord& record) {
  if (!has_room(config_.records_max)) return;
  made_text_bytes_ += exporting::text_bytes(record);
  made_.emplace_back(record);
}

void LiveWorker::metrics(const flowtable::FlowMetrics& flow) {
  if (has_room(config_.records_max / 2)) made_.emplace_back(flow);
}

std::vector<LiveRecord> LiveWorker::take() {
  const std::lock_guard lock(mutex_);
  ready_text_bytes_ = 0;
  return std::exchange(ready_, {});
}

LiveStatus LiveWorker::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace hoptap::appliance
