// Counters and notes of a finished run.
#pragma once

#include "appliance/analysis.h"
#include "appliance/replay.h"
#include "export/json.h"
#include "linker/joiner.h"

namespace hoptap::appliance {

/// Sentences on why the capture, which has been read, showed no request.
void add_reason_for_nothing(const Feed& feed, std::vector<std::string>& notes);

/// Everything that was read, found, and could not be used; notes are sentences on what deserves attention.
exporting::Summary summarize(const Replay& replay, const linker::JoinCounters& join, const Analysis& analysis,
                             const linker::PointTable& points);

}  // namespace hoptap::appliance
