// Rows of the tracer's database as JSON, one line each; keys always in the same order. See docs/openapi.yaml. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "export/store/rows.h"
#include "export/trace_codec.h"

namespace hoptap::exporting {

/// As trace_json(), with "revision" and "final" behind.
std::string trace_json(const JudgedTrace& judged, std::uint32_t revision, bool final);
std::string window_json(const WindowRow& row);
std::string segment_json(const SegmentRow& row);
/// `latest_ns` is what the point that is farthest has reached.
std::string point_json(const PointRow& row, std::uint64_t latest_ns);
std::string probe_json(const ProbeRow& row);

}  // namespace hoptap::exporting
