// The lines of truth.jsonl, as docs/forge.md describes them. Names and numbers only: nothing needs escaping.
#include <fmt/format.h>

#include <iterator>

#include "appliance/forge/truth_writer.h"

namespace hoptap::forge {
namespace {

constexpr std::array<std::string_view, 5> kCauses{"", "rto", "fast", "probe", "zero_window_probe"};
constexpr std::array<std::string_view, 3> kLost{"request", "response", "ack"};

std::string_view text(const std::string* name) { return name == nullptr ? std::string_view() : *name; }

Time unix_time(Time time) { return time == 0 ? 0 : kRunBegins + time; }

std::string fault_plan_json(const FaultPlan& fault) {
  std::string json = fmt::format(R"({{"kind":"{}","share":{})", name_of(fault.kind), fault.share);
  const auto out = std::back_inserter(json);
  if (fault.has_segment()) fmt::format_to(out, R"(,"segment":["{}","{}"])", fault.from, fault.to);
  constexpr double kNanoseconds = 1000;
  if (fault.kind == FaultKind::kDelay || fault.kind == FaultKind::kServerSlow)
    fmt::format_to(out, R"(,"add_us":{})", static_cast<double>(fault.add) / kNanoseconds);
  if (fault.kind == FaultKind::kDelay)
    fmt::format_to(out, R"(,"direction":"{}")", fault.on_response ? "response" : "request");
  if (fault.kind == FaultKind::kZeroWindow)
    fmt::format_to(out, R"(,"for_us":{})", static_cast<double>(fault.closed_for) / kNanoseconds);
  if (fault.by != Culprit::kNone) fmt::format_to(out, R"(,"by":"{}")", name_of(fault.by));
  return json + "}";
}

std::string fault_json(const Exchange& exchange) {
  if (exchange.fault == nullptr || !exchange.fault_done) return "null";
  return fmt::format(R"({{"kind":"{}","from":"{}","to":"{}","at":"{}","by":"{}"}})", name_of(exchange.fault->kind),
                     text(exchange.fault_from), text(exchange.fault_to), text(exchange.fault_point),
                     name_of(exchange.fault->by));
}

void add_passing(std::string& json, std::string_view message, const Passing& passing, std::uint64_t bytes) {
  fmt::format_to(std::back_inserter(json), R"(,"{0}_first_ns":{1},"{0}_last_ns":{2},"{0}_whole":{3},"{0}_any":{4})",
                 message, unix_time(passing.first), unix_time(passing.last), bytes > 0 && passing.captured.whole(bytes),
                 passing.captured.any());
}

}  // namespace

std::string run_line(const Scenario& scenario, std::uint64_t seed, const std::vector<Point*>& points) {
  std::string json = fmt::format(R"({{"type":"run","name":"{}","seed":{},"points":[)", scenario.name, seed);
  const auto out = std::back_inserter(json);
  for (std::size_t i = 0; i < points.size(); ++i)
    fmt::format_to(out, R"({}{{"name":"{}","role":"{}","file":"captures/{:02}_{}.pcap"}})", i == 0 ? "" : ",",
                   points[i]->plan().name, points[i]->plan().role, i + 1, points[i]->plan().name);
  json += R"(],"faults":[)";
  for (std::size_t i = 0; i < scenario.faults.size(); ++i)
    fmt::format_to(out, "{}{}", i == 0 ? "" : ",", fault_plan_json(scenario.faults[i]));
  return json + "]}\n";
}

std::string request_line(const Exchange& exchange, const std::vector<Point*>& points) {
  std::string json = fmt::format(
      R"({{"type":"request","id":"{}","connection":{},"client":"{}","server":"{}","status":{},"response_time_ns":{},)"
      R"("service_ns":{},"fault":{},"points":[)",
      exchange.id, exchange.connection, exchange.client.text(), exchange.server.text(), exchange.status,
      exchange.status == 0 ? 0 : exchange.end - exchange.start, exchange.served, fault_json(exchange));
  const auto out = std::back_inserter(json);
  const char* comma = "";
  for (const AtPoint& at : exchange.points) {
    fmt::format_to(out, R"({}{{"point":"{}")", comma, points[at.point]->plan().name);
    add_passing(json, "request", at.request, at.request_bytes);
    add_passing(json, "response", at.response, at.response_bytes);
    json += "}";
    comma = ",";
  }
  json += R"(],"lost":[)";
  comma = "";
  for (const Lost& lost : exchange.lost) {
    fmt::format_to(out, R"({}{{"message":"{}","from":"{}","to":"{}","time_ns":{}}})", comma,
                   kLost[static_cast<std::size_t>(lost.what)], text(lost.from), text(lost.to), unix_time(lost.time));
    comma = ",";
  }
  json += R"(],"resent":[)";
  comma = "";
  for (const Resent& resent : exchange.resent) {
    fmt::format_to(out, R"({}{{"message":"{}","cause":"{}","spurious":{},"time_ns":{}}})", comma,
                   resent.is_request ? "request" : "response", kCauses[static_cast<std::size_t>(resent.cause)],
                   resent.spurious(), unix_time(resent.time));
    comma = ",";
  }
  fmt::format_to(out, R"(],"zero_window_ns":{},"reset":)", exchange.zero_window);
  if (exchange.reset_by == Culprit::kNone) {
    json += "null";
  } else {
    fmt::format_to(out, R"({{"by":"{}","from":"{}","to":"{}"}})", name_of(exchange.reset_by), text(exchange.reset_from),
                   text(exchange.reset_to));
  }
  return json + "}\n";
}

}  // namespace hoptap::forge
