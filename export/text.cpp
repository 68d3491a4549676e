#include "export/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "export/canvas.h"
#include "export/json.h"
#include "linker/verdict_text.h"
#include "linker/virtual_points.h"

namespace hoptap::exporting {
namespace {

using linker::Hop;
using linker::Part;
using linker::PartKind;
using linker::Trace;
using linker::VerdictKind;

constexpr std::size_t kTimeColumns = 11;
constexpr std::size_t kShareColumns = 6;

const char* part_label(PartKind kind) {
  switch (kind) {
    case PartKind::kClientSend: return "sending";
    case PartKind::kServerKernel: return "kernel";
    case PartKind::kServerProcess: return "process";
    case PartKind::kServerSend: return "answering";
    case PartKind::kDelayedAck: return "delayed ACK";
    case PartKind::kSegment: return "";
    case PartKind::kGateway: return "gateway";
  }
  return "";
}

/// Widths shared by all lines of one drawing.
struct Columns {
  std::size_t name = 0;  ///< of points
  std::size_t role = 0;
  std::size_t bar = 0;
};

Columns columns_of(const Trace& trace, const Canvas& canvas) {
  Columns columns{12, 4, 0};
  for (const Hop& hop : trace.hops) {
    columns.name = std::max(columns.name, Canvas::width(hop.point));
    columns.role = std::max(columns.role, Canvas::width(hop.role));
  }
  const std::size_t used = 3 + columns.name + kTimeColumns + kShareColumns + 2;
  columns.bar = canvas.columns() > used + 10 ? std::min<std::size_t>(canvas.columns() - used, 24) : 10;
  return columns;
}

std::string request_title(const flowtable::HopRecord& record) {
  std::string title = record.method;
  if (!record.resource.empty()) title += (title.empty() ? "" : " ") + record.resource;
  if (!record.endpoint.empty()) title += (title.empty() ? "" : "  ") + record.endpoint;
  return Canvas::printable(title.empty() ? record.protocol : title);
}

std::string header(const Trace& trace, const Canvas& canvas) {
  const flowtable::HopRecord& record = trace.telling_hop().record;
  std::string facts = Canvas::printable(record.protocol);
  if (record.has_status) facts += fmt::format(" {}", record.status);
  facts += "  " + (trace.parts.empty() ? std::string("no answer") : linker::duration_text(trace.response_time_ns));
  const std::string id = "trace " + id_text(trace.id);
  const std::size_t room = canvas.columns() - std::min(canvas.columns(), Canvas::width(facts) + Canvas::width(id) + 4);
  const std::string title = Canvas::fit(request_title(record), std::max<std::size_t>(room, 16));
  return canvas.paint(Canvas::left(title, room), Paint::kStrong) + "  " + facts + "  " +
         canvas.paint(id, Paint::kFaint) + "\n";
}

std::string tunnel_text(const base::TunnelStack& stack) {
  std::string text;
  for (const base::Tunnel& layer : stack.used()) {
    text += text.empty() ? "in " : " in ";
    text += linker::tunnel_name(layer.type);
    if (layer.id != 0) text += fmt::format(" {}", layer.id);
  }
  return text;
}

/// Notes on a hop: its tunnels, what tells it from its sibling, and addresses where they are new.
std::string hop_notes(const Trace& trace, std::size_t at, const Canvas& canvas) {
  const Hop& hop = trace.hops[at];
  const flowtable::HopRecord& record = hop.record;
  const flowtable::HopRecord* before = at > 0 ? &trace.hops[at - 1].record : nullptr;
  std::string notes;
  const auto add = [&](const std::string& note) { notes += notes.empty() ? note : ", " + note; };
  if (before == nullptr) {
    add(fmt::format("{} {} {}", record.client.text(), canvas.arrow(), record.server.text()));
  } else {
    if (before->client != record.client) add("source now " + record.client.text());
    if (before->server != record.server) add("target now " + record.server.text());
  }
  const std::string tunnels = tunnel_text(record.vantage.tunnels);
  if (!tunnels.empty()) add(tunnels);
  if (tunnels.empty() && !hop.detail.empty()) add(hop.detail);
  if (!hop.timed) add(record.response.seen() ? "not timed" : "no response seen");
  const bool tied = (at > 0 && trace.hops[at - 1].tier == hop.tier) ||
                    (at + 1 < trace.hops.size() && trace.hops[at + 1].tier == hop.tier);
  if (tied) add("order unknown");
  return notes;
}

std::string hop_line(const Trace& trace, std::size_t at, const Columns& columns, const Canvas& canvas) {
  const Hop& hop = trace.hops[at];
  const std::string notes = hop_notes(trace, at, canvas);
  std::string line = fmt::format(" {} {} {}", canvas.pick("●", "o"),
                                 canvas.paint(Canvas::left(Canvas::printable(hop.point), columns.name), Paint::kStrong),
                                 canvas.paint(Canvas::left(hop.role, columns.role), Paint::kFaint));
  if (!notes.empty()) line += "  " + notes;
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string lost_text(const Part& part, const Canvas& canvas) {
  if (part.request_copies_lost + part.response_copies_lost == 0) return {};
  std::string text = fmt::format("  {} lost:", canvas.pick("✗", "x"));
  if (part.request_copies_lost > 0) text += fmt::format(" {} to server", part.request_copies_lost);
  if (part.response_copies_lost > 0) text += fmt::format(" {} to client", part.response_copies_lost);
  return canvas.paint(text, Paint::kBad);
}

/// One part: rail, label, time, share, bar, lost copies.
std::string part_line(const Trace& trace, const Part& part, std::string_view rail, bool culprit, const Columns& columns,
                      const Canvas& canvas) {
  const double share =
      trace.response_time_ns == 0 ? 0 : static_cast<double>(part.time_ns) / static_cast<double>(trace.response_time_ns);
  const Paint paint = culprit ? Paint::kBad : Paint::kPlain;
  std::string line = fmt::format(" {} ", rail);
  line += canvas.paint(Canvas::left(part_label(part.kind), columns.name) +
                           Canvas::right(linker::duration_text(part.time_ns), kTimeColumns) +
                           Canvas::right(share_text(share), kShareColumns),
                       paint);
  const std::string bar = canvas.bar(share, columns.bar);
  if (!bar.empty()) line += "  " + canvas.paint(bar, culprit ? Paint::kBad : Paint::kFaint);
  line += lost_text(part, canvas);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

/// The part that the verdict names; parts.size(): none.
std::size_t culprit_of(const Trace& trace, const linker::Judgement& judgement) {
  if (judgement.slow) return judgement.culprit;
  if (judgement.verdict.kind != VerdictKind::kDominant) return trace.parts.size();
  for (std::size_t at = 0; at < trace.parts.size(); ++at) {
    const Part& part = trace.parts[at];
    const bool segment = part.kind == PartKind::kSegment && trace.hops[part.from].point == judgement.verdict.from &&
                         trace.hops[part.to].point == judgement.verdict.to;
    if (segment || (part.kind == PartKind::kServerProcess && !judgement.verdict.at.empty())) return at;
  }
  return trace.parts.size();
}

/// Parts that are drawn below the hop at `at`, and on which side of the path they are.
bool drawn_below(const Trace& trace, const Part& part, std::size_t at) {
  const bool segment = part.kind == PartKind::kSegment || part.kind == PartKind::kGateway;
  const bool of_client = part.kind == PartKind::kClientSend ||
                         (part.kind == PartKind::kDelayedAck && part.from == trace.parts.front().from);
  return part.from == at && (segment || of_client || part.from == trace.parts.back().to);
}

/// Lines for nothing but completeness (an empty wait at an end of the path) are left out.
bool worth_a_line(const Part& part) { return part.kind == PartKind::kSegment || part.time_ns >= 1000; }

/// "server process nginx[1234] container 0123456789ab"; "" when it is not known or the hop before has it too.
std::string process_note(std::string_view end, const flowtable::Process* process, const flowtable::Process* before) {
  constexpr std::size_t kIdColumns = 12;  // as docker ps has them
  if (process == nullptr || (before != nullptr && *before == *process)) return {};
  std::string note = fmt::format("{} process {}[{}]", end, Canvas::printable(process->name), process->pid);
  if (!process->container_id.empty())
    note += " container " + Canvas::printable(process->container_id.substr(0, kIdColumns));
  return note;
}

/// Lines below a hop: the processes at the ends of its connection, where they are known and new.
std::string process_lines(const Trace& trace, std::size_t at, const Canvas& canvas) {
  const flowtable::Processes& now = trace.hops[at].record.processes;
  const flowtable::Processes known = at > 0 ? trace.hops[at - 1].record.processes : flowtable::Processes{};
  const bool last = at + 1 == trace.hops.size();
  std::string lines;
  for (const std::string& note : {process_note("client", now.client.get(), known.client.get()),
                                  process_note("server", now.server.get(), known.server.get())})
    if (!note.empty()) lines += fmt::format(" {} {}\n", last ? " " : canvas.pick("│", "|"), note);
  return lines;
}

std::string missing_notes(const Trace& trace, std::size_t at, const Canvas& canvas) {
  std::string lines;
  for (const linker::MissingPoint& missing : trace.missing) {
    if (missing.after != trace.hops[at].point) continue;
    lines += fmt::format(" {} {}\n", canvas.pick("┊", ":"),
                         canvas.paint(Canvas::printable(missing.point) + " did not see this request", Paint::kFaint));
  }
  return lines;
}

Paint paint_of(VerdictKind kind) {
  if (kind == VerdictKind::kNone) return Paint::kGood;
  return kind == VerdictKind::kCannotTell ? Paint::kStrong : Paint::kBad;
}

std::string sentence(const std::string& text, VerdictKind kind, const Canvas& canvas) {
  const std::string mark = fmt::format(" {} ", canvas.pick(kind == VerdictKind::kNone ? "✓" : "▶", "*"));
  std::string wrapped = canvas.wrap(canvas.arrows(Canvas::printable(text)), "   ");
  if (wrapped.size() < 3) return {};
  return canvas.paint(mark, paint_of(kind)) + wrapped.substr(3);
}

std::string part_name_text(const PartTimes& part, const Canvas& canvas) {
  switch (part.kind) {
    case PartKind::kSegment: return fmt::format("{} {} {}", part.from, canvas.arrow(), part.to);
    case PartKind::kGateway: return fmt::format("{} {} {} (gateway)", part.from, canvas.arrow(), part.to);
    case PartKind::kClientSend: return part.from + " sending";
    case PartKind::kServerKernel: return part.from + " kernel";
    case PartKind::kServerProcess: return part.from + " process";
    case PartKind::kServerSend: return part.from + " answering";
    case PartKind::kDelayedAck: return fmt::format("{} waits for ACK of {}", part.from, part.to);
  }
  return {};
}

std::string path_title(const PathTimes& path, const Canvas& canvas) {
  std::string title;
  for (const std::string& point : path.points) {
    if (!title.empty()) title += fmt::format(" {} ", canvas.arrow());
    title += Canvas::printable(point);
  }
  return title;
}

std::string path_text(const PathTimes& path, const Canvas& canvas) {
  std::string out = canvas.paint(canvas.wrap(path_title(path, canvas), ""), Paint::kStrong);
  const auto quantile = [&](double q) { return linker::duration_text(path.response_times.quantile_ns(q)); };
  out += fmt::format("  {} request{}   response time  p50 {}   p95 {}   p99 {}\n", path.requests,
                     path.requests == 1 ? "" : "s", quantile(0.5), quantile(0.95), quantile(0.99));
  std::size_t name = 20;
  for (const PartTimes& part : path.parts) {
    name = std::max(name, Canvas::width(Canvas::printable(part_name_text(part, canvas))));
  }
  const std::size_t used = 2 + name + 2 * kTimeColumns + kShareColumns + 2;
  const std::size_t bar = canvas.columns() > used + 8 ? std::min<std::size_t>(canvas.columns() - used, 20) : 8;
  out += canvas.paint("  " + Canvas::left("", name) + Canvas::right("median", kTimeColumns) +
                          Canvas::right("p95", kTimeColumns) + Canvas::right("share", kShareColumns),
                      Paint::kFaint) +
         "\n";
  for (const PartTimes& part : path.parts) {
    const double share = path.sum_ns == 0 ? 0 : static_cast<double>(part.sum_ns) / static_cast<double>(path.sum_ns);
    std::string line = "  " + Canvas::left(Canvas::printable(part_name_text(part, canvas)), name) +
                       Canvas::right(linker::duration_text(part.times.quantile_ns(0.5)), kTimeColumns) +
                       Canvas::right(linker::duration_text(part.times.quantile_ns(0.95)), kTimeColumns) +
                       Canvas::right(share_text(share), kShareColumns) + "  " + canvas.bar(share, bar);
    if (part.copies_lost > 0) {
      line += canvas.paint(fmt::format(" {} {} lost", canvas.pick("✗", "x"), part.copies_lost), Paint::kBad);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace

std::string draw_trace(const Trace& trace, const linker::Judgement& judgement, const TextStyle& style) {
  const Canvas canvas(style);
  if (trace.hops.empty()) return {};
  const Columns columns = columns_of(trace, canvas);
  const std::size_t culprit = culprit_of(trace, judgement);
  std::string out = header(trace, canvas);
  for (std::size_t at = 0; at < trace.hops.size(); ++at) {
    out += hop_line(trace, at, columns, canvas) + process_lines(trace, at, canvas);
    const bool last = at + 1 == trace.hops.size();
    for (std::size_t part = 0; part < trace.parts.size(); ++part) {
      if (!drawn_below(trace, trace.parts[part], at) || !worth_a_line(trace.parts[part])) continue;
      const std::string_view rail = last              ? canvas.pick(" ", " ")
                                    : part == culprit ? canvas.pick("┃", "|")
                                                      : canvas.pick("│", "|");
      out += part_line(trace, trace.parts[part], rail, part == culprit, columns, canvas);
    }
    out += missing_notes(trace, at, canvas);
  }
  return out + sentence(judgement.verdict.text, judgement.verdict.kind, canvas);
}

std::string draw_paths(const PathTable& table, const TextStyle& style) {
  const Canvas canvas(style);
  std::string out;
  for (const PathTimes* path : table.paths()) {
    if (!out.empty()) out += "\n";
    out += path_text(*path, canvas);
  }
  return out;
}

std::string draw_window(const linker::TimeWindow& window, const linker::RunVerdict& verdict, const TextStyle& style) {
  const Canvas canvas(style);
  const auto clock = [](std::uint64_t time_ns) {
    const std::uint64_t ms = time_ns / 1'000'000 % 86'400'000;
    return fmt::format("{:02}:{:02}:{:02}.{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
  };
  const std::chrono::sys_days day(std::chrono::days(window.start_ns / 86'400'000'000'000));
  const std::chrono::year_month_day date(day);
  const std::string head = fmt::format(
      "{}-{:02}-{:02} {} .. {} UTC, {} request{}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), clock(window.start_ns), clock(window.end_ns),
      verdict.requests + verdict.unanswered, verdict.requests + verdict.unanswered == 1 ? "" : "s");
  return canvas.paint(head, Paint::kStrong) + "\n" + sentence(verdict.text, verdict.kind, canvas);
}

std::string draw_verdict(const linker::RunVerdict& verdict, const TextStyle& style) {
  return sentence(verdict.text, verdict.kind, Canvas(style));
}

}  // namespace hoptap::exporting
