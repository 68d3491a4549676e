#include "appliance/tracer/command.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <ctime>
#include <thread>

#include "appliance/exit_code.h"
#include "appliance/read_file.h"
#include "appliance/stop_signal.h"
#include "appliance/tracer/config.h"
#include "appliance/tracer/tracer.h"

namespace hoptap::appliance {
namespace {

/// The file, then what the command line says.
base::Outcome<TracerConfig> configure(const TracerOptions& options) {
  TracerConfig config = default_tracer_config();
  if (!options.config.empty()) {
    const auto text = read_file(options.config);
    if (!text) return tl::unexpected(text.error());
    auto read = read_tracer_config(*text, options.config);
    if (!read) return tl::unexpected(read.error());
    config = std::move(*read);
  }
  if (!options.data.empty()) config.store.folder = options.data;
  if (!options.listen.empty()) config.collector.listen = options.listen;
  HttpServerConfig like;  // the same form
  if (const auto set = set_http_listen(config.collector.listen, like); !set)
    return tl::unexpected(base::Failure{"the address for probes: " + set.error().what});
  if (options.http.empty()) return config;
  if (const auto set = set_http_listen(options.http, config.http); !set)
    return tl::unexpected(base::Failure{"--http: " + set.error().what});
  return config;
}

void say(const std::string& what) {
  fmt::print(stderr, "{:%Y-%m-%dT%H:%M:%S}Z tracer: {}\n", fmt::gmtime(std::time(nullptr)), what);
}

}  // namespace

CLI::App* add_tracer(CLI::App& app, TracerOptions& options) {
  CLI::App* command = app.add_subcommand(
      "tracer",
      "take records from probes, join the hops of each request as they arrive, judge, store, and serve an HTTP API\n"
      "\n"
      "  hoptap tracer                               probes on 127.0.0.1:4717, the API on http://127.0.0.1:8717\n"
      "  hoptap tracer --example > tracer.yaml       a commented configuration with every key\n"
      "  hoptap tracer -c tracer.yaml --check        is it right?\n"
      "\n"
      "Runs in the foreground until SIGINT, SIGTERM or SIGHUP; what probes were acknowledged is on disk and is taken "
      "up again.\n"
      "Ask it with hoptap traces, hoptap verdicts, hoptap points, or over HTTP (docs/api.md).\n");
  command->add_option("-c,--config", options.config, "a YAML file");
  command->add_option("--data", options.data, "the folder of the database");
  command->add_option("--listen", options.listen, "where probes connect, ADDRESS:PORT (127.0.0.1:4717)");
  command->add_option("--http", options.http, "where the API is served, ADDRESS:PORT (127.0.0.1:8717)");
  command->add_flag("--check", options.check,
                    "look at the configuration, say what is wrong with it, and do nothing else");
  command->add_flag("--example", options.example, "print a configuration to start with, and do nothing else");
  return command;
}

int run_tracer(const TracerOptions& options) {
  if (options.example) {
    fmt::print("{}", example_tracer_config());
    return kDone;
  }
  const auto config = configure(options);
  if (!config) return fail(kWrongUsage, config.error().what);
  if (options.check) {
    for (const auto& good : {exporting::check(config->collector), check(config->http)})
      if (!good) return fail(kWrongUsage, good.error().what);
    fmt::print("{}: is right\n", options.config.empty() ? "the default configuration" : options.config);
    return kDone;
  }
  catch_stop_signals();
  auto tracer = Tracer::start(*config, say);
  if (!tracer) return fail(kCannotWrite, tracer.error().what);
  say(fmt::format("takes probes on port {}, serves {}; data in {}", (*tracer)->collector_port(), (*tracer)->url(),
                  config->store.folder));
  while (!stop_wanted()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  say("stops");
  tracer->reset();
  return kDone;
}

}  // namespace hoptap::appliance
