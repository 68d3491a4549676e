#include "appliance/probe/live_capture.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "appliance/probe/interface_pattern.h"
#include "appliance/probe/privileges.h"
#include "appliance/stamps.h"
#include "bpf-optional/head_tap.h"

namespace hoptap::appliance {
namespace {

constexpr std::chrono::seconds kSearchEvery{1};
constexpr std::chrono::seconds kRetryAfter{10};  // what could not be opened
constexpr std::chrono::seconds kGoneMax{60};
constexpr int kOpensMax = 4;  // at once: making rings takes time, in which signals and records wait

/// Of two workers at one interface.
void merge(LiveStatus& sum, const LiveStatus& more) {
  sum.state = std::max(sum.state, more.state);
  sum.capture = sum_of(sum.capture, more.capture);
  sum.reached_ns = std::min(sum.reached_ns, more.reached_ns);
  sum.flows += more.flows;
  sum.exchanges += more.exchanges;
  sum.records_dropped += more.records_dropped;
  sum.legs_left_out += more.legs_left_out;
  sum.cpu_ns += more.cpu_ns;
  sum.slept_ns += more.slept_ns;
  sum.strain = std::max(sum.strain, more.strain);
  flowtable::add(sum.engine, more.engine);
  sum.offloads = more.offloads;
  sum.ended = sum.ended && more.ended;
  merge_sessions(sum.mirrors, more.mirrors);
  sum.unlisted_mirror_packets += more.unlisted_mirror_packets;
  sum.matched_mirrors.resize(std::max(sum.matched_mirrors.size(), more.matched_mirrors.size()));
  for (std::size_t at = 0; at < more.matched_mirrors.size(); ++at)
    sum.matched_mirrors[at] = sum.matched_mirrors[at] || more.matched_mirrors[at];
  sum.stamps.add(more.stamps);
  merge_stamps(sum.stamped, more.stamped);
  if (sum.trouble.empty()) sum.trouble = more.trouble;
}

/// What an interface without workers has come to; merge() adds to it.
LiveStatus as_past(LiveStatus past) {
  past.state = capture::LinkState::kGone;
  past.flows = 0;
  past.strain = flowtable::Strain::kNone;
  past.ended = true;
  return past;
}

LiveStatus nothing() {
  LiveStatus status;
  status.capture = no_counters();
  return as_past(std::move(status));
}

/// Before any port is opened.
base::Outcome<void> start_dpdk(const std::vector<LiveInput>& inputs, const capture::DpdkConfig& config) {
  std::vector<capture::DpdkPort> ports;
  for (const LiveInput& input : inputs)
    if (input.way == CaptureWay::kDpdk) ports.push_back({input.capture.interface, input.workers});
  return ports.empty() ? base::Outcome<void>() : capture::start_dpdk(config, ports);
}

using Sources = std::vector<std::unique_ptr<capture::LiveSource>>;

/// One for each worker. Other interfaces are opened by the workers: null.
base::Outcome<Sources> open_queues(const LiveInput& input) {
  return input.way == CaptureWay::kDpdk ? capture::open_dpdk_port(input.capture, input.workers)
                                        : Sources(input.workers);
}

}  // namespace

base::Outcome<std::unique_ptr<LiveCapture>> LiveCapture::open(const std::vector<LiveInput>& inputs,
                                                              const LiveWorkerConfig& config) {
  std::unique_ptr<LiveCapture> live(new LiveCapture(config));
  live->config_.flows.key.seed = secret_seed();
  if (auto started = start_dpdk(inputs, config.dpdk); !started) return tl::unexpected(started.error());
  std::vector<LiveInput> named;
  for (const LiveInput& input : inputs) (is_pattern(input) ? live->patterns_ : named).push_back(input);
  live->inputs_max_ = live->patterns_.empty() ? named.size() : kInterfacesMax;
  for (const LiveInput& input : named)
    if (auto opened = live->open_input(live->inputs_.size(), input); !opened) return tl::unexpected(opened.error());
  live->search();
  if (live->members_.empty() && !live->troubles_.empty())
    return tl::unexpected(base::Failure{live->troubles_.front()});  // none of those that match
  const bool enters_namespaces = std::any_of(
      inputs.begin(), inputs.end(), [](const LiveInput& input) { return !input.capture.network_namespace.empty(); });
  const bool attaches = live->attaches_programs();
  const auto drop = [&] { return drop_privileges(enters_namespaces, attaches); };
  if (auto dropped = drop(); !dropped) return tl::unexpected(dropped.error());
  if (auto dropped = capture::in_dpdk_thread(drop); !dropped) return tl::unexpected(dropped.error());
  return live;
}

/// Opens an interface that is known as `at`, or is to be: its workers wait for start().
base::Outcome<void> LiveCapture::open_input(std::size_t at, const LiveInput& input) {
  constexpr std::uint32_t kSharedMax = 8;  // fanout_group()
  const bool is_new = at == inputs_.size();
  LiveWorkerConfig one = config_;
  one.input = input;
  one.point = static_cast<std::uint32_t>(at) * kPointsPerInput;
  one.mirrors =
      is_new ? std::make_shared<decode::MirrorPoints>(mirror_config(input.feed.mirrors, mirror_points_max(inputs_max_)))
             : mirrors_[at];
  one.ticks = std::make_shared<decode::SharedTickClock>();
  const bool by_fanout = one.input.workers > 1 && one.input.way != CaptureWay::kDpdk;
  if (by_fanout && shared_ == kSharedMax)
    return tl::unexpected(
        base::Failure{"at most 8 interfaces of a probe can have several workers; start another probe"});
  if (by_fanout) {
    if (shared_ == 0) fanout_program_ = capture::Descriptor(bpf::load_fanout_program().value_or(-1));
    one.input.capture.fanout = capture::Fanout{.group = capture::fanout_group(shared_++),
                                               .defragments = true,
                                               .by_inner_flow = true,
                                               .program = fanout_program_.get()};
  }
  auto sources = open_queues(one.input);
  if (!sources) return tl::unexpected(sources.error());
  std::vector<std::unique_ptr<LiveWorker>> workers;
  for (std::unique_ptr<capture::LiveSource>& source : *sources) {
    auto worker = LiveWorker::open(one, std::move(source));
    if (!worker) return tl::unexpected(worker.error());
    workers.push_back(std::move(*worker));
  }
  const std::lock_guard lock(mutex_);
  if (is_new) {
    places_.emplace(place_text(input), at);
    inputs_.push_back(input);
    mirrors_.push_back(one.mirrors);
    past_.push_back(nothing());
    statuses_.emplace_back();
  }
  for (std::unique_ptr<LiveWorker>& worker : workers) members_.push_back({at, std::move(worker)});
  return {};
}

bool LiveCapture::attaches_programs() const {
  const auto attaches = [](const LiveInput& input) { return input.way == CaptureWay::kEbpf; };
  return std::any_of(inputs_.begin(), inputs_.end(), attaches) ||
         std::any_of(patterns_.begin(), patterns_.end(), attaches);
}

void LiveCapture::start() {
  has_started_ = true;
  for (const Member& member : members_) member.worker->start();
}

const LiveInput& LiveCapture::input(std::size_t at) const {
  const std::lock_guard lock(mutex_);
  return inputs_[at];
}

/// Looks which interfaces match now. Those that are there already are left alone.
void LiveCapture::search() {
  if (patterns_.empty() || Clock::now() < next_search_) return;
  next_search_ = Clock::now() + kSearchEvery;
  close_gone();
  opens_left_ = kOpensMax;
  std::set<std::string> seen;
  for (std::size_t pattern = 0; pattern < patterns_.size(); ++pattern) {
    std::vector<base::Failure> refused;
    for (const LiveInput& input : matching(patterns_[pattern], refused)) {
      seen.insert(place_text(input));
      let_in(pattern, input);
    }
    if (!refused.empty()) {
      seen.insert(place_text(patterns_[pattern]));
      refuse(place_text(patterns_[pattern]), refused.front().what);
    }
  }
  if (opens_left_ == 0) next_search_ = {};  // there may be more
  std::erase_if(refused_, [&](const std::string& place) { return !seen.contains(place); });
  std::erase_if(retries_, [&](const auto& retry) { return !seen.contains(retry.first); });
}

void LiveCapture::let_in(std::size_t pattern, const LiveInput& input) {
  const std::string place = place_text(input);
  const auto known = places_.find(place);
  if (known != places_.end()) {
    const auto found = found_.find(known->second);
    if (found == found_.end() || found->second.is_open) return;
  }
  const auto of_pattern = [&](const auto& one) { return one.second.pattern == pattern && one.second.is_open; };
  const auto open = static_cast<std::size_t>(std::count_if(found_.begin(), found_.end(), of_pattern));
  if (open >= input.interfaces_max) return refuse(place, "there are more than interfaces_max that match");
  const auto is_same_point = [&](const LiveInput& one) { return one.point.name == input.point.name; };
  if (known == places_.end() && std::any_of(inputs_.begin(), inputs_.end(), is_same_point))
    return refuse(place, "another interface is the point " + input.point.name);
  if (known == places_.end() && inputs_.size() >= inputs_max_)
    return refuse(place, "there were more than 512 interfaces since the probe began; start it anew");
  if (const auto retry = retries_.find(place); retry != retries_.end() && Clock::now() < retry->second) return;
  if (opens_left_ == 0) return;
  --opens_left_;
  const std::size_t at = known != places_.end() ? known->second : inputs_.size();
  if (auto opened = open_input(at, input); !opened) {
    retries_[place] = Clock::now() + kRetryAfter;
    return refuse(place, opened.error().what);
  }
  retries_.erase(place);
  found_[at] = {.pattern = pattern, .is_open = true, .is_closing = false, .gone_since = {}};
  if (has_started_) members_.back().worker->start();
}

/// Once for as long as it is there.
void LiveCapture::refuse(const std::string& place, const std::string& why) {
  constexpr std::size_t kToldMax = 1000;
  if (refused_.insert(place).second && troubles_.size() < kToldMax)
    troubles_.push_back(place + " is not listened at: " + why);
}

/// An interface that a pattern stood for and that stays away gives back its thread and its memory.
void LiveCapture::close_gone() {
  for (auto& [at, found] : found_) {
    if (!found.is_open) continue;
    if (!found.is_closing && statuses_[at].state != capture::LinkState::kGone) {
      found.gone_since.reset();
      continue;
    }
    if (!found.gone_since) found.gone_since = Clock::now();
    if (Clock::now() - *found.gone_since < kGoneMax) continue;
    found.is_closing = true;  // even if it comes back now: then it is opened anew
    const auto member =
        std::find_if(members_.begin(), members_.end(), [input = at](const Member& one) { return one.input == input; });
    member->worker->stop();
    if (!statuses_[at].ended) continue;  // its last records are taken first
    const std::lock_guard lock(mutex_);
    merge(past_[at], member->worker->status());
    past_[at].reached_ns = statuses_[at].reached_ns;
    past_[at] = as_past(past_[at]);
    members_.erase(member);
    found.is_open = found.is_closing = false;
  }
}

std::vector<LiveStatus> LiveCapture::look() const {
  const std::lock_guard lock(mutex_);
  std::vector<LiveStatus> statuses = past_;
  std::vector<bool> has_worker(past_.size());
  for (const Member& member : members_) {
    LiveStatus& sum = statuses[member.input];
    const LiveStatus status = member.worker->status();
    if (!has_worker[member.input]) {  // not the past's
      sum.reached_ns = status.reached_ns;
      sum.state = status.state;
      sum.trouble.clear();
    }
    has_worker[member.input] = true;
    merge(sum, status);
  }
  return statuses;
}

std::size_t LiveCapture::gather(flowtable::RecordSink& sink) {
  if (!is_stopping_) search();
  statuses_ = look();  // before the records are taken: none of those up to there is missed
  std::size_t count = 0;
  for (const Member& member : members_) {
    for (const LiveRecord& record : member.worker->take()) {
      ++count;
      if (const auto* hop = std::get_if<flowtable::HopRecord>(&record)) sink.hop(*hop);
      if (const auto* leg = std::get_if<flowtable::LegRecord>(&record)) sink.leg(*leg);
      if (const auto* flow = std::get_if<flowtable::FlowMetrics>(&record)) sink.metrics(*flow);
    }
  }
  return count;
}

void LiveCapture::stop() {
  is_stopping_ = true;
  for (const Member& member : members_) member.worker->stop();
}

std::size_t LiveCapture::size() const {
  std::size_t sum = inputs_.size();
  for (const auto& mirrors : mirrors_) sum += mirrors->size();
  return sum;
}

void LiveCapture::each(const std::function<void(const PointMoment&)>& visit) const {
  for (std::size_t at = 0; at < statuses_.size(); ++at) {
    const std::uint32_t base = static_cast<std::uint32_t>(at) * kPointsPerInput;
    visit({base, statuses_[at].reached_ns, statuses_[at].ended});
    for (const decode::MirrorPoint& mirror : mirrors_[at]->all())
      visit({base + mirror.number, statuses_[at].reached_ns, statuses_[at].ended});
  }
}

std::map<std::uint16_t, PointHint> LiveCapture::mirrors(std::size_t at) const {
  const std::lock_guard lock(mutex_);
  const std::vector<decode::MirrorPoint> found = mirrors_[at]->all();
  std::map<std::uint16_t, PointHint> points;
  for (std::size_t n = 0; n < found.size(); ++n)
    points[found[n].number] = point_of_mirror(inputs_[at].feed.mirrors, inputs_[at].point, found, n);
  return points;
}

exporting::BatchPoint LiveCapture::about(std::uint32_t number) const {
  const std::size_t at = number / kPointsPerInput;
  const auto in_input = static_cast<std::uint16_t>(number % kPointsPerInput);
  const LiveStatus& status = statuses_[at];
  PointHint hint = inputs_[at].point;
  exporting::BatchPoint point;
  if (in_input >= capture::kInterfacesMax) {
    hint = mirrors(at).at(in_input);
    const MirrorSums sums = sums_of_mirror(status.mirrors, in_input);
    point.packets = sums.packets;
    point.lost_packets = sums.lost;
  } else {
    point.packets = status.capture.packets;
    point.lost_packets = status.capture.dropped_by_ring;  // empty: not known
    if (point.lost_packets && status.capture.dropped_by_interface)
      *point.lost_packets += *status.capture.dropped_by_interface;
  }
  const bool is_head = inputs_[at].way == CaptureWay::kEbpf;
  point.stamps = stamps_of_point({.source = inputs_[at].feed.stamps,
                                  .switches = status.stamped,
                                  .number = in_input,
                                  .is_interface = in_input < capture::kInterfacesMax,
                                  .packets = point.packets},
                                 capture_stamps(status.capture.stamps, is_head ? "ebpf" : "ring"));
  point.name = hint.name;
  point.role = hint.role.empty() ? role_of_name(hint.name) : hint.role;
  point.order = hint.order;
  point.reached_ns = status.reached_ns;
  point.ended = status.ended;
  return point;
}

bool LiveCapture::has_ended() const {
  return std::all_of(statuses_.begin(), statuses_.end(), [](const LiveStatus& status) { return status.ended; });
}

}  // namespace hoptap::appliance
