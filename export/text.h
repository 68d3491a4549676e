// Traces, path tables and verdicts drawn for a terminal. Pure functions; the caller knows the terminal.
#pragma once

#include <cstddef>
#include <string>

#include "export/path_table.h"
#include "linker/run_verdict.h"
#include "linker/trace.h"
#include "linker/verdict.h"
#include "linker/window_verdicts.h"

namespace hoptap::exporting {

struct TextStyle {
  std::size_t columns = 80;  ///< lines stay within, names permitting; at least 60
  bool colour = false;       ///< ANSI colours
  bool unicode = true;       ///< box characters and bars in UTF-8; false: ASCII only
};

/// The path of one request from client to server, each hop and what lies between, with the verdict below.
std::string draw_trace(const linker::Trace& trace, const linker::Judgement& judgement, const TextStyle& style);

/// Every path: response times, then median, 95th percentile and share of each part.
std::string draw_paths(const PathTable& table, const TextStyle& style);

/// "2026-01-01 14:02:00.000 .. 14:02:10.000 UTC, 23 requests", then the verdict of that window, with line ends.
std::string draw_window(const linker::TimeWindow& window, const linker::RunVerdict& verdict, const TextStyle& style);

/// The run's verdict, wrapped to the width.
std::string draw_verdict(const linker::RunVerdict& verdict, const TextStyle& style);

}  // namespace hoptap::exporting
