#include "appliance/tracer/trace_writer.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "export/trace_codec.h"

namespace hoptap::appliance {
namespace {

/// Of a hop, whatever trace it is in.
std::uint64_t anchor_of(const linker::Hop& hop) {
  return base::hash_values(base::hash_bytes(base::as_bytes(hop.point)), hop.record.leg_id, hop.record.record_id);
}

/// Equal for times that nobody would tell apart: within a tenth.
std::int64_t rough(std::int64_t time_ns) {
  const double size = std::abs(static_cast<double>(time_ns)) / 1000;
  return size < 1 ? 0 : static_cast<std::int64_t>(std::lround(std::log(size) * 10));
}

/// Of what a person notices about a trace: its hops and parts, and who is to blame.
std::uint64_t gist_of(const linker::Trace& trace, const linker::Judgement& judgement) {
  std::uint64_t gist = base::hash_values(trace.path, trace.flags, trace.parts.size(), trace.losses.size());
  for (const linker::Hop& hop : trace.hops) gist = base::hash_values(gist, anchor_of(hop));
  for (const linker::Part& part : trace.parts)
    gist = base::hash_values(gist, part.kind, part.from, part.to, rough(part.time_ns));
  for (const linker::Loss& loss : trace.losses) gist = base::hash_values(gist, loss.what, loss.from);
  const linker::Verdict& verdict = judgement.verdict;
  for (const std::string* name : {&verdict.from, &verdict.to, &verdict.at})
    gist = base::hash_values(gist, base::hash_bytes(base::as_bytes(*name)));
  return base::hash_values(gist, verdict.kind, rough(verdict.excess_ns), std::lround(verdict.confidence * 10)) | 1;
}

}  // namespace

base::Outcome<void> TraceWriter::take(linker::Trace&& trace, linker::Judgement&& judgement, bool last) {
  for (std::uint64_t copy = 1; seen_.count(trace.id) > 0; ++copy) trace.id = base::hash_values(trace.id, copy);
  seen_.insert(trace.id);
  if (last) final_ids_.push_back(trace.id);
  std::vector<std::uint8_t> encoded;
  exporting::encode(trace, judgement, encoded);
  OpenState state;
  state.digest = base::hash_bytes(encoded);
  state.gist = gist_of(trace, judgement);
  state.round = round_;
  const auto known = open_.find(trace.id);
  if (known != open_.end()) {
    known->second.round = round_;
    const bool every_change = exact_ || last || known->second.gist == 0;
    if (known->second.digest == state.digest) known->second.gist = state.gist;
    if (!trace.hops.empty()) known->second.anchor = anchor_of(trace.hops.front());
    if (known->second.digest == state.digest || (!every_change && known->second.gist == state.gist)) return {};
    state.revision = known->second.revision;
  }
  if (!trace.hops.empty()) state.anchor = anchor_of(trace.hops.front());
  ++state.revision;
  for (const linker::Hop& hop : trace.hops) anchors_.emplace_back(anchor_of(hop), trace.id);
  states_.emplace_back(trace.id, state);
  changed_.push_back({std::move(trace), std::move(judgement), std::move(encoded), state.revision});
  return changed_.size() < kTracesAtOnce ? base::Outcome<void>() : flush();
}

base::Outcome<void> TraceWriter::flush() {
  std::vector<exporting::TraceRow> rows;
  for (const Changed& one : changed_) {
    const auto* bytes = reinterpret_cast<const char*>(one.encoded.data());
    rows.push_back({&one.trace, &one.judgement, {bytes, one.encoded.size()}, one.revision});
  }
  auto stored = store_.put_traces({.put = rows, .remove = {}, .renamed = {}});
  if (!stored) return stored;
  for (const auto& [id, state] : states_) open_[id] = state;
  written_ += changed_.size();
  changed_.clear();
  states_.clear();
  return {};
}

base::Outcome<void> TraceWriter::finish() {
  if (auto flushed = flush(); !flushed) return flushed;
  std::vector<std::uint64_t> gone;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> renamed;
  std::sort(anchors_.begin(), anchors_.end());
  for (const auto& [id, state] : open_) {
    if (state.round == round_) continue;
    gone.push_back(id);
    const auto now = std::lower_bound(anchors_.begin(), anchors_.end(), std::pair(state.anchor, std::uint64_t{0}));
    if (state.anchor != 0 && now != anchors_.end() && now->first == state.anchor) renamed.emplace_back(id, now->second);
  }
  if (gone.empty()) return {};
  std::sort(gone.begin(), gone.end());
  auto removed = store_.put_traces({.put = {}, .remove = gone, .renamed = renamed});
  if (!removed) return removed;
  for (const std::uint64_t id : gone) open_.erase(id);
  return {};
}

}  // namespace hoptap::appliance
