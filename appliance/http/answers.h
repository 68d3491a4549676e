// What each path of the API answers. Private to appliance/http/.
#pragma once

#include <string_view>
#include <vector>

#include "appliance/http/query.h"
#include "appliance/http/router.h"
#include "export/text.h"

namespace hoptap::appliance {

enum class Format : std::uint8_t { kJson, kLines, kText };

/// A request that has been routed. Parameters are complained of in `query`; an answer that finds a complaint is not
/// used.
struct Asked {
  const HttpSources& sources;
  Query& query;
  std::string_view id;  ///< the last part of the path, where that is one
  Format format = Format::kJson;
  exporting::TextStyle style;
  std::string_view accept;  ///< the header
};

HttpResponse answer_traces(const Asked& asked);
HttpResponse answer_trace(const Asked& asked);
HttpResponse answer_segments(const Asked& asked);
HttpResponse answer_verdicts(const Asked& asked);
HttpResponse answer_points(const Asked& asked);
HttpResponse answer_metrics_rows(const Asked& asked);
HttpResponse answer_status(const Asked& asked);
HttpResponse answer_health(const Asked& asked);
HttpResponse answer_metrics(const Asked& asked);

HttpResponse text_response(std::string body);
HttpResponse storage_error(const base::Failure& failure);
/// {"<name>":[…]<more>} or the objects alone, a line each.
HttpResponse list_response(Format format, std::string_view name, const std::vector<std::string>& objects,
                           const std::string& more);
std::string more_text(bool more);
/// The parameter `step`. Nothing: as stored. 0: all in one.
std::optional<std::uint64_t> read_step(const Asked& asked);

void write_metrics(const std::vector<Metric>& metrics, exporting::MetricsWriter& out);
std::vector<Metric> store_metrics(const exporting::StoreCounters& counters);

extern const std::string_view kOpenApi;  ///< docs/openapi.yaml

}  // namespace hoptap::appliance
