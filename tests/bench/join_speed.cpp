// How fast the linker joins and judges hop records, and what a record that waits for its other hops costs in memory.
// usage: hoptap-join-speed CAPTURE... ; prints one line.
#include <fmt/format.h>
#include <algorithm>
#include <utility>
#include <vector>

#include "appliance/replay.h"
#include "linker/joiner.h"
#include "linker/run_model.h"
#include "linker/run_verdict.h"
#include "linker/verdict.h"
#include "tests/bench/measure.h"

namespace {

using namespace hoptap;

/// Keeps what the captures hold, so that reading them is not timed.
class Kept : public flowtable::RecordSink {
 public:
  void hop(const flowtable::HopRecord& record) override { hops.push_back(record); }
  void leg(const flowtable::LegRecord& record) override { legs.push_back(record); }
  std::vector<flowtable::HopRecord> hops;
  std::vector<flowtable::LegRecord> legs;
};

struct Joined {
  double seconds = 0;
  std::size_t bytes_waiting = 0;  ///< of each record before the last flush
};

/// What takes the groups is timed too, so for figures it should do nothing: kept groups take new memory.
Joined join(const std::vector<flowtable::HopRecord>& records, linker::Joiner::Deliver take) {
  linker::JoinLimits limits;
  limits.pending_records_max = records.size() + 1;
  linker::Joiner joiner(limits, std::move(take));
  const std::size_t before = bench::allocated_bytes();
  Joined joined;
  const bench::CpuClock adding;
  for (const flowtable::HopRecord& record : records) joiner.add(record);
  joined.seconds = adding.seconds();
  joined.bytes_waiting = (bench::allocated_bytes() - before) / std::max<std::size_t>(1, records.size());
  const bench::CpuClock flushing;
  joiner.flush();
  joined.seconds += flushing.seconds();
  return joined;
}

double judge(std::vector<linker::Group>& groups, const std::vector<flowtable::LegRecord>& legs) {
  const linker::PointTable points;
  linker::RunModel model(points);
  const bench::CpuClock clock;
  for (const flowtable::LegRecord& leg : legs) model.add(leg);
  model.learn_run(groups);
  const linker::Judge judge(model.baseline());
  linker::RunJudge run;
  for (linker::Group& group : groups) {
    const linker::Trace trace = model.trace_of(std::move(group));
    run.add(trace, judge.judge(trace));
  }
  const linker::RunVerdict verdict = run.finish();
  const double seconds = clock.seconds();
  fmt::print(stderr, "{}\n", verdict.text);
  return seconds;
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> files(arguments + 1, arguments + count);
  Kept kept;
  auto replay = appliance::Replay::open(files, {}, kept);
  if (files.empty() || !replay) {
    fmt::print(stderr, "usage: hoptap-join-speed CAPTURE...\n{}\n", replay ? "" : replay.error().what);
    return 2;
  }
  while (replay->step()) {
  }
  const double records = static_cast<double>(kept.hops.size());
  const Joined joined = join(kept.hops, [](linker::Group&&) {});
  std::vector<linker::Group> groups;
  join(kept.hops, [&](linker::Group&& group) { groups.push_back(std::move(group)); });
  const double judging = judge(groups, kept.legs);
  fmt::print(
      "{:.0f} records, {:.0f} joined per second, {:.0f} joined and judged per second, {} bytes per pending record\n",
      records, records / joined.seconds, records / (joined.seconds + judging), joined.bytes_waiting);
}
