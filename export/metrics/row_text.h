// Rows of metrics as JSON lines (docs/openapi.yaml) and drawn for a terminal. Pure.
#pragma once

#include <span>
#include <string>

#include "export/store/rows.h"
#include "export/text.h"

namespace hoptap::exporting {

/// What tells rows apart; those that differ in nothing else are one.
struct MetricsBy {
  bool point = true;
  bool client = true;
  bool server = true;  ///< with port and transport
  bool protocol = true;

  /// The row with what does not tell rows apart taken out of its key.
  void reduce(StoredMetrics& row) const;
};

/// One line. Of times and directions only what is not 0.
std::string metrics_json(const StoredMetrics& row, const MetricsBy& by);

/// A line for each row: requests, errors, latency, bytes and retransmissions.
std::string draw_metrics(std::span<const StoredMetrics> rows, const MetricsBy& by, const TextStyle& style);

}  // namespace hoptap::exporting
