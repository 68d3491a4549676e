// hoptap path: captures of several points in; paths, times and a verdict out.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "appliance/analysis.h"
#include "appliance/exit_code.h"
#include "appliance/joined_run.h"
#include "appliance/options.h"
#include "appliance/points.h"
#include "appliance/summary.h"
#include "appliance/terminal.h"
#include "export/json.h"
#include "export/text.h"
#include "linker/window_verdicts.h"

namespace hoptap::appliance {
namespace {

/// What the person said of the captures and of the mirrored packets in them.
struct Hints {
  std::map<std::string, PointHint> files;
  std::map<std::string, std::vector<MirrorHint>> mirrors;
};

base::Outcome<Hints> read_hints(const PathOptions& options) {
  Hints hints;
  const auto& files = options.captures.files;
  const auto is_capture = [&](const std::string& file) {
    return std::find(files.begin(), files.end(), file) != files.end();
  };
  for (const std::string& text : options.points) {
    auto hint = read_point_hint("--point", text);
    if (!hint) return tl::unexpected(hint.error());
    if (is_capture(hint->first)) {
      hints.files.insert(std::move(*hint));
      continue;
    }
    const auto mirror = read_mirror_name(hint->first);
    if (!mirror || !is_capture(mirror->feed))
      return tl::unexpected(base::Failure{fmt::format(
          "--point {}: {} is not among the captures; write the file as you do behind 'path'", text, hint->first)});
    hints.mirrors[mirror->feed].push_back({mirror->rule, std::move(hint->second)});
  }
  return hints;
}

/// A point for each interface of each capture, and each mirror in it, known only when the captures have been read.
void name_points(const Replay& replay, const Hints& hints, const std::vector<std::string>& files,
                 linker::PointTable& points) {
  const std::vector<std::string> names = names_of_files(files);
  for (std::size_t i = 0; i < replay.feeds().size(); ++i) {
    const Feed& feed = *replay.feeds()[i];
    const auto hint = hints.files.find(feed.path());
    PointHint whole = hint == hints.files.end() ? PointHint() : hint->second;
    if (whole.name.empty()) whole.name = names[i];
    for (NumberedPoint& one : points_of(feed, whole)) {
      linker::Point point;
      point.id = one.number;
      point.name = std::move(one.point.name);
      point.role = std::move(one.point.role);
      point.order = one.point.order;
      points.add(std::move(point));
    }
  }
}

/// Picks the traces to draw and prints all there is for a person.
int print_text(const PathOptions& options, Analysis& analysis, const exporting::PathTable& table,
               const linker::RunVerdict& verdict, std::uint64_t slowest, const exporting::Summary& summary) {
  const exporting::TextStyle style = terminal_style(options.colour, options.ascii);
  const std::string evidence = exporting::id_text(verdict.evidence.empty() ? slowest : verdict.evidence.front());
  const std::string wanted = options.trace.empty() ? evidence : options.trace;
  bool drawn = false;
  const auto each = analysis.each([&](const linker::Trace& trace, const linker::Judgement& judgement) {
    if (drawn || exporting::id_text(trace.id) != wanted) return;
    drawn = true;
    fmt::print("{}\n", exporting::draw_trace(trace, judgement, style));
  });
  if (!each) return fail(kCannotWrite, each.error().what);
  if (!drawn && !options.trace.empty())
    return fail(kWrongUsage, fmt::format("no trace has the id {}; --json lists them", options.trace));
  fmt::print("{}\n{}\n", exporting::draw_paths(table, style), exporting::draw_verdict(verdict, style));
  for (const std::string& note : summary.notes) fmt::print("note: {}\n", note);
  return kDone;
}

void print_windows(linker::WindowVerdicts& windows, const PathOptions& options) {
  windows.each([&](const linker::TimeWindow& window, const linker::RunVerdict& verdict) {
    if (options.json) {
      fmt::print("{}\n", exporting::verdict_json(verdict, window));
    } else {
      fmt::print("{}", exporting::draw_window(window, verdict, terminal_style(options.colour, options.ascii)));
    }
  });
}

int analyse(const PathOptions& options, const Hints& hints) {
  linker::PointTable points;
  linker::JoinLimits limits;
  if (options.pending_records_max > 0) limits.pending_records_max = options.pending_records_max;
  Analysis analysis(points);
  JoinedRun run(analysis, limits);
  ReplayConfig config = options.captures.replay_config();
  for (std::size_t at = 0; at < config.feeds.size(); ++at)
    if (const auto mirrors = hints.mirrors.find(options.captures.files[at]); mirrors != hints.mirrors.end())
      config.feeds[at].mirrors = mirrors->second;
  auto replay = Replay::open(options.captures.files, config, run);
  if (!replay) return fail(kCannotRead, replay.error().what);
  Progress progress(options.captures.progress_when());
  while (analysis.status() && replay->step()) progress.update("reading", replay->progress());
  progress.clear();
  name_points(*replay, hints, options.captures.files, points);
  run.finish();

  exporting::PathTable table;
  std::uint64_t slowest = 0;
  std::int64_t slowest_ns = -1;
  std::optional<linker::WindowVerdicts> windows;
  if (options.window_s > 0) windows.emplace(static_cast<std::uint64_t>(options.window_s * 1e9));
  const auto verdict = analysis.finish([&](const linker::Trace& trace, const linker::Judgement& judgement) {
    if (options.json) fmt::print("{}\n", exporting::trace_json(trace, judgement.verdict));
    table.add(trace);
    if (windows) windows->add(trace, judgement);
    if (trace.response_time_ns <= slowest_ns) return;
    slowest_ns = trace.response_time_ns;
    slowest = trace.id;
  });
  if (!verdict) return fail(kCannotWrite, verdict.error().what);
  if (windows && options.json) print_windows(*windows, options);
  exporting::Summary summary = summarize(*replay, run.counters(), analysis, points);
  if (windows && windows->refused() > 0)
    summary.notes.push_back(fmt::format("{} requests are in no window: raise --window", windows->refused()));
  int code = kDone;
  if (options.json) {
    fmt::print("{}\n{}\n", exporting::verdict_json(*verdict), exporting::summary_json(summary));
  } else if (analysis.groups() > 0) {
    code = print_text(options, analysis, table, *verdict, slowest, summary);
    if (windows && code == kDone) print_windows(*windows, options);
  } else {
    for (const std::string& note : summary.notes) fmt::print(stderr, "note: {}\n", note);
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    return fail(kCannotWrite, "standard output cannot be written");
  if (analysis.groups() == 0)
    return fail(kNothingFound, fmt::format("no request in these captures{}: nothing to say about a path",
                                           options.captures.filter.empty() ? "" : " after the filter"));
  return code;
}

}  // namespace

int run_path(const PathOptions& options) {
  if (const auto checked = options.captures.check(); !checked) return fail(kWrongUsage, checked.error().what);
  const auto hints = read_hints(options);
  return hints ? analyse(options, *hints) : fail(kWrongUsage, hints.error().what);
}

}  // namespace hoptap::appliance
