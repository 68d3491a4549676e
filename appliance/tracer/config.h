// The tracer's configuration: a YAML file, with defaults for all of it. Plain values.
#pragma once

#include <string>
#include <string_view>

#include "appliance/http/server.h"
#include "appliance/tracer/engine.h"
#include "appliance/tracer/traffic.h"
#include "base/result.h"
#include "export/store/store.h"
#include "export/transport/collector_server.h"

namespace hoptap::appliance {

struct TracerConfig {
  exporting::StoreConfig store;
  exporting::CollectorConfig collector;
  HttpServerConfig http;
  EngineConfig engine;
  std::size_t totals_max = TrafficTotals::kRowsMaxDefault;  ///< rows of sums for /metrics
};

/// With the folder that suits the user: /var/lib/hoptap/tracer for root, else one in the home folder.
TracerConfig default_tracer_config();

/// A failure names `file`, the line and what to write instead.
[[nodiscard]] base::Outcome<TracerConfig> read_tracer_config(const std::string& text, std::string_view file);

/// A commented file with every key at its default.
std::string_view example_tracer_config();

}  // namespace hoptap::appliance
