// Records, traces and verdicts as JSON, one line each, without a line break; keys always in the same order. The lines
// of `hoptap path --json` are written down in docs/formats/path-json.md. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "export/point_stamps.h"
#include "flowtable/record.h"
#include "linker/path_model.h"
#include "linker/point.h"
#include "linker/run_verdict.h"
#include "linker/trace.h"
#include "linker/verdict.h"
#include "linker/window_verdicts.h"

namespace hoptap::exporting {

inline constexpr int kPathJsonSchema = 1;

/// A point, and the share of acknowledged bytes that its capture shows, either way; nothing when there were none.
struct PointSummary {
  std::string name;
  std::string role;
  std::optional<double> completeness_to_server;
  std::optional<double> completeness_to_client;
  std::vector<PointStamp> stamps;  ///< who stamped its packets
};

/// What a run read, found and could not use.
struct Summary {
  std::string version;
  std::vector<PointSummary> points;
  std::vector<linker::RouteSummary> paths;
  std::vector<std::pair<std::string, std::uint64_t>> counters;  ///< by name, in the order they are to be written
  std::vector<std::string> notes;                               ///< for the person: what deserves attention
};

/// What a person can see of a record: nothing that depends on the order of files or on hashes. For golden files.
std::string hop_json(const flowtable::HopRecord& record);
std::string leg_json(const flowtable::LegRecord& record);

std::string trace_json(const linker::Trace& trace, const linker::Verdict& verdict);
/// Of the whole run, or of one window of it.
std::string verdict_json(const linker::RunVerdict& verdict, std::optional<linker::TimeWindow> window = {});
std::string summary_json(const Summary& summary);

/// A trace's id as written everywhere: 16 hexadecimal digits.
std::string id_text(std::uint64_t id);

}  // namespace hoptap::exporting
