// hoptap traces, verdicts, points, metrics: command-line clients of the tracer's HTTP API.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace hoptap::appliance {

/// Where the tracer is and how to print, shared by all.
struct ClientOptions {
  std::string tracer;  ///< URL; "": $HOPTAP_TRACER, else http://127.0.0.1:8717
  std::string ca;      ///< PEM file to trust beside the system's
  bool json = false;
  bool ascii = false;
  std::string colour = "auto";  ///< auto, always, never
};

struct TracesOptions {
  ClientOptions client;
  std::string id;  ///< "": list
  std::string from, to, point, path, protocol, endpoint, resource, status, min_duration, slow_segment, verdict;
  std::size_t limit = 100;  ///< of the list; pages are followed
};

struct VerdictsOptions {
  ClientOptions client;
  std::string from, to;
  std::size_t limit = 100;
};

struct PointsOptions {
  ClientOptions client;
};

struct MetricsOptions {
  ClientOptions client;
  std::string from, to, point, address, server, port, protocol, by = "point,server,protocol", step;
  std::size_t limit = 1000;
};

/// Each adds its subcommand and fills `options` when that is given; `options` must outlive `app`.
CLI::App* add_traces(CLI::App& app, TracesOptions& options);
CLI::App* add_verdicts(CLI::App& app, VerdictsOptions& options);
CLI::App* add_points(CLI::App& app, PointsOptions& options);

CLI::App* add_metrics(CLI::App& app, MetricsOptions& options);

/// Each runs one command and returns an ExitCode; kCannotReach when no tracer answers.
int run_traces(const TracesOptions& options);
int run_verdicts(const VerdictsOptions& options);
int run_points(const PointsOptions& options);
int run_metrics(const MetricsOptions& options);

}  // namespace hoptap::appliance
