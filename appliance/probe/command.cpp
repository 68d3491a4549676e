#include "appliance/probe/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include "appliance/exit_code.h"
#include "appliance/probe/live_view.h"
#include "appliance/probe/memory_ceiling.h"
#include "appliance/probe/probe.h"
#include "appliance/progress.h"
#include "appliance/read_file.h"
#include "appliance/stop_signal.h"

namespace hoptap::appliance {
namespace {

using Clock = std::chrono::steady_clock;

std::string host_name() {
  std::array<char, 65> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "probe";
}

base::Outcome<ReplayInput> read_input(const std::string& text) {
  if (text.find('=') == std::string::npos) return ReplayInput{text, {}};
  auto hint = read_point_hint("--replay", text);
  if (!hint) return tl::unexpected(hint.error());
  return ReplayInput{hint->first, hint->second};
}

/// Points that nobody named are named after their files.
void name_points(std::vector<ReplayInput>& inputs) {
  std::vector<std::string> files;
  files.reserve(inputs.size());
  for (const ReplayInput& input : inputs) files.push_back(input.file);
  const std::vector<std::string> names = names_of_files(files);
  for (std::size_t at = 0; at < inputs.size(); ++at)
    if (inputs[at].point.name.empty()) inputs[at].point.name = names[at];
}

/// The file, then what the command line says.
base::Outcome<ProbeConfig> configure(const ProbeOptions& options) {
  ProbeConfig config;
  if (!options.config.empty()) {
    const auto text = read_file(options.config);
    if (!text) return tl::unexpected(text.error());
    auto read = read_probe_config(*text, options.config);
    if (!read) return tl::unexpected(read.error());
    config = std::move(*read);
  }
  for (const std::string& text : options.replay) {
    auto input = read_input(text);
    if (!input) return tl::unexpected(input.error());
    config.replay.push_back(std::move(*input));
  }
  name_points(config.replay);
  config.replay_speed = options.speed.value_or(config.replay_speed);
  for (const std::string& text : options.interfaces) {
    auto input = read_interface(text);
    if (!input) return tl::unexpected(input.error());
    config.interfaces.push_back(std::move(*input));
  }
  for (const std::string& text : options.eal) {
    std::istringstream words(text);
    config.dpdk.eal.insert(config.dpdk.eal.end(), std::istream_iterator<std::string>(words), {});
  }
  if (!options.name.empty()) config.sender.probe = options.name;
  if (config.sender.probe.empty()) config.sender.probe = host_name();
  if (!options.tracer.empty()) config.sender.address = options.tracer;
  if (!options.ca.empty()) {
    if (!config.sender.tls) config.sender.tls.emplace();
    config.sender.tls->ca_file = options.ca;
  }
  if (!options.spool.empty()) config.spool_folder = options.spool;
  if (!options.metrics_listen.empty()) {
    if (const auto set = set_http_listen(options.metrics_listen, config.metrics_http.emplace()); !set)
      return tl::unexpected(base::Failure{"--metrics-listen: " + set.error().what});
  }
  if (!options.filter.empty()) config.filter = options.filter;
  config.vxlan_ports.insert(config.vxlan_ports.end(), options.vxlan_ports.begin(), options.vxlan_ports.end());
  config.sender.software = "hoptap " HOPTAP_VERSION;
  if (auto checked = check(config); !checked) return tl::unexpected(checked.error());
  if (auto fits = fit_into_memory(config); !fits) return tl::unexpected(fits.error());
  return config;
}

/// What the person sees while the probe works.
class Watcher {
 public:
  explicit Watcher(const ProbeOptions& options) : progress_(Progress::when_of(options.progress)) {}

  bool watch(const Probe& probe) {
    if (stop_wanted()) return false;
    if (Clock::now() < next_) return true;
    next_ = Clock::now() + std::chrono::milliseconds(200);
    complain(probe);
    if (probe.live() == nullptr) {
      progress_.update("reading", probe.progress());
      return true;
    }
    for (const std::string& news : live_.news(*probe.live())) say(news);
    if (const std::string line = live_.line(*probe.live()); !line.empty()) progress_.show(line);
    return true;
  }

  bool watch_delivery(const Probe& probe, std::optional<double> wait_s) {
    if (probe.live() == nullptr && stop_wanted()) return false;  // a signal is how live capture ends; another one kills
    complain(probe);
    const exporting::SpoolCounters spool = probe.spool();
    const auto all = static_cast<double>(std::max<std::uint64_t>(spool.appended_records, 1));
    progress_.update("delivering", 1 - static_cast<double>(spool.waiting_records) / all);
    return !wait_s || std::chrono::duration<double>(Clock::now() - began_).count() < *wait_s;
  }

  void begin_delivery() { began_ = Clock::now(); }
  void clear() { progress_.clear(); }

