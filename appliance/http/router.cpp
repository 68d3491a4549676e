#include "appliance/http/router.h"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <chrono>

#include "appliance/http/answers.h"
#include "export/json_value.h"

namespace hoptap::appliance {
namespace {

using Names = std::vector<std::string_view>;

struct Route {
  std::string_view path;  ///< ends in "/": the id follows
  HttpResponse (*answer)(const Asked&);
  Names parameters;
  bool quick = false;
  bool drawn = true;  ///< takes the parameters of format and style too
  bool without_store = false;
};

HttpResponse answer_openapi(const Asked&) { return {200, "application/yaml", std::string(kOpenApi), {}}; }

/// Every path there is.
const std::array<Route, 10>& routes() {
  static const std::array<Route, 10> kRoutes{
      {{"/api/v1/traces",
        answer_traces,
        {"from", "to", "point", "path", "protocol", "endpoint", "resource", "status", "min_duration", "slow_segment",
         "verdict", "limit", "cursor"}},
       {"/api/v1/traces/", answer_trace, {}},
       {"/api/v1/segments", answer_segments, {"from", "to", "segment", "point", "kind", "step", "limit"}},
       {"/api/v1/verdicts", answer_verdicts, {"from", "to", "scope", "limit"}},
       {"/api/v1/points", answer_points, {}},
       {"/api/v1/metrics",
        answer_metrics_rows,
        {"from", "to", "point", "client", "server", "port", "protocol", "by", "step", "limit"}},
       {"/api/v1/status", answer_status, {}, false, false},
       {"/metrics", answer_metrics, {}, true, false, true},
       {"/healthz", answer_health, {}, true, true, true},
       {"/openapi.yaml", answer_openapi, {}, true, false}}};
  return kRoutes;
}

const Route* route_of(std::string_view path) {
  for (const Route& route : routes()) {
    const bool by_id = route.path.back() == '/';
    if (route.path == path && !by_id) return &route;
    if (by_id && path.size() > route.path.size() && path.substr(0, route.path.size()) == route.path &&
        path.find('/', route.path.size()) == std::string_view::npos) {
      return &route;
    }
  }
  return nullptr;
}

/// What the query says, else what the Accept header does (RFC 9110 section 12.5.1, without weights).
Format format_of(Query& query, const std::string& accept) {
  if (const auto chosen = query.choice("format", {"json", "ndjson", "text"})) return static_cast<Format>(*chosen);
  const std::size_t text = accept.find("text/plain"), lines = accept.find("application/x-ndjson"),
                    json = accept.find("application/json");
  if (lines < text && lines < json) return Format::kLines;
  return text < json ? Format::kText : Format::kJson;
}

exporting::TextStyle style_of(Query& query) {
  exporting::TextStyle style;
  style.columns = query.number("columns", 1, 1000).value_or(style.columns);
  style.unicode = !query.flag("ascii").value_or(false);
  style.colour = query.flag("colour").value_or(false);
  return style;
}

std::uint64_t system_now_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
}

}  // namespace

HttpResponse error_response(unsigned status, std::string_view code, std::string_view message,
                            std::string_view parameter) {
  boost::json::object error{{"code", code}, {"message", exporting::utf8(message)}};
  if (!parameter.empty()) error["parameter"] = exporting::utf8(parameter);
  return {status, "application/json", boost::json::serialize(boost::json::object{{"error", error}}) + "\n", {}};
}

Router::Router(HttpSources sources) : sources_(std::move(sources)) {
  if (!sources_.now_ns) sources_.now_ns = system_now_ns;
}

bool Router::is_quick(const HttpRequest& request) {
  if (request.target.size() > kTargetBytesMax) return true;
  const Route* route = route_of(std::string_view(request.target).substr(0, request.target.find('?')));
  return route == nullptr ? request.target.find('%') == std::string::npos : route->quick;
}

HttpResponse Router::handle(const HttpRequest& request) const {
  if (request.target.size() > kTargetBytesMax) {
    return error_response(414, "target_too_long",
                          fmt::format("the address is longer than {} bytes; ask for less", kTargetBytesMax));
  }
  const Target target = read_target(request.target);
  if (!target.good) {
    return error_response(400, "bad_target", "the address is broken; write special characters as %XX");
  }
  const Route* route = route_of(target.path);
  const bool stores = sources_.store != nullptr;
  if (route == nullptr || (!stores && !route->without_store)) {
    return error_response(404, "no_such_path",
                          stores ? "there is nothing here; /openapi.yaml lists what there is"
                                 : "there is nothing here; ask for /metrics or /healthz");
  }
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse refused = error_response(405, "method_not_allowed", "this can only be read; use GET or HEAD");
    refused.headers.emplace_back("Allow", "GET, HEAD");
    return refused;
  }
  Query query(target, sources_.now_ns());
  Names known = route->parameters;
  if (route->drawn) known.insert(known.end(), {"format", "columns", "ascii", "colour"});
  query.check_names(known);
  Asked asked{sources_, query, {}, Format::kJson, {}, request.accept};
  if (route->path.back() == '/') asked.id = std::string_view(target.path).substr(route->path.size());
  if (route->drawn) {
    asked.format = format_of(query, request.accept);
    asked.style = style_of(query);
  }
  HttpResponse response = query.complaint() ? HttpResponse() : route->answer(asked);
  if (!query.complaint()) return response;
  return error_response(400, "bad_parameter", query.complaint()->message, query.complaint()->parameter);
}

}  // namespace hoptap::appliance
