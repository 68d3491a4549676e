// The HTTP API without its sockets: a request in, a response out. docs/openapi.yaml says what there is to ask.
// handle() may be called by many threads at a time; it waits for the database where is_quick() is false.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "export/metrics/open_metrics.h"
#include "export/store/store.h"

namespace hoptap::appliance {

struct HttpRequest {
  std::string method = "GET";
  std::string target;  ///< path and query, as sent
  std::string accept;  ///< the header; "": anything
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  ///< beside type and length
};

/// One number for Prometheus. Metrics of one name must follow each other.
struct Metric {
  enum class Type : std::uint8_t { kCounter, kGauge };

  std::string name;  ///< "hoptap_tracer_batches_total"; of a counter, ends in _total
  std::string help;  ///< one sentence
  Type type = Type::kGauge;
  double value = 0;
  std::vector<std::pair<std::string, std::string>> labels;
};

/// Whether the tracer works, and in words what it does or why not.
struct Health {
  bool ok = true;
  std::string words;
};

/// Where answers come from; whatever is left out is answered for by the store alone. The functions are called by any
/// thread, must not wait long, and must be good until the server has stopped.
struct HttpSources {
  exporting::Store* store = nullptr;                       ///< none: there is nothing below /api/
  std::function<std::vector<Metric>()> metrics;            ///< beside those of the store and of HTTP
  std::function<void(exporting::MetricsWriter&)> traffic;  ///< what was captured, for /metrics
  std::function<Health()> health;
  std::function<std::string()> status;    ///< a JSON object
  std::function<std::uint64_t()> now_ns;  ///< for "-15m"; by default the system's clock
};

class Router {
 public:
  static constexpr std::size_t kTargetBytesMax = 4096;
  static constexpr std::size_t kLimitDefault = 100;
  static constexpr std::size_t kLimitMax = 1000;

  explicit Router(HttpSources sources);

  /// Any method, any target, any bytes. A HEAD is answered as a GET; who sends it leaves the body out.
  HttpResponse handle(const HttpRequest& request) const;

  /// True when handle() does not ask the database: health, metrics, errors of routing.
  static bool is_quick(const HttpRequest& request);

 private:
  HttpSources sources_;
};

/// {"error":{"code":…,"message":…,"parameter":…}}, ended by a line break; `parameter` only if there is one.
HttpResponse error_response(unsigned status, std::string_view code, std::string_view message,
                            std::string_view parameter = {});

}  // namespace hoptap::appliance
