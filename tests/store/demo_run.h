// Real traces for tests: what `hoptap path` finds in the captures of a folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "appliance/joined_run.h"
#include "appliance/points.h"
#include "appliance/replay.h"
#include "export/store/rows.h"
#include "export/trace_codec.h"

namespace hoptap::testing {

struct DemoRun {
  std::vector<exporting::JudgedTrace> traces;
  linker::RunVerdict verdict;
  std::vector<flowtable::LegRecord> legs;
};

class LegKeeper : public flowtable::RecordSink {
 public:
  LegKeeper(appliance::JoinedRun& run, std::vector<flowtable::LegRecord>& legs) : run_(run), legs_(legs) {}
  void hop(const flowtable::HopRecord& record) override { run_.hop(record); }
  void leg(const flowtable::LegRecord& record) override {
    legs_.push_back(record);
    run_.leg(record);
  }

 private:
  appliance::JoinedRun& run_;
  std::vector<flowtable::LegRecord>& legs_;
};

/// Empty when the captures cannot be read.
inline DemoRun demo_run(const std::string& folder = HOPTAP_DEMO) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".pcap") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  DemoRun run;
  linker::PointTable points;
  appliance::Analysis analysis(points);
  appliance::JoinedRun joined(analysis, {});
  LegKeeper sink(joined, run.legs);
  auto replay = appliance::Replay::open(files, {}, sink);
  if (!replay) return run;
  while (replay->step()) {
  }
  const std::vector<std::string> names = appliance::names_of_files(files);
  for (std::size_t at = 0; at < files.size(); ++at) {
    points.add({replay->feeds()[at]->point_base(), names[at], appliance::role_of_name(names[at]), {}});
  }
  joined.finish();
  const auto verdict = analysis.finish([&](const linker::Trace& trace, const linker::Judgement& judgement) {
    run.traces.push_back({trace, judgement});
  });
  if (verdict) run.verdict = *verdict;
  return run;
}

inline std::string encoded(const exporting::JudgedTrace& judged) {
  std::vector<std::uint8_t> bytes;
  exporting::encode(judged.trace, judged.judgement, bytes);
  return std::string(base::as_text(bytes));
}

/// Rows of all traces, which must outlive them, with the bytes that they borrow.
struct DemoRows {
  std::vector<std::string> bytes;
  std::vector<exporting::TraceRow> rows;

  explicit DemoRows(const std::vector<exporting::JudgedTrace>& traces, std::uint32_t revision = 1) {
    for (const auto& judged : traces) bytes.push_back(encoded(judged));
    for (std::size_t at = 0; at < traces.size(); ++at) {
      rows.push_back({&traces[at].trace, &traces[at].judgement, bytes[at], revision});
    }
  }
};

/// A folder of its own that goes with this.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "hoptap-test-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TestFolder() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace hoptap::testing
