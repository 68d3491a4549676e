#include "appliance/probe/live_capture.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "appliance/probe/privileges.h"
#include "bpf-optional/head_tap.h"

namespace hoptap::appliance {
namespace {

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
  sum.ended = sum.ended && more.ended;
  merge_sessions(sum.mirrors, more.mirrors);
  sum.unlisted_mirror_packets += more.unlisted_mirror_packets;
  sum.stamps.taken += more.stamps.taken;
  sum.stamps.absent += more.stamps.absent;
  sum.stamps.implausible += more.stamps.implausible;
  if (sum.trouble.empty()) sum.trouble = more.trouble;
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
  constexpr std::uint32_t kSharedMax = 8;  // fanout_group()
  std::unique_ptr<LiveCapture> live(new LiveCapture(inputs));
  const std::uint64_t seed = secret_seed();
  std::uint32_t shared = 0;
  if (auto started = start_dpdk(inputs, config.dpdk); !started) return tl::unexpected(started.error());
  for (const LiveInput& input : inputs)
    live->mirrors_.push_back(
        std::make_shared<decode::MirrorPoints>(mirror_config(input.feed.mirrors, mirror_points_max(inputs.size()))));
  for (std::size_t at = 0; at < inputs.size(); ++at) {
    LiveWorkerConfig one = config;
    one.flows.key.seed = seed;
    one.input = inputs[at];
    one.point = static_cast<std::uint32_t>(at) * kPointsPerInput;
    one.mirrors = live->mirrors_[at];
    const bool by_fanout = inputs[at].workers > 1 && inputs[at].way != CaptureWay::kDpdk;
    if (by_fanout && shared == kSharedMax)
      return tl::unexpected(
          base::Failure{"at most 8 interfaces of a probe can have several workers; start another probe"});
    if (by_fanout) {
      if (shared == 0) live->fanout_program_ = capture::Descriptor(bpf::load_fanout_program().value_or(-1));
      one.input.capture.fanout = capture::Fanout{.group = capture::fanout_group(shared++),
                                                 .defragments = true,
                                                 .by_inner_flow = true,
                                                 .program = live->fanout_program_.get()};
    }
    auto sources = open_queues(one.input);
    if (!sources) return tl::unexpected(sources.error());
    for (std::unique_ptr<capture::LiveSource>& source : *sources) {
      auto worker = LiveWorker::open(one, std::move(source));
      if (!worker) return tl::unexpected(worker.error());
      live->members_.push_back({at, std::move(*worker)});
    }
  }
  const bool enters_namespaces = std::any_of(
      inputs.begin(), inputs.end(), [](const LiveInput& input) { return !input.capture.network_namespace.empty(); });
  const auto drop = [&] { return drop_privileges(enters_namespaces, live->attaches_programs()); };
  if (auto dropped = drop(); !dropped) return tl::unexpected(dropped.error());
  if (auto dropped = capture::in_dpdk_thread(drop); !dropped) return tl::unexpected(dropped.error());
  return live;
}

bool LiveCapture::attaches_programs() const {
  return std::any_of(inputs_.begin(), inputs_.end(),
                     [](const LiveInput& input) { return input.way == CaptureWay::kEbpf; });
}

void LiveCapture::start() {
  for (const Member& member : members_) member.worker->start();
}

std::vector<LiveStatus> LiveCapture::look() const {
  std::vector<std::optional<LiveStatus>> found(inputs_.size());
  for (const Member& member : members_) {
    LiveStatus status = member.worker->status();
    if (found[member.input]) {
      merge(*found[member.input], status);
    } else {
      found[member.input] = std::move(status);
    }
  }
  std::vector<LiveStatus> statuses;
  statuses.reserve(found.size());
  for (std::optional<LiveStatus>& one : found) statuses.push_back(std::move(*one));
  return statuses;
}

std::size_t LiveCapture::gather(flowtable::RecordSink& sink) {
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
