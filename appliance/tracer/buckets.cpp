#include "appliance/tracer/buckets.h"

namespace hoptap::appliance {
namespace {

using linker::PartKind;

bool has_segment(const linker::Trace& trace, const linker::Loss& loss) { return loss.from + 1 < trace.stops.size(); }

}  // namespace

void Buckets::begin() {
  if (!status_) final_.clear();  // some of it is not whole: it is read anew
  status_ = {};
  next_.clear();
  round_.clear();
  open_.clear();
}

const Buckets::Sums& Buckets::final_of(std::uint64_t bucket) {
  const auto known = final_.find(bucket);
  if (known != final_.end()) return known->second;
  Sums& sums = final_[bucket];
  auto recalled =
      recall_(bucket * length_ns_, (bucket + 1) * length_ns_,
              [&](const linker::Trace& trace, const linker::Judgement& judgement) { add_to(sums, trace, judgement); });
  if (!recalled) status_ = std::move(recalled);
  return sums;
}

void Buckets::add(const linker::Trace& trace, const linker::Judgement& judgement, bool last) {
  if (trace.hops.empty()) return;
  const std::uint64_t bucket = linker::start_ns(trace) / length_ns_;
  auto round = round_.find(bucket);
  if (round == round_.end()) round = round_.emplace(bucket, final_of(bucket)).first;
  add_to(round->second, trace, judgement);
  if (!last) open_.insert(bucket);
  if (!last) return;
  auto next = next_.find(bucket);
  if (next == next_.end()) next = next_.emplace(bucket, final_of(bucket)).first;
  add_to(next->second, trace, judgement);
}

void Buckets::add_to(Sums& sums, const linker::Trace& trace, const linker::Judgement& judgement) const {
  ++sums.traces;
  sums.judge.add(trace, judgement);
  const std::uint64_t start_ns = linker::start_ns(trace) / length_ns_ * length_ns_;
  const auto row_of = [&](PartKind kind, const std::string& from, const std::string& to) -> exporting::SegmentRow& {
    exporting::SegmentRow& row = sums.segments[{kind, from, to}];
    row.bucket_start_ns = start_ns;
    row.bucket_ns = length_ns_;
    row.kind = kind;
    row.from = from;
    row.to = to;
    return row;
  };
  for (const linker::Part& part : trace.parts) {
    exporting::SegmentRow& row = row_of(part.kind, trace.hops[part.from].point, trace.hops[part.to].point);
    row.times.add(part.time_ns);
    row.request_copies_lost += part.request_copies_lost;
    row.response_copies_lost += part.response_copies_lost;
  }
  for (const linker::Loss& loss : trace.losses) {
    if (!has_segment(trace, loss)) continue;
    row_of(PartKind::kSegment, trace.stops[loss.from].point, trace.stops[loss.from + 1].point).losses +=
        loss.probability;
  }
}

std::vector<std::uint64_t> Buckets::starts() {
  for (const std::uint64_t bucket : before_) {
    if (round_.count(bucket) == 0) round_.emplace(bucket, final_of(bucket));
  }
  std::vector<std::uint64_t> starts;
  for (const auto& [bucket, sums] : round_) starts.push_back(bucket * length_ns_);
  return starts;
}

std::vector<exporting::WindowRow> Buckets::windows() const {
  std::vector<exporting::WindowRow> rows;
  for (const auto& [bucket, sums] : round_) {
    if (sums.traces > 0) rows.push_back({bucket * length_ns_, (bucket + 1) * length_ns_, sums.judge.finish(), false});
  }
  return rows;
}

std::vector<exporting::SegmentRow> Buckets::segments() const {
  std::vector<exporting::SegmentRow> rows;
  for (const auto& [bucket, sums] : round_) {
    for (const auto& [key, row] : sums.segments) rows.push_back(row);
  }
  return rows;
}

void Buckets::commit() {
  before_ = open_;
  for (auto& [bucket, sums] : next_) final_[bucket] = std::move(sums);
  next_.clear();
  while (final_.size() > kFinalMax) final_.erase(final_.begin());
}

}  // namespace hoptap::appliance
