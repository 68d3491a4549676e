#include "appliance/http/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "export/store_json.h"
#include "export/store_text.h"

namespace hoptap::appliance {
namespace {

using exporting::JudgedTrace;
using exporting::SegmentRow;
using exporting::Store;

constexpr std::size_t kSegmentsMax = 10000;        // in one answer
constexpr std::size_t kSegmentRowsMax = 1u << 18;  // read to be merged

constexpr std::array kVerdictKinds{
    linker::VerdictKind::kNone,        linker::VerdictKind::kSlowSegment, linker::VerdictKind::kLoss,
    linker::VerdictKind::kGatewaySlow, linker::VerdictKind::kServerSlow,  linker::VerdictKind::kServerKernel,
    linker::VerdictKind::kDelayedAck,  linker::VerdictKind::kClientSlow,  linker::VerdictKind::kTransfer,
    linker::VerdictKind::kReset,       linker::VerdictKind::kDominant,    linker::VerdictKind::kCannotTell};
constexpr std::array kPartKinds{linker::PartKind::kClientSend,    linker::PartKind::kSegment,
                                linker::PartKind::kGateway,       linker::PartKind::kServerKernel,
                                linker::PartKind::kServerProcess, linker::PartKind::kServerSend,
                                linker::PartKind::kDelayedAck};

template <class Kinds, class NameOf>
auto choose(Query& query, std::string_view name, const Kinds& kinds, NameOf name_of) {
  std::vector<std::string_view> names;
  names.reserve(kinds.size());
  for (const auto kind : kinds) names.emplace_back(name_of(kind));
  const std::optional<std::size_t> index = query.choice(name, names);
  return index ? std::optional(kinds[*index]) : std::nullopt;
}

/// "500", or "5xx" for all of them.
void read_status(Query& query, exporting::TraceFilter& filter) {
  const std::optional<std::string> text = query.text("status");
  if (!text) return;
  if (text->size() == 3 && text->substr(1) == "xx" && text->front() >= '1' && text->front() <= '9') {
    filter.status_min = static_cast<std::uint32_t>(text->front() - '0') * 100;
    filter.status_max = *filter.status_min + 99;
    return;
  }
  const bool digits = text->size() <= 5 && text->find_first_not_of("0123456789") == std::string::npos;
  if (!digits) return query.complain("status", "write a status such as 500 or 5xx");
  filter.status_min = filter.status_max = static_cast<std::uint32_t>(std::stoul(*text));
}

/// A signature as 16 digits, else names of points.
void read_path(Query& query, exporting::TraceFilter& filter) {
  const std::optional<std::string> text = query.text("path");
  if (!text) return;
  if (text->size() == 16) filter.path = read_hex(*text);
  if (!filter.path) filter.path_points = *text;
}

exporting::TraceFilter read_filter(Query& query) {
  exporting::TraceFilter filter;
  filter.from_ns = query.time("from");
  filter.to_ns = query.time("to");
  filter.point = query.text("point").value_or("");
  read_path(query, filter);
  filter.protocol = query.text("protocol").value_or("");
  filter.endpoint = query.text("endpoint").value_or("");
  filter.resource_prefix = query.text("resource").value_or("");
  read_status(query, filter);
  filter.min_duration_ns = query.duration("min_duration");
  if (auto segment = query.segment("slow_segment")) std::tie(filter.slow_from, filter.slow_to) = std::move(*segment);
  filter.verdict = choose(query, "verdict", kVerdictKinds, linker::verdict_name);
  return filter;
}

std::string cursor_text(const exporting::TraceCursor& cursor) {
  return fmt::format("{:016x}{:016x}", cursor.start_ns, cursor.id);
}

std::optional<exporting::TraceCursor> read_cursor(Query& query) {
  const std::optional<std::string> text = query.text("cursor");
  if (!text) return std::nullopt;
  const std::string_view all(*text);
  const auto start = all.size() == 32 ? read_hex(all.substr(0, 16)) : std::nullopt;
  const auto id = all.size() == 32 ? read_hex(all.substr(16)) : std::nullopt;
  if (start && id) return exporting::TraceCursor{*start, *id};
  query.complain("cursor", "give what \"next\" of the page before says, as it is");
  return std::nullopt;
}

HttpResponse unreadable_trace() {
  return error_response(500, "storage",
                        "the stored trace cannot be read: another version of hoptap wrote it, or the "
                        "database is damaged");
}

HttpResponse draw_page(const Asked& asked, const std::vector<JudgedTrace>& traces,
                       const std::optional<exporting::TraceCursor>& cursor) {
  const auto after = cursor ? std::optional(cursor->start_ns) : std::nullopt;
  return text_response(exporting::draw_traces(traces, after, asked.style));
}

/// Buckets of `step_ns` instead of those stored; 0: one for all. Newest first.
std::vector<SegmentRow> merged(std::vector<SegmentRow>&& rows, std::uint64_t step_ns) {
  using Key = std::tuple<std::uint64_t, linker::PartKind, std::string, std::string>;
  std::map<Key, SegmentRow> sums;
  for (SegmentRow& row : rows) {
    const std::uint64_t start = step_ns == 0 ? 0 : row.bucket_start_ns / step_ns * step_ns;
    auto [at, fresh] = sums.try_emplace(Key{~start, row.kind, row.from, row.to});
    SegmentRow& sum = at->second;
    const std::uint64_t end = row.bucket_start_ns + row.bucket_ns;
    if (fresh) {
      sum = std::move(row);
    } else {
      const std::uint64_t last = std::max(end, sum.bucket_start_ns + sum.bucket_ns);
      sum.bucket_start_ns = std::min(sum.bucket_start_ns, row.bucket_start_ns);
      sum.bucket_ns = last - sum.bucket_start_ns;
      sum.times.merge(row.times);
      sum.request_copies_lost += row.request_copies_lost;
      sum.response_copies_lost += row.response_copies_lost;
      sum.losses += row.losses;
    }
  }
  std::vector<SegmentRow> out;
  for (auto& [key, sum] : sums) {
    if (step_ns != 0) {
      sum.bucket_start_ns = ~std::get<0>(key);
      sum.bucket_ns = step_ns;
    }
    out.push_back(std::move(sum));
  }
  return out;
}

std::string page_end(const std::string& next, std::size_t unreadable) {
  std::string end = next.empty() ? ",\"next\":null" : fmt::format(",\"next\":\"{}\"", next);
  if (unreadable > 0) end += fmt::format(",\"unreadable\":{}", unreadable);
  return end;
}

}  // namespace

HttpResponse text_response(std::string body) { return {200, "text/plain; charset=utf-8", std::move(body), {}}; }

HttpResponse storage_error(const base::Failure& failure) {
  const bool too_long = failure.what == Store::kQueryTooLong;
  return error_response(too_long ? 503 : 500, too_long ? "query_too_long" : "storage", failure.what);
}

HttpResponse list_response(Format format, std::string_view name, const std::vector<std::string>& objects,
                           const std::string& more) {
  std::string body = format == Format::kJson ? fmt::format("{{\"{}\":[", name) : "";
  for (const std::string& object : objects) {
    if (format == Format::kJson && &object != objects.data()) body += ",\n";
    body += object;
    if (format == Format::kLines) body += '\n';
  }
  if (format == Format::kJson) body += "]" + more + "}\n";
  return {200, format == Format::kJson ? "application/json" : "application/x-ndjson", std::move(body), {}};
}

std::string more_text(bool more) { return fmt::format(",\"more\":{}", more); }

std::optional<std::uint64_t> read_step(const Asked& asked) {
  const std::optional<std::string> text = asked.query.text("step");
  if (!text && asked.format != Format::kText) return std::nullopt;
  if (!text || *text == "all") return 0;
  const std::optional<std::int64_t> step = read_duration(*text);
  if (step && *step > 0) return static_cast<std::uint64_t>(*step);
  asked.query.complain("step", "write a duration such as 1m, or all");
  return std::nullopt;
}

HttpResponse answer_traces(const Asked& asked) {
  const exporting::TraceFilter filter = read_filter(asked.query);
  const auto cursor = read_cursor(asked.query);
  const std::uint64_t limit = asked.query.number("limit", 1, Router::kLimitMax).value_or(Router::kLimitDefault);
  if (asked.query.complaint()) return {};
  const auto page = asked.sources.store->traces(filter, cursor, limit);
  if (!page) return storage_error(page.error());
  std::vector<JudgedTrace> traces;
  std::vector<std::string> objects;
  std::size_t unreadable = 0;
  for (const exporting::StoredTrace& stored : page->traces) {
    auto judged = exporting::decode_trace(stored.encoded);
    if (!judged) {
      ++unreadable;
    } else if (asked.format == Format::kText) {
      traces.push_back(std::move(*judged));
    } else {
      objects.push_back(exporting::trace_json(*judged, stored.revision, stored.final));
    }
  }
  const std::string next = page->next ? cursor_text(*page->next) : "";
  HttpResponse response = asked.format == Format::kText
                              ? draw_page(asked, traces, cursor)
                              : list_response(asked.format, "traces", objects, page_end(next, unreadable));
  if (!next.empty()) response.headers.emplace_back("Hoptap-Next", next);
  if (unreadable > 0) response.headers.emplace_back("Hoptap-Unreadable", std::to_string(unreadable));
  return response;
}

HttpResponse answer_trace(const Asked& asked) {
  const std::optional<std::uint64_t> id = asked.id.size() == 16 ? read_hex(asked.id) : std::nullopt;
  if (!id) asked.query.complain("id", "a trace's id has 16 hexadecimal digits; /api/v1/traces lists them");
  if (asked.query.complaint()) return {};
  const auto stored = asked.sources.store->trace(*id);
  if (!stored) return storage_error(stored.error());
  if (!*stored) {
    return error_response(404, "no_such_trace",
                          "no trace has this id, or it was too old to keep; /api/v1/traces lists them", "id");
  }
  const auto judged = exporting::decode_trace((*stored)->encoded);
  if (!judged) return unreadable_trace();
  if (asked.format == Format::kText) {
    return text_response(exporting::draw_trace(judged->trace, judged->judgement, asked.style));
  }
  return {200,
          asked.format == Format::kLines ? "application/x-ndjson" : "application/json",
          exporting::trace_json(*judged, (*stored)->revision, (*stored)->final) + "\n",
          {}};
}

HttpResponse answer_segments(const Asked& asked) {
  exporting::SpanFilter filter;
  filter.from_ns = asked.query.time("from");
  filter.to_ns = asked.query.time("to");
  filter.point = asked.query.text("point").value_or("");
  if (auto segment = asked.query.segment("segment")) {
    std::tie(filter.segment_from, filter.segment_to) = std::move(*segment);
  }
  filter.kind = choose(asked.query, "kind", kPartKinds, linker::part_name);
  const auto step = read_step(asked);
  const std::uint64_t limit = asked.query.number("limit", 1, kSegmentsMax).value_or(Router::kLimitMax);
  if (asked.query.complaint()) return {};
  filter.rows_max = step ? kSegmentRowsMax : limit + 1;
  auto rows = asked.sources.store->segments(filter);
  if (!rows) return storage_error(rows.error());
  bool more = step && rows->size() == kSegmentRowsMax;
  if (step) *rows = merged(std::move(*rows), *step);
  more = more || rows->size() > limit;
  if (rows->size() > limit) rows->resize(limit);
  if (asked.format == Format::kText) return text_response(exporting::draw_segments(*rows, asked.style));
  std::vector<std::string> objects;
  for (const SegmentRow& row : *rows) objects.push_back(exporting::segment_json(row));
  return list_response(asked.format, "segments", objects, more_text(more));
}

HttpResponse answer_verdicts(const Asked& asked) {
  exporting::SpanFilter filter;
  filter.from_ns = asked.query.time("from");
  filter.to_ns = asked.query.time("to");
  const std::optional<std::size_t> scope = asked.query.choice("scope", {"run", "window"});
  const std::uint64_t limit = asked.query.number("limit", 1, Router::kLimitMax).value_or(Router::kLimitDefault);
  if (asked.query.complaint()) return {};
  filter.rows_max = scope == 0u ? 0 : limit + 1;
  auto rows = asked.sources.store->windows(filter);
  if (!rows) return storage_error(rows.error());
  if (scope == 1u && !rows->empty() && rows->front().recent) rows->erase(rows->begin());
  const std::size_t recent = !rows->empty() && rows->front().recent ? 1 : 0;
  const bool more = rows->size() > limit + recent;
  if (more) rows->resize(limit + recent);
  std::vector<std::string> objects;
  std::string drawn;
  for (const exporting::WindowRow& row : *rows) {
    if (asked.format != Format::kText) {
      objects.push_back(exporting::window_json(row));
    } else if (row.recent) {
      drawn += exporting::draw_verdict(row.verdict, asked.style);
    } else {
      drawn += exporting::draw_window({row.start_ns, row.end_ns}, row.verdict, asked.style);
    }
  }
  if (asked.format == Format::kText) return text_response(std::move(drawn));
  return list_response(asked.format, "verdicts", objects, more_text(more));
}

HttpResponse answer_points(const Asked& asked) {
  if (asked.query.complaint()) return {};
  const auto rows = asked.sources.store->points();
  if (!rows) return storage_error(rows.error());
  if (asked.format == Format::kText) return text_response(exporting::draw_points(*rows, asked.style));
  std::uint64_t latest_ns = 0;
  for (const exporting::PointRow& row : *rows) latest_ns = std::max(latest_ns, row.reached_ns);
  std::vector<std::string> objects;
  for (const exporting::PointRow& row : *rows) objects.push_back(exporting::point_json(row, latest_ns));
  return list_response(asked.format, "points", objects, "");
}

HttpResponse answer_status(const Asked& asked) {
  if (asked.query.complaint()) return {};
  if (asked.sources.status) return {200, "application/json", asked.sources.status() + "\n", {}};
  const auto rows = asked.sources.store->probes();
  if (!rows) return storage_error(rows.error());
  const exporting::StoreCounters counters = asked.sources.store->counters();
  std::string probes;
  for (const exporting::ProbeRow& row : *rows) probes += (probes.empty() ? "" : ",") + exporting::probe_json(row);
  return {200,
          "application/json",
          fmt::format("{{\"version\":\"{}\",\"traces\":{},\"open_traces\":{},\"inbox_batches\":{},\"file_bytes\":{},"
                      "\"probes\":[{}]}}\n",
                      HOPTAP_VERSION, counters.traces, counters.open_traces, counters.inbox_batches,
                      counters.file_bytes, probes),
          {}};
}

}  // namespace hoptap::appliance
