#include "export/store_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "export/canvas.h"
#include "export/json.h"
#include "linker/verdict_text.h"

namespace hoptap::exporting {
namespace {

using linker::PartKind;
using linker::VerdictKind;

std::string short_verdict(const linker::Verdict& verdict, const Canvas& canvas) {
  const std::string place =
      verdict.from.empty() ? verdict.at : fmt::format("{}{}{}", verdict.from, canvas.arrow(), verdict.to);
  const auto with_place = [&](std::string_view what) {
    return Canvas::printable(place.empty() ? std::string(what) : fmt::format("{} {}", what, place));
  };
  switch (verdict.kind) {
    case VerdictKind::kNone: return "-";
    case VerdictKind::kSlowSegment: return with_place("slow");
    case VerdictKind::kLoss: return with_place("loss");
    case VerdictKind::kGatewaySlow: return with_place("gateway");
    case VerdictKind::kServerSlow: return with_place("server");
    case VerdictKind::kServerKernel: return with_place("kernel");
    case VerdictKind::kDelayedAck: return with_place("delayed ACK");
    case VerdictKind::kClientSlow: return with_place("client");
    case VerdictKind::kTransfer: return "transfer";
    case VerdictKind::kReset: return with_place("reset");
    case VerdictKind::kDominant: return with_place("mostly");
    case VerdictKind::kCannotTell: return "cannot tell";
  }
  return {};
}

/// How wide the two columns of free text are; the others are fixed.
struct TraceColumns {
  std::size_t request = 0;
  std::size_t verdict = 0;
};

constexpr std::size_t kDurationColumns = 10;
constexpr std::size_t kIdColumns = 16;

TraceColumns trace_columns(const Canvas& canvas) {
  constexpr std::size_t kFixed = 12 + kDurationColumns + 3 + kIdColumns + 6;
  const std::size_t rest = std::max<std::size_t>(canvas.columns(), kFixed + 20) - kFixed;
  const std::size_t verdict = std::min<std::size_t>(rest / 2, 32);
  return {rest - verdict, verdict};
}

std::string trace_line(const JudgedTrace& judged, const TraceColumns& columns, const Canvas& canvas) {
  const linker::Trace& trace = judged.trace;
  if (trace.hops.empty()) return {};
  const flowtable::HopRecord& first = trace.telling_hop().record;
  std::string request = first.method.empty() ? first.protocol : first.method;
  request += (first.resource.empty() ? " " + first.endpoint : " " + first.resource);
  const linker::Verdict& verdict = judged.judgement.verdict;
  const bool bad = verdict.kind != VerdictKind::kNone;
  return fmt::format(
      "{} {} {} {} {} {}\n", clock_text(linker::start_ns(trace)),
      Canvas::right(trace.parts.empty() ? "no answer" : linker::duration_text(trace.response_time_ns),
                    kDurationColumns),
      Canvas::left(Canvas::fit(Canvas::printable(request), columns.request), columns.request),
      Canvas::right(first.has_status ? fmt::format("{}", first.status) : "-", 3),
      canvas.paint(Canvas::left(Canvas::fit(short_verdict(verdict, canvas), columns.verdict), columns.verdict),
                   bad ? Paint::kBad : Paint::kPlain),
      canvas.paint(id_text(trace.id), Paint::kFaint));
}

std::string segment_name(const SegmentRow& row, const Canvas& canvas) {
  const std::string from = Canvas::printable(row.from), to = Canvas::printable(row.to);
  switch (row.kind) {
    case PartKind::kSegment: return fmt::format("{} {} {}", from, canvas.arrow(), to);
    case PartKind::kGateway: return fmt::format("{} {} {} (gateway)", from, canvas.arrow(), to);
    case PartKind::kClientSend: return from + " sending";
    case PartKind::kServerKernel: return to + " kernel";
    case PartKind::kServerProcess: return to + " process";
    case PartKind::kServerSend: return to + " answering";
    case PartKind::kDelayedAck: return fmt::format("{} waits for ACK of {}", from, to);
  }
  return {};
}

/// What the captures lack shows; 99.96 % is not all.
std::string completeness_text(const std::optional<double>& share) {
  if (!share) return "-";
  return *share >= 1 ? "100 %" : fmt::format("{:.1f} %", std::min(*share * 100, 99.9));
}

}  // namespace

std::string draw_traces(std::span<const JudgedTrace> traces, std::optional<std::uint64_t> after_ns,
                        const TextStyle& style) {
  const Canvas canvas(style);
  const TraceColumns columns = trace_columns(canvas);
  std::string out;
  if (!after_ns && !traces.empty()) {
    out =
        canvas.paint(fmt::format("{} {} {} {} {} {}", Canvas::left("time (UTC)", 12),
                                 Canvas::right("duration", kDurationColumns), Canvas::left("request", columns.request),
                                 "st.", Canvas::left("verdict", columns.verdict), "id"),
                     Paint::kFaint) +
        "\n";
  }
  for (const JudgedTrace& judged : traces) {
    const std::uint64_t start = linker::start_ns(judged.trace);
    if (!after_ns || *after_ns / kDayNs != start / kDayNs) out += canvas.paint(day_text(start), Paint::kStrong) + "\n";
    after_ns = start;
    out += trace_line(judged, columns, canvas);
  }
  return out;
}

std::string draw_segments(std::span<const SegmentRow> segments, const TextStyle& style) {
  const Canvas canvas(style);
  std::vector<std::vector<std::string>> rows{{"from", "segment", "requests", "median", "p95", "p99", "lost"}};
  for (const SegmentRow& row : segments) {
    const auto quantile = [&](double q) { return linker::duration_text(row.times.quantile_ns(q)); };
    rows.push_back({fmt::format("{} {}", day_text(row.bucket_start_ns), clock_text(row.bucket_start_ns).substr(0, 8)),
                    segment_name(row, canvas), fmt::format("{}", row.times.count()), quantile(0.5), quantile(0.95),
                    quantile(0.99), fmt::format("{}", row.request_copies_lost + row.response_copies_lost)});
  }
  return canvas.table(rows, 2);
}

std::string draw_points(std::span<const PointRow> points, const TextStyle& style) {
  const Canvas canvas(style);
  std::uint64_t latest_ns = 0;
  for (const PointRow& row : points) latest_ns = std::max(latest_ns, row.reached_ns);
  std::vector<std::vector<std::string>> rows{
      {"point", "role", "probe", "hops", "legs", fmt::format("seen {}", canvas.arrow()),
       fmt::format("seen {}", canvas.pick("←", "<-")), "dropped", "behind", "clock", "times by"}};
  for (const PointRow& row : points) {
    const std::string clock = row.clock_offset_ns ? linker::duration_text(*row.clock_offset_ns) : "-";
    rows.push_back({Canvas::printable(row.name), Canvas::printable(row.role), Canvas::printable(row.probe),
                    fmt::format("{}", row.hops), fmt::format("{}", row.legs),
                    completeness_text(row.completeness_to_server), completeness_text(row.completeness_to_client),
                    row.lost_packets ? fmt::format("{}", *row.lost_packets) : "-",
                    linker::duration_text(static_cast<std::int64_t>(latest_ns - row.reached_ns)), clock,
                    Canvas::printable(stamps_text(row.stamps))});
  }
  return canvas.table(rows, 3);
}

}  // namespace hoptap::exporting
