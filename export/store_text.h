// Lists of what the tracer keeps, drawn for a terminal. Pure functions; the caller knows the terminal.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "export/store/rows.h"
#include "export/text.h"
#include "export/trace_codec.h"

namespace hoptap::exporting {

/// A line for each trace: time (UTC), duration, method and resource, status, verdict in short, id. A heading, and the
/// day whenever it changes; a page that goes on behind a trace that began at `after_ns` has no heading.
std::string draw_traces(std::span<const JudgedTrace> traces, std::optional<std::uint64_t> after_ns,
                        const TextStyle& style);

/// A line for each segment: requests, median, 95th and 99th percentile, losses.
std::string draw_segments(std::span<const SegmentRow> segments, const TextStyle& style);

/// A line for each point: role, probe, records, completeness, packets lost, lag behind the first, clock.
std::string draw_points(std::span<const PointRow> points, const TextStyle& style);

}  // namespace hoptap::exporting
