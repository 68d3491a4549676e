#include "appliance/probe/batcher.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>
#include <vector>

#include "base/hash.h"

namespace hoptap::appliance {
namespace {

std::uint64_t text_hash(const std::string& text) { return base::hash_bytes(base::as_bytes(text)); }

/// Of the file's size and first bytes; a capture is told from another by less.
base::Outcome<std::uint64_t> file_hash(const std::string& path) {
  if (path == "-") return 0;
  constexpr std::size_t kBytes = 65536;
  struct stat about {};
  std::ifstream file(path, std::ios::binary);
  if (!file || ::stat(path.c_str(), &about) != 0)
    return tl::unexpected(base::Failure{fmt::format("{}: {}", path, std::strerror(errno))});
  std::string begin(kBytes, '\0');
  file.read(begin.data(), kBytes);
  begin.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return base::hash_values(about.st_size, text_hash(begin));
}

using Places = std::map<std::uint32_t, std::uint32_t>;  ///< of points in a batch, by their number in records

}  // namespace

std::string ReplayMark::text() const { return fmt::format("replay 1 {:x} {} {}", inputs, records, done ? 1 : 0); }

std::optional<ReplayMark> ReplayMark::read(const std::string& text) {
  ReplayMark mark;
  int done = 0;
  if (std::sscanf(text.c_str(), "replay 1 %" SCNx64 " %" SCNu64 " %d", &mark.inputs, &mark.records, &done) != 3)
    return std::nullopt;
  mark.done = done != 0;
  return mark;
}

namespace {

/// Of every limit that records depend on.
std::uint64_t hash_of(const flowtable::FlowTableConfig& flows) {
  return base::hash_values(flows.flows_max, flows.ledgers_max, flows.held_bytes_max, flows.exchanges_max,
                           flows.text_bytes_max, flows.idle_timeout_ns, flows.udp_timeout_ns, flows.opening_timeout_ns,
                           flows.l7, flows.key.vlan, flows.key.tunnel_id);
}

std::uint64_t hash_of(const FeedConfig& feed) {
  std::uint64_t hash = base::hash_values(feed.mirrors.size(), feed.stamps);
  for (const MirrorHint& mirror : feed.mirrors) {
    const decode::MirrorRule& rule = mirror.rule;
    hash =
        base::hash_values(hash, rule.kind, rule.id, rule.from ? text_hash(rule.from->text()) : 0,
                          rule.port.value_or(UINT32_MAX), rule.egress ? 1 + *rule.egress : 0,
                          text_hash(mirror.point.name), text_hash(mirror.point.role), mirror.point.order.value_or(0));
  }
  return hash;
}

}  // namespace

base::Outcome<std::uint64_t> hash_of_inputs(const ProbeConfig& config) {
  std::uint64_t hash = base::hash_values(text_hash(HOPTAP_VERSION), text_hash(config.filter), config.metrics.length_ns,
                                         config.metrics.grace_ns, config.metrics.rows_max, hash_of(config.flows),
                                         config.replay_speed > 0);  // the order of records
  for (const std::uint16_t port : config.vxlan_ports) hash = base::hash_values(hash, port);
  for (const ReplayInput& input : config.replay) {
    const auto file = file_hash(input.file);
    if (!file) return tl::unexpected(file.error());
    hash = base::hash_values(hash, text_hash(input.point.name), text_hash(input.point.role),
                             input.point.order.value_or(0), hash_of(input.feed), *file);
  }
  return hash;
}

Batcher::Batcher(const ProbeConfig& config, ReplayMark mark) : config_(config), mark_(mark), skip_(mark.records) {
  if (config.metrics.length_ns == 0) return;
  metrics_ = std::make_unique<ProbeMetrics>(config.metrics, config.totals_max, [this](exporting::MetricsRow&& row) {
    if (!passes_over()) gathered_.emplace_back(std::move(row));
  });
}

bool Batcher::passes_over() {
  if (skip_ == 0) return false;
  --skip_;
  return true;
}

void Batcher::hop(const flowtable::HopRecord& record) {
  if (metrics_) metrics_->add(record);
  if (passes_over()) return;
  text_bytes_ += exporting::text_bytes(record);
  gathered_.emplace_back(record);
}

void Batcher::leg(const flowtable::LegRecord& record) {
  if (!passes_over()) gathered_.emplace_back(record);
}

void Batcher::metrics(const flowtable::FlowMetrics& flow) {
  if (metrics_) metrics_->add(flow);
}

void Batcher::advance(const PointSet& points) {
  if (metrics_) metrics_->advance(points);
}

bool Batcher::is_due(const PointSet& points) const {
  if (skip_ > 0) return false;
  return gathered_.size() >= config_.batch_records_max || text_bytes_ >= kTextBytesMax ||
         points.reached_ns() >= taken_at_ns_ + kStretchNs;
}

/// How many records the next batch takes: as many as may be in one, by number and by the size of their texts.
std::size_t Batcher::next_count() const {
  std::size_t texts = 0, count = 0;
  std::size_t rows = 0;  // of metrics
  while (count < std::min(gathered_.size(), config_.batch_records_max) && texts < kTextBytesMax &&
         rows < exporting::batch_limit::kMetricsRows) {
    const auto& record = gathered_[count++];
    rows += std::holds_alternative<exporting::MetricsRow>(record) ? 1 : 0;
    const auto* hop = std::get_if<flowtable::HopRecord>(&record);
    if (hop != nullptr) texts += exporting::text_bytes(*hop);
  }
  return count;
}

exporting::Batch Batcher::take(const PointSet& points) {
  const std::size_t count = next_count();
  const bool rest = count == gathered_.size();
  exporting::Batch batch;
  Places places;
  points.each([&](const PointMoment& moment) {
    places[moment.point] = static_cast<std::uint32_t>(batch.points.size());
    batch.points.push_back(points.about(moment.point));
    batch.points.back().ended = moment.ended && rest;
  });
  for (std::size_t at = 0; at < count; ++at) {
    if (auto* hop = std::get_if<flowtable::HopRecord>(&gathered_.front())) {
      text_bytes_ -= exporting::text_bytes(*hop);
      if (finder_ != nullptr) finder_->attribute(*hop);
      hop->point = places.at(hop->point);
      batch.hops.push_back(std::move(*hop));
    } else if (auto* leg = std::get_if<flowtable::LegRecord>(&gathered_.front())) {
      if (finder_ != nullptr) finder_->attribute(*leg);
      leg->point = places.at(leg->point);
      batch.legs.push_back(std::move(*leg));
    } else {
      auto& row = std::get<exporting::MetricsRow>(gathered_.front());
      row.key.point = places.at(row.key.point);
      batch.metrics.push_back(std::move(row));
    }
    gathered_.pop_front();
  }
  mark_.records += count;
  mark_.done = rest && points.has_ended();
  taken_at_ns_ = points.reached_ns();
  return batch;
}

}  // namespace hoptap::appliance
