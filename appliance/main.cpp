// The hoptap program: reads the command line and runs one command.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string>

#include "appliance/clients.h"
#include "appliance/doctor/command.h"
#include "appliance/exit_code.h"
#include "appliance/options.h"
#include "appliance/probe/command.h"
#include "appliance/tracer/command.h"

namespace hoptap::appliance {
namespace {

constexpr const char* kAbout =
    "hoptap tells in which segment of a network path requests lose their time, from packets alone.\n"
    "\n"
    "Give it one capture for each point of the path; it joins the hops of every request, takes the\n"
    "response time apart without trusting any clock, and says where the time went and why.\n"
    "\n"
    "  hoptap path pod.pcap node-a.pcap tor.pcap node-b.pcap       where does the time go?\n"
    "  hoptap path --json *.pcap | jq .verdict.text                the same, for programs\n"
    "  hoptap records gateway.pcap                                 every exchange, one line each\n"
    "  hoptap forge scenario.yaml --out folder                     make captures of which the truth is known\n"
    "\n"
    "Captures on different hosts: a probe on each sends records to a tracer, which joins and stores them.\n"
    "\n"
    "  hoptap tracer                                               in one place\n"
    "  hoptap probe -i eth0=node-7 --tracer HOST:4717              on each host, live; --replay reads a capture\n"
    "  hoptap doctor                                               what this host can do for capture\n"
    "  hoptap verdicts; hoptap traces; hoptap points; hoptap metrics\n"
    "\n"
    "Exit codes: 0 done, whatever the verdict; 1 nothing found; 2 wrong usage, scenario or configuration;\n"
    "3 a file cannot be read; 4 output, spool or database cannot be written, or not all was delivered;\n"
    "5 no tracer answers.";

void add_capture_options(CLI::App& command, CaptureOptions& options) {
  command.add_option("FILE", options.files, "pcap or pcapng, also gzip or zstd; - is standard input")->required();
  command.add_option("-f,--filter", options.filter,
                     "only packets that match this tcpdump expression, e.g. 'host 10.0.0.7';\nit sees outer headers: "
                     "tunnelled traffic needs its own term ('or udp port 4789')");
  command
      .add_option("--vxlan-port", options.vxlan_ports, "another UDP port that carries VXLAN (4789 and 8472 always do)")
      ->allow_extra_args(false);
  command
      .add_option("--time", options.time,
                  "whose time packets have: packet (the capture's), or that of a switch: erspan, arista, arista_7150, "
                  "metamako,\n"
                  "cisco_ie, cisco_hpt")
      ->check(CLI::IsMember(stamp_sources()))
      ->capture_default_str();
  command.add_option("--progress", options.progress, "show progress on standard error")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
}

CLI::App* add_forge(CLI::App& app, ForgeOptions& options) {
  CLI::App* command = app.add_subcommand(
      "forge",
      "play HTTP over TCP through a path of your description; write what captures along it would hold, and the truth\n"
      "\n"
      "  hoptap forge --example > try.yaml           a commented scenario to start with\n"
      "  hoptap forge try.yaml --out try             try/captures/*.pcap and try/truth.jsonl\n"
      "  hoptap path try/captures/*.pcap             what hoptap makes of them\n"
      "\n"
      "The path is a list: points (where packets are captured), segments (delays, losses), routers, address\n"
      "translation, tunnels, middleboxes that rewrite sequence numbers, gateways. Faults hit a share of the requests.\n"
      "No root and no network are needed; the same scenario and seed give the same bytes. See docs/forge.md.\n");
  command->add_option("SCENARIO", options.scenario, "a YAML file");
  command->add_option("-o,--out", options.out, "the folder to write to; made if it is not there");
  command->add_option("--seed", options.seed, "of all random choices, instead of the scenario's");
  command->add_flag("--example", options.example, "print a scenario to start with, and do nothing else");
  command->add_option("--progress", options.progress, "show progress on standard error")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  return command;
}

CLI::App* add_path(CLI::App& app, PathOptions& options) {
  CLI::App* command = app.add_subcommand(
      "path",
      "join the hops of each request over several captures; print paths, times and a verdict\n"
      "\n"
      "Points are named after the files (04_switch-a.pcap is switch-a) and, in a pcapng with several, the\n"
      "interfaces. No order, clock or NAT table is needed: all is learned from the packets.\n");
  add_capture_options(*command, options.captures);
  command
      ->add_option("--point", options.points,
                   "name a file's point: FILE=NAME:ROLE, ROLE is pod, node, host, switch, gateway or unknown;\n"
                   "FILE=NAME:ROLE:ORDER also hints its place, lower is nearer the client.\n"
                   "FILE/erspan-7=NAME names a mirror session in it; FILE/vxlan-900 and FILE/gre-5 make mirrors of\n"
                   "a VNI and a GRE key")
      ->allow_extra_args(false);
  command->add_flag("--json", options.json, "one JSON object a line: traces, then the verdict, then a summary");
  command
      ->add_option("--window", options.window_s,
                   "also a verdict for each stretch of so many seconds, by the clock of the first point")
      ->check([](const std::string& text) {
        const double seconds = std::strtod(text.c_str(), nullptr);
        return seconds >= 0.001 && seconds <= 86400 ? std::string() : "must be from 0.001 to 86400 seconds";
      });
  command->add_option("--trace", options.trace,
                      "draw this trace (its id) instead of the one that shows the verdict best");
  command->add_option("--color,--colour", options.colour, "colours: auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  command->add_flag("--ascii", options.ascii, "draw without Unicode characters");
  command
      ->add_option("--pending-max", options.pending_records_max,
                   "records that wait for their other hops; raise it when the summary says joins were given up")
      ->check(CLI::Range(1, 1 << 30));
  return command;
}

int run(int count, char** arguments) {
  CLI::App app(kAbout, "hoptap");
  app.set_version_flag("--version", "hoptap " HOPTAP_VERSION);
  app.require_subcommand(1);

  PathOptions path;
  const CLI::App* path_command = add_path(app, path);

  CaptureOptions records;
  CLI::App* records_command = app.add_subcommand(
      "records", "print what each capture holds: every exchange and connection as a JSON line, as they end");
  add_capture_options(*records_command, records);

  ForgeOptions forge;
  const CLI::App* forge_command = add_forge(app, forge);
  DoctorOptions doctor;
  const CLI::App* doctor_command = add_doctor(app, doctor);
  ProbeOptions probe;
  const CLI::App* probe_command = add_probe(app, probe);
  TracerOptions tracer;
  const CLI::App* tracer_command = add_tracer(app, tracer);
  TracesOptions traces;
  const CLI::App* traces_command = add_traces(app, traces);
  VerdictsOptions verdicts;
  const CLI::App* verdicts_command = add_verdicts(app, verdicts);
  PointsOptions point_list;
  const CLI::App* points_command = add_points(app, point_list);

  MetricsOptions metrics;
  const CLI::App* metrics_command = add_metrics(app, metrics);
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kWrongUsage;
  }
  if (forge_command->parsed()) return run_forge(forge);
  if (doctor_command->parsed()) return run_doctor(doctor);
  if (probe_command->parsed()) return run_probe(probe);
  if (tracer_command->parsed()) return run_tracer(tracer);
  if (traces_command->parsed()) return run_traces(traces);
  if (verdicts_command->parsed()) return run_verdicts(verdicts);
  if (points_command->parsed()) return run_points(point_list);
  if (metrics_command->parsed()) return run_metrics(metrics);
  return path_command->parsed() ? run_path(path) : run_records(records);
}

}  // namespace
}  // namespace hoptap::appliance

int main(int count, char** arguments) {
  return hoptap::appliance::run_main("hoptap", hoptap::appliance::run, count, arguments);
}
