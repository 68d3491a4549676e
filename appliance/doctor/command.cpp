#include "appliance/doctor/command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <utility>

#include "appliance/doctor/finding.h"
#include "appliance/doctor/host.h"
#include "appliance/doctor/interfaces.h"
#include "appliance/doctor/listening.h"
#include "appliance/exit_code.h"
#include "appliance/probe/config.h"
#include "appliance/probe/interface_pattern.h"
#include "appliance/read_file.h"
#include "appliance/stop_signal.h"
#include "capture/live/interfaces.h"

namespace hoptap::appliance {
namespace {

void add(Findings& findings, Findings more) {
  for (Finding& one : more) findings.push_back(std::move(one));
}

Finding input_finding(const LiveInput& input) {
  if (const auto possible = check_way(input); !possible)
    return {input.point.name, Severity::kTrouble, possible.error().what, ""};
  if (input.way == CaptureWay::kDpdk)
    return {input.point.name, Severity::kNote, "is a port of DPDK: it would have to be taken to be looked at",
            fmt::format("hoptap doctor -i dpdk:{} --listen 5 listens there (a virtual device needs the probe's --eal: "
                        "look with hoptap probe)",
                        input.capture.interface)};
  Finding finding = interface_finding(input.capture.interface, input.capture.network_namespace);
  finding.topic = input.point.name;
  return finding;
}

/// Those that are there of what stands for many.
std::vector<LiveInput> expanded(const LiveInput& input, Findings& findings) {
  if (!is_pattern(input)) return {input};
  std::vector<base::Failure> refused;
  std::vector<LiveInput> found = matching(input, refused);
  for (const base::Failure& one : refused) findings.push_back({input.point.name, Severity::kTrouble, one.what, ""});
  if (found.empty() && refused.empty())
    findings.push_back({input.point.name, Severity::kNote, "nothing matches now; a probe waits for it", ""});
  return found;
}

/// And the configuration's interfaces.
Findings config_findings(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return {{"config", Severity::kTrouble, text.error().what, "is the path right?"}};
  auto config = read_probe_config(*text, path);
  if (!config) return {{"config", Severity::kTrouble, config.error().what, "hoptap probe --example shows every key"}};
  for (const auto& checked : {check(*config), check_surroundings(*config), check_host(*config)})
    if (!checked) return {{"config", Severity::kTrouble, checked.error().what, ""}};
  Findings findings{
      {"config", Severity::kGood,
       fmt::format("{}: {} interfaces, {} captures", path, config->interfaces.size(), config->replay.size()), ""}};
  for (const LiveInput& input : config->interfaces)
    for (const LiveInput& one : expanded(input, findings)) findings.push_back(input_finding(one));
  return findings;
}

}  // namespace

CLI::App* add_doctor(CLI::App& app, DoctorOptions& options) {
  CLI::App* command = app.add_subcommand(
      "doctor",
      "say what this host can do for capture, what is in the way, and how good a mirror port's traffic is\n"
      "\n"
      "  hoptap doctor                          kernel, privileges, ways to capture, clock, interfaces\n"
      "  hoptap doctor -i eth1 --listen 10      and 10 s of what comes in there\n"
      "  hoptap doctor -c probe.yaml --json     and a configuration; for programs\n"
      "\n"
      "Changes nothing, but for promiscuous mode while it listens. Exit code 1 when something does not work as it is "
      "(BAD).\n");
  command
      ->add_option("-i,--interface", options.interfaces,
                   "look at these only; INTERFACE or, to listen, NETNS/INTERFACE. Once for each")
      ->allow_extra_args(false);
  command->add_option("--listen", options.listen_s, "listen at them for so many seconds")
      ->check(CLI::Range(0.1, 3600.0));
  command->add_option("-c,--config", options.config, "a probe's configuration to check");
  command->add_flag("--json", options.json, "one JSON object a line");
  return command;
}

int run_doctor(const DoctorOptions& options) {
  std::vector<LiveInput> inputs;
  Findings unmatched;
  for (const std::string& text : options.interfaces) {
    const auto input = read_interface(text);
    if (!input) return fail(kWrongUsage, input.error().what);
    for (LiveInput& one : expanded(*input, unmatched)) inputs.push_back(std::move(one));
  }
  if (options.listen_s > 0 && options.interfaces.empty())
    return fail(kWrongUsage, "--listen needs an interface: -i eth0");
  Findings findings{kernel_finding()};
  add(findings, privilege_findings());
  findings.push_back(sandbox_finding());
  add(findings, capture_findings());
  findings.push_back(processes_finding());
  findings.push_back(clock_finding());
  findings.push_back(memory_finding());
  if (!options.config.empty()) add(findings, config_findings(options.config));
  add(findings, std::move(unmatched));
  if (options.interfaces.empty() && options.config.empty()) {
    const auto all = capture::interfaces().value_or(std::vector<capture::NamedInterface>());
    for (const capture::NamedInterface& one : all)
      if (one.name != "lo") findings.push_back(interface_finding(one.name));
  }
  for (const LiveInput& input : inputs)
    if (options.listen_s == 0 || (input.capture.network_namespace.empty() && input.way != CaptureWay::kDpdk))
      findings.push_back(input_finding(input));
  if (options.listen_s > 0 && !inputs.empty()) {
    catch_stop_signals();
    auto heard = listen_findings(inputs, options.listen_s, [] { return !stop_wanted(); });
    if (!heard) {
      findings.push_back({"listening", Severity::kTrouble, heard.error().what, ""});
    } else {
      add(findings, std::move(*heard));
    }
  }
  fmt::print("{}", options.json ? findings_json(findings) : findings_text(findings));
  return has_trouble(findings) ? kNothingFound : kDone;
}

}  // namespace hoptap::appliance
