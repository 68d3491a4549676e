// How fast the linker joins and judges hop records, and what a record that waits for its other hops costs in memory.
// usage: hoptap-join-speed CAPTURE... ; prints one line.
#include <fmt/format.h>
#include <malloc.h>

#include <chrono>
#include <vector>

#include "appliance/replay.h"
#include "linker/joiner.h"
#include "linker/run_model.h"
#include "linker/run_verdict.h"
#include "linker/verdict.h"

namespace {

using namespace hoptap;

/// Keeps what the captures hold, so that reading them is not timed.
class Kept : public flowtable::RecordSink {
 public:
  void hop(flowtable::HopRecord&& record) override { hops.push_back(std::move(record)); }
  void leg(flowtable::LegRecord&& record) override { legs.push_back(std::move(record)); }
  std::vector<flowtable::HopRecord> hops;
  std::vector<flowtable::LegRecord> legs;
};

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

std::vector<linker::Group> join(const std::vector<flowtable::HopRecord>& records, double& seconds, std::size_t& bytes) {
  linker::JoinLimits limits;
  limits.pending_records_max = records.size() + 1;
  std::vector<linker::Group> groups;
  linker::Joiner joiner(limits, [&](linker::Group&& group) { groups.push_back(std::move(group)); });
  const std::size_t count = records.size();
  const std::size_t before = mallinfo2().uordblks;
  const auto began = std::chrono::steady_clock::now();
  for (const flowtable::HopRecord& record : records) joiner.add(record);
  const double added = seconds_since(began);
  bytes = count == 0 ? 0 : (mallinfo2().uordblks - before) / count;
  const auto flushed = std::chrono::steady_clock::now();
  joiner.flush();
  seconds = added + seconds_since(flushed);
  return groups;
}

double judge(std::vector<linker::Group>& groups, const std::vector<flowtable::LegRecord>& legs) {
  const linker::PointTable points;
  linker::RunModel model(points);
  const auto began = std::chrono::steady_clock::now();
  for (const flowtable::LegRecord& leg : legs) model.add(leg);
  model.learn_run(groups);
  const linker::Judge judge(model.baseline());
  linker::RunJudge run;
  for (linker::Group& group : groups) {
    const linker::Trace trace = model.trace_of(std::move(group));
    run.add(trace, judge.judge(trace));
  }
  const linker::RunVerdict verdict = run.finish();
  const double seconds = seconds_since(began);
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
  double joining = 0;
  std::size_t bytes = 0;
  std::vector<linker::Group> groups = join(kept.hops, joining, bytes);
  const double judging = judge(groups, kept.legs);
  fmt::print(
      "{:.0f} records, {:.0f} joined per second, {:.0f} joined and judged per second, {} bytes per pending record\n",
      records, records / joining, records / (joining + judging), bytes);
}
