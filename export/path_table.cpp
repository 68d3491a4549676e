#include "export/path_table.h"

#include <algorithm>

namespace hoptap::exporting {
namespace {

using linker::Part;
using linker::PartKind;

/// Parts at the client, then segments, then parts at the server; a wait for an ACK goes with its sender.
int stage_of(const PartTimes& part, const std::string& client) {
  if (part.kind == PartKind::kSegment || part.kind == PartKind::kGateway) return 1;
  return part.kind == PartKind::kClientSend || (part.kind == PartKind::kDelayedAck && part.from == client) ? 0 : 2;
}

PartTimes& times_of(PathTimes& path, const linker::Trace& trace, const Part& part) {
  const std::string& from = trace.hops[part.from].point;
  const std::string& to = trace.hops[part.to].point;
  for (PartTimes& known : path.parts) {
    if (known.kind == part.kind && known.from == from && known.to == to) return known;
  }
  PartTimes fresh{part.kind, from, to, {}, 0, 0};
  const int stage = stage_of(fresh, path.points.front());
  const auto place = std::find_if(path.parts.begin(), path.parts.end(),
                                  [&](const PartTimes& known) { return stage_of(known, path.points.front()) > stage; });
  return *path.parts.insert(place, std::move(fresh));
}

}  // namespace

void PathTable::add(const linker::Trace& trace) {
  if (trace.parts.empty()) return;
  std::vector<std::string> points;
  for (const linker::Hop& hop : trace.hops) {
    if (hop.timed) points.push_back(hop.point);
  }
  auto known = paths_.find(points);
  if (known == paths_.end()) {
    if (paths_.size() >= kPathsMax) {
      ++refused_;
      return;
    }
    known = paths_.emplace(points, PathTimes{points, 0, {}, 0, {}}).first;
  }
  PathTimes& path = known->second;
  ++path.requests;
  path.response_times.add(trace.response_time_ns);
  path.sum_ns += trace.response_time_ns;
  for (const Part& part : trace.parts) {
    PartTimes& times = times_of(path, trace, part);
    times.times.add(part.time_ns);
    times.sum_ns += part.time_ns;
    times.copies_lost += part.request_copies_lost + part.response_copies_lost;
  }
}

std::vector<const PathTimes*> PathTable::paths() const {
  std::vector<const PathTimes*> sorted;
  for (const auto& [points, path] : paths_) sorted.push_back(&path);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const PathTimes* left, const PathTimes* right) { return left->requests > right->requests; });
  return sorted;
}

}  // namespace hoptap::exporting
