#include "linker/baseline.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"

namespace hoptap::linker {
namespace {

constexpr std::int64_t kSpreadMinNs = 10'000;

/// 1 + floor(log2(bytes)): messages within a factor of two are alike.
std::uint64_t size_class(std::uint64_t bytes) { return static_cast<std::uint64_t>(std::bit_width(bytes)) + 1; }

/// Protocols, and handshakes apart from data, ask different things of a server.
std::uint64_t service_class(const flowtable::HopRecord& record) {
  const std::uint32_t handshake = record.flags & flowtable::record_flag::kHandshake;
  return base::hash_values(base::hash_bytes(base::as_bytes(record.protocol)), handshake) | 1;
}

/// The quick times of a link whose receiver is sometimes still awake from the packet before are far below the rest, by
/// a good part of the usual one. Then those above it say how its times spread.
Usual usual_of(const base::Sketch& sketch) {
  // Of an exponential distribution: from the 5th to the 20th percentile it goes ln(0.95 / 0.8) of its mean, from the
  // 20th to the 40th ln(0.8 / 0.6).
  constexpr double kBelowToAbove = 0.172 / 0.288;
  const std::int64_t usual = sketch.quantile_ns(0.20);
  const std::int64_t below = usual - sketch.quantile_ns(0.05);
  const bool is_far_below = below > usual / 4;
  const auto above = static_cast<std::int64_t>(kBelowToAbove * static_cast<double>(sketch.quantile_ns(0.40) - usual));
  return {usual, std::max(is_far_below && 2 * above < below ? above : below, kSpreadMinNs), true};
}

}  // namespace

Baseline::Key Baseline::exact_key(const Trace& trace, const Part& part) {
  Key key{trace.path, part.kind, trace.hops[part.from].node, trace.hops[part.to].node, 0};
  const flowtable::HopRecord& record = trace.hops[part.from].record;
  if (part.kind == PartKind::kClientSend) key.sort = size_class(record.request.bytes);
  if (part.kind == PartKind::kServerSend) key.sort = size_class(record.response.bytes);
  if (is_serving(part.kind)) key.sort = service_class(record);
  return key;
}

Baseline::Key Baseline::loose_key(const Trace& trace, const Part& part) {
  Key key = exact_key(trace, part);
  key.path = 0;
  if (is_serving(part.kind)) key.sort = 0;
  return key;
}

void Baseline::learn(const Key& key, std::int64_t value_ns) {
  auto known = sketches_.find(key);
  if (known == sketches_.end()) {
    if (sketches_.size() >= kSketchesMax) {
      ++refused_;
      return;
    }
    known = sketches_.emplace(key, base::Sketch{}).first;
  }
  known->second.add(value_ns);
}

void Baseline::add(const Trace& trace) {
  for (const Part& part : trace.parts) {
    if (part.kind == PartKind::kDelayedAck) continue;
    learn(exact_key(trace, part), part.time_ns);
    learn(loose_key(trace, part), part.time_ns);
  }
}

const base::Sketch* Baseline::find(const Key& key) const {
  const auto known = sketches_.find(key);
  return known != sketches_.end() && known->second.count() >= kRequestsMin ? &known->second : nullptr;
}

/// Rarely sent sizes take after the next smaller size that is sent often enough, in proportion.
Usual Baseline::scaled_from_smaller(Key key) const {
  for (std::int64_t scale = 2; key.sort > 1 && scale <= 1 << 20; scale *= 2) {
    --key.sort;
    const base::Sketch* sketch = find(key);
    if (sketch == nullptr) continue;
    constexpr std::int64_t kUsualMaxNs = 3'600'000'000'000;  // longer than anything that is compared
    const Usual usual = usual_of(*sketch);
    const auto scaled = [&](std::int64_t time_ns) { return std::min(time_ns, kUsualMaxNs / scale) * scale; };
    return {scaled(usual.time_ns), scaled(std::max(usual.time_ns, usual.spread_ns)), true};
  }
  return {};
}

double Baseline::tail_share(PartKind kind, const NodeId& near, const NodeId& far, std::int64_t from_ns) const {
  const base::Sketch* sketch = find({0, kind, near, far, 0});
  if (sketch == nullptr) return 0;
  return static_cast<double>(sketch->count_from(from_ns)) / static_cast<double>(sketch->count());
}

Usual Baseline::usual_between(PartKind kind, const NodeId& near, const NodeId& far) const {
  const base::Sketch* sketch = find({0, kind, near, far, 0});
  return sketch == nullptr ? Usual{} : usual_of(*sketch);
}

Usual Baseline::usual(const Trace& trace, const Part& part) const {
  if (part.kind == PartKind::kDelayedAck) return {0, kSpreadMinNs, true};
  const Key exact = exact_key(trace, part);
  if (const base::Sketch* sketch = find(exact)) return usual_of(*sketch);
  const Key loose = loose_key(trace, part);
  if (const base::Sketch* sketch = find(loose)) return usual_of(*sketch);
  return is_sending(part.kind) ? scaled_from_smaller(loose) : Usual{};
}

}  // namespace hoptap::linker
