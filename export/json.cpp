#include "export/json.h"

#include <fmt/format.h>

#include "export/json_value.h"

namespace hoptap::exporting {
namespace {

namespace json = boost::json;
using linker::Hop;
using linker::Part;
using linker::PartKind;
using linker::Trace;

json::object hop(const Hop& hop) {
  const flowtable::HopRecord& record = hop.record;
  const bool tcp = record.transport == 6;
  json::object out{{"point", utf8(hop.point)}, {"role", utf8(hop.role)}, {"resource", utf8(record.resource)}};
  out["source"] = record.client.text();
  out["target"] = record.server.text();
  put_processes(record.processes, out);
  out["tunnels"] = tunnels(record.vantage.tunnels);
  out["ttl"] = record.request.ttl;
  out["request_first_ns"] = record.request.first_ns;
  out["request_last_ns"] = record.request.last_ns;
  out["response_first_ns"] = record.response.first_ns;
  out["response_last_ns"] = record.response.last_ns;
  out["request_copies"] = record.request.seen() ? record.request.copies + 1 : 0;
  out["response_copies"] = record.response.seen() ? record.response.copies + 1 : 0;
  if (tcp) {
    out["request_sequence"] = record.request.sequence;
    out["request_end"] = record.request.end_sequence;
    out["response_sequence"] = record.response.sequence;
    out["response_end"] = record.response.end_sequence;
  }
  out["flags"] = flag_names(record.flags);
  return out;
}

double share_of(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

json::object part(const Trace& trace, const Part& part) {
  json::object out{{"kind", linker::part_name(part.kind)}};
  const std::string from = utf8(trace.hops[part.from].point);
  const std::string to = utf8(trace.hops[part.to].point);
  if (part.kind == PartKind::kSegment || part.kind == PartKind::kGateway) {
    out["from"] = from;
    out["to"] = to;
  } else {
    out["at"] = to;
    if (part.kind == PartKind::kDelayedAck) out["sender"] = from;
  }
  out["time_ns"] = part.time_ns;
  out["share"] = share_of(part.time_ns, trace.response_time_ns);
  if (part.kind == PartKind::kSegment) {
    out["request_copies_lost"] = part.request_copies_lost;
    out["response_copies_lost"] = part.response_copies_lost;
  }
  return out;
}

json::array trace_flags(std::uint32_t flags) {
  json::array names;
  if ((flags & linker::trace_flag::kUnordered) != 0) names.emplace_back("unordered");
  if ((flags & linker::trace_flag::kAckOnResponse) != 0) names.emplace_back("ack_on_response");
  if ((flags & linker::trace_flag::kAckDelayed) != 0) names.emplace_back("ack_delayed");
  if ((flags & linker::trace_flag::kEarlyResponse) != 0) names.emplace_back("early_response");
  if ((flags & linker::trace_flag::kNegativeSegment) != 0) names.emplace_back("negative_segment");
  if ((flags & linker::trace_flag::kUnanswered) != 0) names.emplace_back("unanswered");
  return names;
}

void put_verdict(const linker::Verdict& verdict, json::object& out) {
  out["kind"] = linker::verdict_name(verdict.kind);
  if (verdict.kind == linker::VerdictKind::kDelayedAck) {
    out["at"] = utf8(verdict.to);
    out["sender"] = utf8(verdict.from);
  } else if (!verdict.from.empty()) {
    out["from"] = utf8(verdict.from);
    out["to"] = utf8(verdict.to);
  } else if (!verdict.at.empty()) {
    out["at"] = utf8(verdict.at);
  }
  if (verdict.confidence > 0) out["confidence"] = verdict.confidence;
  out["excess_ns"] = verdict.excess_ns;
  out["baseline_ns"] = verdict.baseline_ns;
  out["contribution"] = verdict.contribution;
}

json::array losses(const Trace& trace) {
  const auto name_of = [](linker::Lost what) {
    switch (what) {
      case linker::Lost::kRequest: return "request";
      case linker::Lost::kResponse: return "response";
      case linker::Lost::kRequestAck: return "request_ack";
      case linker::Lost::kResponseAck: return "response_ack";
    }
    return "unknown";
  };
  json::array list;
  for (const linker::Loss& loss : trace.losses) {
    list.push_back({{"what", name_of(loss.what)},
                    {"from", utf8(trace.stops[loss.from].point)},
                    {"to", utf8(trace.stops[loss.from + 1].point)},
                    {"probability", loss.probability}});
  }
  return list;
}

json::array missing_points(const Trace& trace) {
  json::array missing;
  for (const linker::MissingPoint& point : trace.missing) missing.emplace_back(utf8(point.point));
  return missing;
}

json::array names(const std::vector<std::string>& texts) {
  json::array list;
  for (const std::string& text : texts) list.emplace_back(utf8(text));
  return list;
}

}  // namespace

std::string id_text(std::uint64_t id) { return fmt::format("{:016x}", id); }

std::string trace_json(const Trace& trace, const linker::Verdict& verdict) {
  json::object out{{"type", "trace"}, {"id", id_text(trace.id)}};
  if (!trace.hops.empty()) {
    const Hop& first = trace.first_hop();
    const flowtable::HopRecord& told = trace.telling_hop().record;
    const Hop& last = trace.parts.empty() ? trace.hops.back() : trace.server_end();
    out["protocol"] = told.protocol;
    out["method"] = utf8(told.method);
    out["resource"] = utf8(told.resource);
    out["endpoint"] = utf8(told.endpoint);
    out["status"] = told.has_status ? json::value(told.status) : json::value(nullptr);
    out["client"] = first.record.client.text();
    out["server"] = last.record.server.text();
    out["request_ns"] = first.record.request.first_ns;
  }
  out["response_time_ns"] = trace.response_time_ns;
  out["flags"] = trace_flags(trace.flags);
  json::array hops, parts;
  for (const Hop& one : trace.hops) hops.push_back(hop(one));
  for (const Part& one : trace.parts) parts.push_back(part(trace, one));
  out["hops"] = std::move(hops);
  out["parts"] = std::move(parts);
  out["losses"] = losses(trace);
  out["missing"] = missing_points(trace);
  json::object judged;
  put_verdict(verdict, judged);
  judged["text"] = utf8(verdict.text);
  out["verdict"] = std::move(judged);
  return line_of(out);
}

std::string verdict_json(const linker::RunVerdict& verdict, std::optional<linker::TimeWindow> window) {
  json::object out{{"type", "verdict"}, {"scope", window ? "window" : "run"}};
  if (window) {
    out["start_ns"] = window->start_ns;
    out["end_ns"] = window->end_ns;
  }
  put_verdict(verdict, out);
  out["excess_p95_ns"] = verdict.excess_p95_ns;
  out["share_of_excess"] = verdict.share_of_excess;
  out["slow"] = verdict.slow;
  out["requests"] = verdict.requests;
  out["unanswered"] = verdict.unanswered;
  out["resets"] = verdict.resets;
  out["response_p50_ns"] = verdict.response_p50_ns;
  out["response_p95_ns"] = verdict.response_p95_ns;
  out["server_ns"] = verdict.server_ns;
  out["server_usual_ns"] = verdict.server_usual_ns;
  json::array evidence, missing;
  for (const std::uint64_t id : verdict.evidence) evidence.emplace_back(id_text(id));
  for (const linker::RunVerdict::Missing& point : verdict.missing) {
    missing.push_back({{"point", utf8(point.point)}, {"share", point.share}});
  }
  out["evidence"] = std::move(evidence);
  out["copies_lost"] = {{"request", verdict.lost_here.request},
                        {"response", verdict.lost_here.response},
                        {"elsewhere_request", verdict.lost_elsewhere.request},
                        {"elsewhere_response", verdict.lost_elsewhere.response}};
  out["missing"] = std::move(missing);
  if (verdict.shared_by) {
    out["shared_by"] = {{"what", verdict.shared_by->what},
                        {"value", utf8(verdict.shared_by->value)},
                        {"share_of_slow", verdict.shared_by->of_slow},
                        {"share_of_all", verdict.shared_by->of_all}};
  }
  if (!verdict.inside.empty()) out["inside"] = names(verdict.inside);
  if (!verdict.because.empty()) out["because"] = utf8(verdict.because);
  out["text"] = utf8(verdict.text);
  return line_of(out);
}

std::string summary_json(const Summary& summary) {
  json::object out{{"type", "summary"}, {"schema", kPathJsonSchema}, {"version", summary.version}};
  json::array points, paths;
  for (const PointSummary& point : summary.points) {
    json::object one{{"name", utf8(point.name)}, {"role", utf8(point.role)}};
    if (point.completeness_to_server) one["completeness_to_server"] = *point.completeness_to_server;
    if (point.completeness_to_client) one["completeness_to_client"] = *point.completeness_to_client;
    if (!point.stamps.empty()) one["stamps"] = stamps_json(point.stamps);
    points.push_back(std::move(one));
  }
  for (const linker::RouteSummary& path : summary.paths) {
    paths.push_back({{"points", names(path.points)},
                     {"requests", path.requests},
                     {"unordered", path.unordered},
                     {"hint_disagrees", path.hint_disagrees}});
  }
  out["points"] = std::move(points);
  out["paths"] = std::move(paths);
  json::object counters;
  for (const auto& [name, value] : summary.counters) counters[name] = value;
  out["counters"] = std::move(counters);
  out["notes"] = names(summary.notes);
  return line_of(out);
}

}  // namespace hoptap::exporting
