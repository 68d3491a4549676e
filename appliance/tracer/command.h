// hoptap tracer: its options and what it does.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace hoptap::appliance {

struct TracerOptions {
  std::string config;    ///< a YAML file; "": defaults
  std::string data;      ///< instead of the configured folder
  std::string listen;    ///< instead of the configured address for probes
  std::string http;      ///< instead of the configured address of the API
  bool check = false;    ///< look at the configuration and do nothing
  bool example = false;  ///< print one and do nothing
};

CLI::App* add_tracer(CLI::App& app, TracerOptions& options);

/// Runs until SIGINT, SIGTERM or SIGHUP. @return an ExitCode
int run_tracer(const TracerOptions& options);

}  // namespace hoptap::appliance