 private:
  /// Each new trouble once.
  void complain(const Probe& probe) {
    const exporting::SenderStatus sender = probe.sender();
    say(sender.connected ? "" : sender.error, said_of_sender_);
    say(probe.trouble(), said_of_spool_);
  }
  void say(const std::string& words, std::string& said) {
    if (words == said) return;
    said = words;
    if (!words.empty()) say(words);
  }
  void say(const std::string& words) {
    progress_.clear();
    fmt::print(stderr, "hoptap: {}\n", words);
  }

  Progress progress_;
  LiveView live_;
  Clock::time_point next_{};
  Clock::time_point began_ = Clock::now();
  std::string said_of_sender_;
  std::string said_of_spool_;
};

void print_account(const LiveCapture& live, std::size_t at) {
  fmt::print("{}\n", account_text(live.input(at).point.name, live.status(at), giver_of(live.input(at))));
  for (const std::string& line : mirror_accounts(live, at)) fmt::print("{}\n", line);
}

void print_complaints(const Feed& feed) {
  if (const std::string complaint = feed.complaint(); !complaint.empty())
    fmt::print(stderr, "hoptap: {}: {}\n", feed.path(), complaint);
  for (const std::string& text : unmatched_mirrors(feed.mirror_hints(), feed.matched_mirrors(), feed.mirror_sessions()))
    fmt::print(stderr, "hoptap: {}: {}\n", feed.path(), text);
}

int report(const Probe& probe, const ProbeConfig& config, bool read_all, bool delivered) {
  const ProbeCounters& counters = probe.counters();
  const exporting::SpoolCounters spool = probe.spool();
  const std::uint64_t records = counters.hops + counters.legs;
  if (const LiveCapture* live = probe.live())
    for (std::size_t at = 0; at < live->inputs(); ++at) print_account(*live, at);
  if (probe.replay() != nullptr)
    for (const auto& feed : probe.replay()->feeds()) print_complaints(*feed);
  if (!read_all || !delivered) {
    const std::string rest = probe.keeps_spool()
                                 ? fmt::format("are in the spool {}; the same command sends them", probe.spool_folder())
                                 : std::string("are gone; with --spool FOLDER they would have been kept");
    return fail(kCannotWrite, fmt::format("ended before all was delivered: {} batches with {} records {}",
                                          spool.waiting_batches, spool.waiting_records, rest));
  }
  if (records == 0 && counters.passed_over > 0) {
    fmt::print("{}: all {} records of these captures have been delivered; another --spool sends them anew\n",
               probe.spool_folder(), counters.passed_over);
    return kDone;
  }
  fmt::print(
      "{} hop and {} leg records, {} rows of metrics, {} bytes in {} batches ({:.1f} bytes a hop record), acknowledged "
      "by {}\n",
      counters.hops, counters.legs, counters.metrics_rows, counters.payload_bytes, spool.acknowledged_batches,
      counters.hops == 0 ? 0.0 : static_cast<double>(counters.payload_bytes) / static_cast<double>(counters.hops),
      config.sender.address);
  if (spool.dropped_batches + spool.refused_batches > 0)
    return fail(
        kCannotWrite,
        fmt::format("{} records in {} batches were dropped for want of room in the spool, {} in {} refused by "
                    "the tracer",
                    spool.dropped_records, spool.dropped_batches, spool.refused_records, spool.refused_batches));
  if (counters.not_spooled > 0)
    return fail(kCannotWrite, fmt::format("{} records could not be put into the spool {}", counters.not_spooled,
                                          probe.spool_folder()));
  if (probe.live() != nullptr) return kDone;
  return records + counters.passed_over > 0 ? kDone : fail(kNothingFound, "no request in these captures");
}

}  // namespace

CLI::App* add_probe(CLI::App& app, ProbeOptions& options) {
  CLI::App* command = app.add_subcommand(
      "probe",
      "listen at interfaces, or read captures, and send records of what was there, not the packets, to a tracer\n"
      "\n"
      "  hoptap probe -i eth0                                        this host's, to a tracer on this host\n"
      "  hoptap probe -i eth1=tor-1:switch --tracer 10.0.0.1:4717    a switch's mirror port\n"
      "  hoptap probe -i pod-a/eth0=pod-a:pod -i cni0=node-7:node    a network namespace's, and the bridge\n"
      "  hoptap probe -i dpdk:0000:03:00.0=tor-1:switch              a port that was given to DPDK\n"
      "  hoptap probe --replay eth0.pcap=node-7:node                 to a tracer on this host\n"
      "  hoptap probe --replay a.pcap=tor-1 --tracer 10.0.0.1:4717 --spool /var/lib/hoptap/probe\n"
      "  hoptap probe --replay a.pcap=tor-1 --speed 1                at the pace at which it was captured\n"
      "  hoptap probe --example > probe.yaml                         a commented configuration with every key\n"
      "  hoptap probe -c probe.yaml --check                          is it right?\n"
      "\n"
      "Batches wait on disk until the tracer has acknowledged them, however often it or the probe is started anew.\n"
      "With --spool the same command goes on where it was stopped or killed: nothing is lost, nothing sent twice.\n");
  command->add_option("-c,--config", options.config, "a YAML file");
  command
      ->add_option(
          "-i,--interface", options.interfaces,
          "listen here until SIGINT, SIGTERM or SIGHUP; INTERFACE, NETNS/INTERFACE, dpdk:PORT or any with\n"
          "=NAME:ROLE of the point; 'veth*', '@veth' (a driver's), '*/eth0' stand for all that match, now and later.\n"
          "Once for each. "
          "Needs CAP_NET_RAW (and CAP_SYS_ADMIN for another namespace)")
      ->allow_extra_args(false);
  command
      ->add_option("--eal", options.eal, "arguments for DPDK's EAL, such as --eal '--vdev=net_af_packet0,iface=eth1'")
      ->allow_extra_args(false);
  command
      ->add_option("--replay", options.replay,
                   "a capture and its point: FILE=NAME:ROLE, ROLE is pod, node, host, switch, gateway or unknown;\n"
                   "FILE alone names the point after the file. Once for each capture")
      ->allow_extra_args(false);
  command
      ->add_option("--speed", options.speed,
                   "of the replay: 1 as it was captured, 10 ten times as fast, 0 as fast as can be (0)")
      ->check(CLI::Range(0.0, kReplaySpeedMax));
  command->add_option("--tracer", options.tracer, "address of the tracer, HOST:PORT (127.0.0.1:4717)");
  command->add_option("--ca", options.ca, "speak TLS; PEM file of the authority that signed the tracer's certificate");
  command->add_option("--name", options.name, "of this probe (the host's)");
  command->add_option("--spool", options.spool, "folder for batches not yet acknowledged; without it a temporary one");
  command->add_option("--metrics-listen", options.metrics_listen,
                      "serve counters by client, server and protocol to Prometheus, at http://ADDRESS:PORT/metrics");
  command->add_option("-f,--filter", options.filter, "only packets that match this tcpdump expression");
  command
      ->add_option("--vxlan-port", options.vxlan_ports, "another UDP port that carries VXLAN (4789 and 8472 always do)")
      ->allow_extra_args(false);
  command
      ->add_option("--wait", options.wait_s,
                   "seconds to wait for the tracer when all is read (for ever; 10 after interfaces)")
      ->check([](const std::string& text) {
        const double seconds = std::strtod(text.c_str(), nullptr);
        return seconds >= 0 && seconds <= 1e9 ? std::string() : "must be from 0 to 1000000000 seconds";
      });
  command->add_option("--progress", options.progress, "show progress on standard error")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  command->add_flag("--check", options.check,
                    "look at the configuration, say what is wrong with it, and do nothing else");
  command->add_flag("--example", options.example, "print a configuration to start with, and do nothing else");
  return command;
}

int run_probe(const ProbeOptions& options) {
  if (options.example) {
    fmt::print("{}", example_probe_config());
    return kDone;
  }
  const auto config = configure(options);
  if (!config) return fail(kWrongUsage, config.error().what);
  if (options.check) {
    if (const auto good = check_surroundings(*config); !good) return fail(kWrongUsage, good.error().what);
    for (const auto& good : {check_host(*config), check_interfaces(*config)})
      if (!good) return fail(kCannotRead, good.error().what);
    fmt::print("{}: is right; the probe takes at most about {} MiB of memory\n",
               options.config.empty() ? "the configuration" : options.config, memory_max(*config) >> 20);
    fmt::print("processes: {}\n", *try_processes(config->processes));
    return kDone;
  }
  catch_stop_signals();
  auto probe = Probe::start(*config);
  if (!probe) return fail(kCannotRead, probe.error().what);
  if (const std::string url = (*probe)->metrics_url(); !url.empty()) fmt::print(stderr, "hoptap: serves {}\n", url);
  if (const LiveCapture* live = (*probe)->live()) fmt::print(stderr, "hoptap: listens at {}\n", points_text(*live));
  if (const ProcessFinder* finder = (*probe)->finder())
    fmt::print(stderr, "hoptap: finds processes {}\n", finder->words());
  Watcher watcher(options);
  const auto read = (*probe)->read([&](const Probe& one) { return watcher.watch(one); });
  if (!read) return fail(kCannotRead, read.error().what);
  const bool read_all = !config->interfaces.empty() || !stop_wanted();
  const std::optional<double> wait_s = config->interfaces.empty() ? options.wait_s : options.wait_s.value_or(10);
  watcher.begin_delivery();
  const bool delivered = (*probe)->deliver([&](const Probe& one) { return watcher.watch_delivery(one, wait_s); });
  watcher.clear();
  return report(**probe, *config, read_all, delivered);
}

}  // namespace hoptap::appliance
