// A store with real traces and one row of everything else, for tests of the API.
#pragma once

#include <memory>

#include "../store/demo_run.h"
#include "appliance/http/router.h"
#include "export/store/store.h"
#include "tests/unit/metrics_records.h"

namespace hoptap::testing {

inline constexpr std::uint64_t kMinute = 60'000'000'000;

/// Null when it cannot be made.
inline std::unique_ptr<exporting::Store> demo_store(const std::string& folder, const DemoRun& run) {
  auto store = exporting::Store::open({.folder = folder, .retention = {}});
  if (!store) return nullptr;
  const DemoRows rows(run.traces);
  base::Sketch times;
  for (const std::int64_t value : {100'000, 200'000, 3'000'000}) times.add(value);
  const exporting::SegmentRow segment{0, kMinute, linker::PartKind::kSegment, "switch-a", "switch-b", times, 1, 2, 2.5};
  exporting::SegmentRow later = segment;
  later.bucket_start_ns = kMinute;
  const exporting::PointRow point{"switch-a", "switch", "probe-1", 0.9876,  {}, 1000, 2000,      3,
                                  4,          5,        {},        1.00001, -5, 7,    {"pod-a"}, {"switch-b"}};
  exporting::PointRow behind = point;
  behind.name = "switch-b";
  behind.reached_ns = 1500;
  const std::vector<exporting::WindowRow> windows{
      {0, kMinute, run.verdict}, {kMinute, 2 * kMinute, run.verdict}, {0, 0, run.verdict, true}};
  const std::vector segments{segment, later};
  std::vector<exporting::InboxBatch> batches(1);
  batches[0].instance = "i";
  batches[0].probe = "probe-1";
  batches[0].sequence = 1;
  batches[0].records = 2;
  batches[0].points = {"switch-a", "switch-b"};
  for (std::uint32_t at = 0; at < 6; ++at) {
    const flowtable::HopRecord hop = test::hop_of(at % 3, kMinute * (1 + at / 3), at % 2 == 0 ? 200 : 503);
    exporting::MetricsRow row{
        .start_ns = kMinute * (1 + at / 3), .length_ns = kMinute, .key = exporting::key_of(hop, 0)};
    row.values.add(hop);
    row.values.add(test::flow_of(at % 3, 1));
    row.key.point = at % 2;
    batches[0].metrics.push_back(at == 5 ? exporting::MetricsRow{row.start_ns, kMinute, row.key.wider(), row.values}
                                         : row);
  }
  const bool put = (*store)->put_traces({.put = rows.rows, .remove = {}}) &&
                   (*store)->put_stretches({.windows = windows, .segments = segments}) &&
                   (*store)->put_points(std::vector{point, behind}) && (*store)->append(batches);
  return put ? std::move(*store) : nullptr;
}

}  // namespace hoptap::testing
