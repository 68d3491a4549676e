#include "appliance/replay.h"

#include <algorithm>

#include "capture/file_source.h"

namespace hoptap::appliance {

Feed::Feed(std::string path, std::uint32_t index, std::unique_ptr<capture::Source> source, const ReplayConfig& config,
           flowtable::RecordSink& sink)
    : path_(std::move(path)),
      point_base_(index * kPointsPerFeed),
      source_(std::move(source)),
      decoder_(config.decode),
      flows_(config.flows, point_base_, sink),
      packets_(capture::kBatchPackets),
      decoded_(capture::kBatchPackets) {}

base::Outcome<std::unique_ptr<Feed>> Feed::open(const std::string& path, std::uint32_t index,
                                                const ReplayConfig& config, flowtable::RecordSink& sink) {
  auto source = capture::open_file(path);
  if (!source) return tl::unexpected(source.error());
  std::unique_ptr<Feed> feed(new Feed(path, index, std::move(*source), config, sink));
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
    flows_.finish();
    ended_ = true;
    return false;
  }
  if (first_ns_ == 0) first_ns_ = ahead_.front().time_ns;
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
  now_ns_ = std::max(now_ns_, batch.back().time_ns);
  if (filter_) batch = batch.first(filter_->apply(batch, source_->interfaces()));
  const std::span<decode::Decoded> decoded = std::span(decoded_).first(batch.size());
  decoder_.decode(batch, source_->interfaces(), decoded);
  flows_.add(decoded);
}

std::string Feed::complaint() const {
  const std::string of_source = source_->complaint();
  const std::string of_filter = filter_ ? filter_->complaint() : "";
  return of_source + (of_source.empty() || of_filter.empty() ? "" : "; ") + of_filter;
}

base::Outcome<Replay> Replay::open(const std::vector<std::string>& paths, const ReplayConfig& config,
                                   flowtable::RecordSink& sink) {
  Replay replay;
  for (const std::string& path : paths) {
    auto feed = Feed::open(path, static_cast<std::uint32_t>(replay.feeds_.size()), config, sink);
    if (!feed) return tl::unexpected(feed.error());
    replay.feeds_.push_back(std::move(*feed));
  }
  return replay;
}

std::uint64_t Replay::position(const Feed& feed) const { return feed.now_ns() - (relative_ ? feed.first_ns() : 0); }

std::uint64_t Replay::earliest_ns() const {
  std::uint64_t earliest = UINT64_MAX;
  for (const auto& feed : feeds_)
    if (feed->first_ns() != 0) earliest = std::min(earliest, feed->first_ns());
  return earliest == UINT64_MAX ? 0 : earliest;
}

void Replay::compare_clocks() {
  constexpr std::uint64_t kSharedTimeNs = 3'600'000'000'000;  // clocks farther apart than this are not set
  const std::uint64_t earliest = earliest_ns();
  std::uint64_t latest = 0;
  for (const auto& feed : feeds_) latest = std::max(latest, feed->first_ns());
  relative_ = latest > earliest && latest - earliest > kSharedTimeNs;
}

bool Replay::step() {
  compare_clocks();
  Feed* behind = nullptr;
  for (const auto& feed : feeds_)
    if (!feed->ended() && (behind == nullptr || position(*feed) < position(*behind))) behind = feed.get();
  if (behind == nullptr) return false;
  behind->step();
  return true;
}

std::optional<std::uint64_t> Replay::read_until(std::uint64_t elapsed_ns) {
  for (const auto& feed : feeds_) feed->next_ns();
  compare_clocks();
  const std::uint64_t began_ns = earliest_ns();
  while (true) {  // in the order of packets, so that the same records come in the same order at any pace
    Feed* next = nullptr;
    std::uint64_t next_after_ns = UINT64_MAX, then_after_ns = UINT64_MAX;
    for (const auto& feed : feeds_) {
      const auto at_ns = feed->next_ns();
      if (!at_ns) continue;
      const std::uint64_t after_ns = *at_ns - std::min(*at_ns, relative_ ? feed->first_ns() : began_ns);
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
    next->take_until((relative_ ? next->first_ns() : began_ns) + std::min(then_after_ns, elapsed_ns));
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

}  // namespace hoptap::appliance
