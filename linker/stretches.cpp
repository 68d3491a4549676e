#include "linker/stretches.h"

#include <algorithm>

namespace hoptap::linker {
namespace {

const NodeId& near_of(const Trace& trace, const Stretch& stretch) { return trace.stops[stretch.stop].node; }
const NodeId& far_of(const Trace& trace, const Stretch& stretch) {
  return trace.stops[stretch.stop + (stretch.is_server ? 0 : 1)].node;
}

PartKind kind_of(const Trace& trace, const Part& part, const Stretch& stretch) {
  if (stretch.is_server) return part.kind;
  const bool gateway = trace.stops[stretch.stop].stream != trace.stops[stretch.stop + 1].stream;
  return gateway ? PartKind::kGateway : PartKind::kSegment;
}

double losses_in(const Trace& trace, const Stretch& stretch) {
  double sum = 0;
  for (const Loss& loss : trace.losses) {
    const bool of_data = loss.what == Lost::kRequest || loss.what == Lost::kResponse;
    if (of_data && !stretch.is_server && loss.from == stretch.stop) sum += loss.probability;
  }
  return sum;
}

}  // namespace

std::vector<Stretch> stretches_of(const Trace& trace, const Part& part) {
  std::vector<Stretch> stretches;
  const std::size_t from = stop_of(trace, part.from);
  const bool segment = part.kind == PartKind::kSegment || part.kind == PartKind::kGateway;
  const std::size_t end = is_serving(part.kind) ? trace.stops.size() - 1 : segment ? stop_of(trace, part.to) : from;
  for (std::size_t stop = from; stop < end; ++stop) stretches.push_back({stop, false});
  if (!segment) stretches.push_back({end, true});
  return stretches;
}

Usual usual_of(const Baseline& baseline, const Trace& trace, const Part& part, const std::vector<Stretch>& stretches) {
  const Usual learned = baseline.usual(trace, part);
  if (learned.known || stretches.size() < 2) return learned;
  Usual sum{0, 0, true};
  for (const Stretch& stretch : stretches) {
    const Usual one =
        baseline.usual_between(kind_of(trace, part, stretch), near_of(trace, stretch), far_of(trace, stretch));
    if (!one.known) return {};
    sum.time_ns += one.time_ns;
    sum.spread_ns += one.spread_ns;
  }
  return sum;
}

Likeliest likeliest_of(const Baseline& baseline, const Trace& trace, const Part& part,
                       const std::vector<Stretch>& stretches, std::int64_t excess_ns) {
  if (stretches.size() == 1) return {stretches.front(), 1};
  std::vector<double> weight;
  weight.reserve(stretches.size());
  for (const Stretch& stretch : stretches) weight.push_back(losses_in(trace, stretch));
  const bool lossy = std::any_of(weight.begin(), weight.end(), [](double value) { return value > 0; });
  for (std::size_t at = 0; at < weight.size() && !lossy; ++at) {
    const PartKind kind = kind_of(trace, part, stretches[at]);
    const NodeId &near = near_of(trace, stretches[at]), &far = far_of(trace, stretches[at]);
    const std::int64_t slow_ns = baseline.usual_between(kind, near, far).time_ns + excess_ns / 2;
    weight[at] = baseline.tail_share(kind, near, far, slow_ns);
  }
  constexpr double kUnseen = 1e-4;  // what a stretch that never was that slow may still do
  double sum = 0;
  for (double& value : weight) {
    value += kUnseen;
    sum += value;
  }
  const auto best = static_cast<std::size_t>(std::max_element(weight.begin(), weight.end()) - weight.begin());
  return {stretches[best], weight[best] / sum};
}

}  // namespace hoptap::linker
