// Any request, as bytes of a connection, as a target, and as parameters put together from the ones there are: the API
// must answer each with a status it knows and JSON that is some.
#include <stdlib.h>

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <filesystem>
#include <string>

#include "appliance/http/query.h"
#include "appliance/http/router.h"
#include "base/bytes.h"
#include "export/trace_codec.h"

namespace {

using namespace hoptap;
using appliance::HttpRequest;
using appliance::HttpResponse;

void require(bool condition) {
  if (!condition) std::abort();
}

exporting::JudgedTrace small_trace(std::uint64_t id) {
  exporting::JudgedTrace judged;
  judged.trace.id = id;
  judged.trace.path = id % 2;
  judged.trace.hops.resize(2);
  for (std::size_t at = 0; at < 2; ++at) {
    linker::Hop& hop = judged.trace.hops[at];
    hop.point = at == 0 ? "a" : "b";
    hop.record.protocol = "http";
    hop.record.method = "GET";
    hop.record.resource = "/x\xff";
    hop.record.endpoint = "host";
    hop.record.status = 500;
    hop.record.has_status = true;
    hop.record.request.first_ns = 1000 * id;
  }
  judged.trace.parts.push_back({linker::PartKind::kSegment, 0, 1, 5000, 0, 0});
  judged.trace.response_time_ns = 5000;
  judged.judgement.verdict.kind = linker::VerdictKind::kSlowSegment;
  judged.judgement.verdict.from = "a";
  judged.judgement.verdict.to = "b";
  judged.judgement.verdict.text = "slow";
  return judged;
}

/// A store in a folder that is gone from the disk's names as soon as it is open.
struct World {
  World() {
    std::string name = (std::filesystem::temp_directory_path() / "hoptap-fuzz-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr);
    auto opened = exporting::Store::open({.folder = name, .retention = {}});
    require(opened.has_value());
    store = std::move(*opened);
    for (std::uint64_t id = 1; id <= 20; ++id) {
      const exporting::JudgedTrace judged = small_trace(id);
      std::vector<std::uint8_t> bytes;
      exporting::encode(judged.trace, judged.judgement, bytes);
      const std::vector<exporting::TraceRow> rows{{&judged.trace, &judged.judgement, base::as_text(bytes), 1}};
      require(store->put_traces({.put = rows, .remove = {}}).has_value());
    }
    std::vector<exporting::SegmentRow> segments(1);
    segments[0].from = "a";
    segments[0].to = "b";
    segments[0].bucket_ns = 10;
    segments[0].times.add(5000);
    std::vector<exporting::WindowRow> windows(2);
    windows[0].recent = true;
    windows[1].end_ns = 10;
    require(store->put_stretches({.windows = windows, .segments = segments}).has_value());
    std::vector<exporting::PointRow> points(1);
    points[0].name = "a";
    require(store->put_points(points).has_value());
    std::filesystem::remove_all(name);
    sources.store = store.get();
    sources.now_ns = [] { return std::uint64_t{1'700'000'000'000'000'000}; };
  }
  std::unique_ptr<exporting::Store> store;
  appliance::HttpSources sources;
};

const appliance::Router& router() {
  static World* world = new World;  // lives as long as the process
  static const appliance::Router router(world->sources);
  return router;
}

void check(const HttpRequest& request) {
  const HttpResponse response = router().handle(request);
  static_cast<void>(appliance::Router::is_quick(request));
  require(response.status == 200 || (response.status >= 400 && response.status <= 414));
  if (response.content_type != "application/json") return;
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(response.body, error);
  require(!error && value.is_object());
  require(response.status == 200 || !value.at("error").at("message").as_string().empty());
}

/// Text of up to 32 bytes from the input, or one that means something.
std::string value_from(base::ByteCursor& in) {
  static constexpr const char* kValues[] = {"a",
                                            "b",
                                            "a..b",
                                            "a,b",
                                            "http",
                                            "/x",
                                            "500",
                                            "5xx",
                                            "250ms",
                                            "-15m",
                                            "now",
                                            "1",
                                            "true",
                                            "text",
                                            "ndjson",
                                            "slow_segment",
                                            "segment",
                                            "all",
                                            "window",
                                            "2023-11-14T22:13:20.5+01:00",
                                            "0000000000000001",
                                            "00000000000003e80000000000000005"};
  const std::uint8_t kind = in.u8();
  if (kind < std::size(kValues)) return kValues[kind];
  const std::size_t size = std::min<std::size_t>(kind % 33, in.rest().size());
  return std::string(base::as_text(in.take(size)));
}

std::string target_from(base::ByteCursor& in) {
  static constexpr const char* kPaths[] = {"/api/v1/traces",   "/api/v1/traces/0000000000000001",
                                           "/api/v1/segments", "/api/v1/verdicts",
                                           "/api/v1/points",   "/api/v1/status",
                                           "/metrics",         "/healthz",
                                           "/openapi.yaml",    "/api/v1/traces/"};
  static constexpr const char* kNames[] = {
      "from",   "to",           "point",        "path",    "protocol", "endpoint", "resource",
      "status", "min_duration", "slow_segment", "verdict", "limit",    "cursor",   "segment",
      "kind",   "step",         "scope",        "format",  "columns",  "ascii",    "colour"};
  std::string target = kPaths[in.u8() % std::size(kPaths)];
  if (target.back() == '/') target += appliance::percent_encoded(value_from(in));
  const std::uint8_t count = in.u8() % 6;
  for (std::uint8_t at = 0; at < count; ++at) {
    target += at == 0 ? "?" : "&";
    target += kNames[in.u8() % std::size(kNames)];
    target += "=" + appliance::percent_encoded(value_from(in));
  }
  return target;
}

/// As the server reads it from a socket.
void check_bytes(base::Bytes bytes) {
  namespace http = boost::beast::http;
  http::request_parser<http::string_body> parser;
  parser.header_limit(16384);
  parser.body_limit(16384);
  parser.eager(true);
  boost::system::error_code error;
  std::string_view rest = base::as_text(bytes);
  while (!error && !parser.is_done() && !rest.empty()) {
    const std::size_t used = parser.put(boost::asio::buffer(rest.data(), rest.size()), error);
    if (used == 0) break;
    rest.remove_prefix(used);
  }
  if (error || !parser.is_done()) return;
  const auto& message = parser.get();
  check(
      {std::string(message.method_string()), std::string(message.target()), std::string(message[http::field::accept])});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::ByteCursor in(base::Bytes(data, size));
  switch (in.u8() % 4) {
    case 0: check_bytes(in.rest()); break;
    case 1: check({"GET", std::string(base::as_text(in.rest())), ""}); break;
    case 2: {
      const std::string accept = value_from(in);
      check({"GET", target_from(in), accept});
      break;
    }
    default: check({"GET", target_from(in), "text/plain"}); break;
  }
  if (const auto judged = exporting::decode_trace(base::Bytes(data, size))) {
    std::vector<std::uint8_t> again;
    exporting::encode(judged->trace, judged->judgement, again);
    require(exporting::decode_trace(again).has_value());
  }
  return 0;
}
