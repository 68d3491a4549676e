// hoptap records: what each capture holds, as JSON lines.
#include <fmt/format.h>

#include <cstdio>

#include "appliance/exit_code.h"
#include "appliance/options.h"
#include "appliance/summary.h"
#include "export/json.h"

namespace hoptap::appliance {
namespace {

class Printer : public flowtable::RecordSink {
 public:
  void hop(const flowtable::HopRecord& record) override {
    ++hops_;
    fmt::print("{}\n", exporting::hop_json(record));
  }
  void leg(const flowtable::LegRecord& record) override { fmt::print("{}\n", exporting::leg_json(record)); }
  std::uint64_t hops() const { return hops_; }

 private:
  std::uint64_t hops_ = 0;
};

}  // namespace

int run_records(const CaptureOptions& options) {
  if (const auto checked = options.check(); !checked) {
    fmt::print(stderr, "hoptap: {}\n", checked.error().what);
    return kWrongUsage;
  }
  Printer printer;
  auto replay = Replay::open(options.files, options.replay_config(), printer);
  if (!replay) {
    fmt::print(stderr, "hoptap: {}\n", replay.error().what);
    return kCannotRead;
  }
  Progress progress(options.progress_when());
  while (replay->step()) progress.update("reading", replay->progress());
  progress.clear();
  for (const auto& feed : replay->feeds())
    if (const std::string complaint = feed->complaint(); !complaint.empty())
      fmt::print(stderr, "hoptap: {}: {}\n", feed->path(), complaint);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fmt::print(stderr, "hoptap: standard output cannot be written\n");
    return kCannotWrite;
  }
  if (printer.hops() > 0) return kDone;
  std::vector<std::string> notes;
  for (const auto& feed : replay->feeds()) add_reason_for_nothing(*feed, notes);
  for (const std::string& note : notes) fmt::print(stderr, "hoptap: {}\n", note);
  return kNothingFound;
}

}  // namespace hoptap::appliance
