#include "appliance/replay.h"

#include <algorithm>

#include "appliance/stamps.h"
#include "capture/file_source.h"

namespace hoptap::appliance {

Feed::Feed(std::string path, std::uint32_t index, std::unique_ptr<capture::Source> source, const ReplayConfig& config,
           const FeedConfig& feed, std::size_t mirror_points_max, flowtable::RecordSink& sink)
    : path_(std::move(path)),
      point_base_(index * kPointsPerFeed),
      source_(std::move(source)),
      decoder_(config.decode),
      mirror_hints_(feed.mirrors),
      mirror_points_(std::make_shared<decode::MirrorPoints>(mirror_config(mirror_hints_, mirror_points_max))),
      splitter_(mirror_points_),
      stamps_(feed.stamps),
      flows_(config.flows, point_base_, sink),
      packets_(capture::kBatchPackets),
      decoded_(capture::kBatchPackets) {}

base::Outcome<std::unique_ptr<Feed>> Feed::open(const std::string& path, std::uint32_t index,
                                                const ReplayConfig& config, std::size_t mirror_points_max,
                                                flowtable::RecordSink& sink) {
  auto source = capture::open_file(path);
  if (!source) return tl::unexpected(source.error());
  const FeedConfig own = index < config.feeds.size() ? config.feeds[index] : FeedConfig();
  std::unique_ptr<Feed> feed(new Feed(path, index, std::move(*source), config, own, mirror_points_max, sink));
  if (!config.filter.empty()) {
    auto filter = capture::PacketFilter::compile(config.filter);
    if (!filter) return tl::unexpected(filter.error());
    feed->filter_ = std::move(*filter);
  }
  return feed;
}

/// Reads a batch when none is at hand. False at the end.
bool Feed::fetch() {
  if (ended_) return false;
  if (ahead_.empty()) ahead_ = std::span(packets_).first(source_->poll(packets_));
  if (ahead_.empty()) {
    splitter_.finish();
    flows_.finish();
    ended_ = true;
    return false;
  }
  if (captured_first_ns_ == 0) captured_first_ns_ = ahead_.front().time_ns;
  return true;
}

bool Feed::step() {
  if (!fetch()) return false;
  take(ahead_.size());
  return true;
}

std::optional<std::uint64_t> Feed::next_ns() {
  if (!fetch()) return std::nullopt;
  return ahead_.front().time_ns;
}

void Feed::take_until(std::uint64_t time_ns) {
  const auto later = std::find_if(ahead_.begin(), ahead_.end(),
                                  [time_ns](const capture::Packet& packet) { return packet.time_ns > time_ns; });
  if (later != ahead_.begin()) take(static_cast<std::size_t>(later - ahead_.begin()));
}

void Feed::take(std::size_t count) {
  std::span<capture::Packet> batch = ahead_.first(count);
  ahead_ = ahead_.subspan(count);
  if (!stamps_.are_used()) note_times(batch.front().time_ns, batch.back().time_ns);
  if (filter_) batch = batch.first(filter_->apply(batch, source_->interfaces()));
  const std::span<decode::Decoded> decoded = std::span(decoded_).first(batch.size());
  decoder_.decode(batch, source_->interfaces(), decoded);
  if (stamps_.are_used() && !decoded.empty()) {
    stamps_.apply(batch, decoded);
    const auto latest = std::max_element(
        decoded.begin(), decoded.end(), [](const auto& one, const auto& other) { return one.time_ns < other.time_ns; });
    note_times(decoded.front().time_ns, latest->time_ns);
  }
  splitter_.split(decoded, decoder_.erspan_packets());
  stamps_.note_points(decoded);
  flows_.add(decoded);
}

void Feed::note_times(std::uint64_t first_ns, std::uint64_t last_ns) {
  if (first_ns_ == 0) first_ns_ = first_ns;
  now_ns_ = std::max(now_ns_, last_ns);
}

std::string Feed::complaint() const {
  const std::string of_source = source_->complaint();
  const std::string of_filter = filter_ ? filter_->complaint() : "";
  return of_source + (of_source.empty() || of_filter.empty() ? "" : "; ") + of_filter;
}

base::Outcome<Replay> Replay::open(const std::vector<std::string>& paths, const ReplayConfig& config,
                                   flowtable::RecordSink& sink) {
  Replay replay;
  const std::size_t points_max = mirror_points_max(paths.size());
  for (const std::string& path : paths) {
    auto feed = Feed::open(path, static_cast<std::uint32_t>(replay.feeds_.size()), config, points_max, sink);
    if (!feed) return tl::unexpected(feed.error());
    replay.feeds_.push_back(std::move(*feed));
  }
  return replay;
}

std::uint64_t Replay::position(const Feed& feed) const { return feed.now_ns() - (relative_ ? feed.first_ns() : 0); }

Replay::Beginning Replay::beginning(std::uint64_t (Feed::*first_ns)() const) const {
  constexpr std::uint64_t kSharedTimeNs = 3'600'000'000'000;  // clocks farther apart than this are not set
  std::uint64_t earliest = UINT64_MAX, latest = 0;
  for (const auto& feed : feeds_) {
    const std::uint64_t first = (feed.get()->*first_ns)();
    if (first != 0) earliest = std::min(earliest, first);
    latest = std::max(latest, first);
  }
  return {.earliest_ns = latest == 0 ? 0 : earliest, .is_shared = latest == 0 || latest - earliest <= kSharedTimeNs};
}

bool Replay::step() {
  relative_ = !beginning(&Feed::first_ns).is_shared;
  Feed* behind = nullptr;
  for (const auto& feed : feeds_)
    if (!feed->ended() && (behind == nullptr || position(*feed) < position(*behind))) behind = feed.get();
  if (behind == nullptr) return false;
  behind->step();
  return true;
}

std::optional<std::uint64_t> Replay::read_until(std::uint64_t elapsed_ns) {
  for (const auto& feed : feeds_) feed->next_ns();
  const Beginning all = beginning(&Feed::captured_first_ns);
  const auto began_ns = [&all](const Feed& feed) { return all.is_shared ? all.earliest_ns : feed.captured_first_ns(); };
  while (true) {  // in the order of packets, so that the same records come in the same order at any pace
    Feed* next = nullptr;
    std::uint64_t next_after_ns = UINT64_MAX, then_after_ns = UINT64_MAX;
    for (const auto& feed : feeds_) {
      const auto at_ns = feed->next_ns();
      if (!at_ns) continue;
      const std::uint64_t after_ns = *at_ns - std::min(*at_ns, began_ns(*feed));
      if (after_ns >= next_after_ns) {
        then_after_ns = std::min(then_after_ns, after_ns);
        continue;
      }
      then_after_ns = next_after_ns;
      next_after_ns = after_ns;
      next = feed.get();
    }
    if (next == nullptr) return std::nullopt;
    if (next_after_ns > elapsed_ns) return next_after_ns;
    next->take_until(began_ns(*next) + std::min(then_after_ns, elapsed_ns));
  }
}

capture::SourceProgress Replay::progress() const {
  capture::SourceProgress sum;
  bool known = true;
  for (const auto& feed : feeds_) {
    const capture::SourceProgress one = feed->source().progress();
    sum.done_bytes += one.done_bytes;
    sum.total_bytes += one.total_bytes;
    known = known && one.total_bytes > 0;
  }
  if (!known) sum.total_bytes = 0;
  return sum;
}

std::vector<NumberedPoint> points_of(const Feed& feed, const PointHint& hint) {
  std::vector<NumberedPoint> points;
  const auto interfaces = feed.source().interfaces();
  for (std::size_t n = 0; n < interfaces.size(); ++n) {
    PointHint point = hint;
    point.name = name_of_interface(hint.name, interfaces, n);
    if (point.role.empty()) point.role = role_of_name(point.name);
    points.push_back({feed.point_base() + static_cast<std::uint32_t>(n), std::move(point)});
  }
  const std::vector<decode::MirrorPoint> mirrors = feed.mirror_points();
  for (std::size_t at = 0; at < mirrors.size(); ++at) {
    PointHint whole = hint;
    whole.name = name_of_interface(hint.name, interfaces, mirrors[at].interface_id);
    points.push_back(
        {feed.point_base() + mirrors[at].number, point_of_mirror(feed.mirror_hints(), whole, mirrors, at)});
  }
  return points;
}

std::vector<exporting::PointStamp> stamps_of(const Feed& feed, std::uint32_t number) {
  const auto in_feed = static_cast<std::uint16_t>(number % Feed::kPointsPerFeed);
  StampedPoint point{.source = feed.stamps().source(),
                     .switches = feed.stamps().points(),
                     .number = in_feed,
                     .is_interface = in_feed < capture::kInterfacesMax,
                     .packets = feed.source().counters().packets};
  std::uint16_t interface_id = in_feed;
  if (!point.is_interface) {
    point.packets = sums_of_mirror(feed.mirror_sessions(), in_feed).packets;
    for (const decode::MirrorPoint& mirror : feed.mirror_points())
      if (mirror.number == in_feed) interface_id = mirror.interface_id;
  }
  const std::span<const capture::Interface> interfaces = feed.source().interfaces();
  const std::uint32_t unit_ns = interface_id < interfaces.size() ? interfaces[interface_id].unit_ns : 0;
  return stamps_of_point(point, {{.by = "file", .unit_ns = unit_ns, .packets = point.packets}});
}

}  // namespace hoptap::appliance
