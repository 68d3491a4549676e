#include "appliance/probe/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "appliance/probe/interface_pattern.h"
#include "appliance/probe/point_section.h"
#include "appliance/processes/finder.h"
#include "appliance/yaml/section.h"
#include "bpf-optional/head_tap.h"
#include "capture/filter.h"
#include "capture/live/interfaces.h"
#include "capture/live/pcap_live.h"

namespace hoptap::appliance {
namespace {

void read_tracer(const YAML::Node& node, exporting::SenderConfig& sender) {
  const Section section(node, "tracer", {"address", "tls", "retry_max_s"});
  sender.address = section.text("address", sender.address);
  sender.backoff_max = std::chrono::milliseconds(static_cast<std::int64_t>(
      section.number("retry_max_s", static_cast<double>(sender.backoff_max.count()) / 1000, {0.2, 3600}) * 1000));
  if (!section.has("tls")) return;
  const Section tls(section.find("tls"), "tracer: tls", {"ca", "certificate", "key", "server_name"});
  sender.tls.emplace();
  sender.tls->ca_file = tls.text("ca", "");
  sender.tls->certificate_file = tls.text("certificate", "");
  sender.tls->key_file = tls.text("key", "");
  sender.tls->server_name = tls.text("server_name", "");
}

void read_spool(const YAML::Node& node, ProbeConfig& config) {
  const Section section(node, "spool", {"folder", "size_mib", "when_full", "survive_power_cut"});
  config.spool_folder = section.text("folder", config.spool_folder);
  config.spool.bytes_max = section.integer("size_mib", config.spool.bytes_max >> 20, {1, 1e9}) << 20;
  if (section.has("when_full"))
    config.when_full =
        static_cast<exporting::WhenFull>(section.choice("when_full", 0, {"wait", "drop_oldest", "drop_newest"}));
  config.spool.survive_power_cut = section.flag("survive_power_cut", config.spool.survive_power_cut);
}

void read_metrics(const YAML::Node& node, ProbeConfig& config) {
  constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
  const Section section(node, "metrics", {"interval_s", "rows_max", "totals_max", "listen"});
  config.metrics.length_ns =
      section.integer("interval_s", config.metrics.length_ns / kNsPerSecond, {0, 60}) * kNsPerSecond;
  config.metrics.rows_max = section.integer("rows_max", config.metrics.rows_max, {1, 1e6});
  config.totals_max = section.integer("totals_max", config.totals_max, {1, 1e6});
  if (!section.has("listen")) return;
  if (const auto set = set_http_listen(section.text("listen", ""), config.metrics_http.emplace()); !set)
    section.fail("listen", set.error().what);
}

void read_limits(const YAML::Node& node, ProbeConfig& config) {
  constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
  const Section section(node, "limits",
                        {"flows_max", "busy_flows_max", "held_mib", "exchanges_max", "texts_mib", "idle_timeout_s",
                         "udp_timeout_s", "opening_timeout_s", "messages", "memory_mib", "cpu_percent"});
  flowtable::FlowTableConfig& flows = config.flows;
  flows.flows_max = section.integer("flows_max", flows.flows_max, {16, 1e8});
  flows.ledgers_max = section.integer("busy_flows_max", flows.ledgers_max, {16, 1e7});
  flows.held_bytes_max = section.integer("held_mib", flows.held_bytes_max >> 20, {1, 1e6}) << 20;
  flows.exchanges_max = section.integer("exchanges_max", flows.exchanges_max, {16, 1e7});
  flows.text_bytes_max = section.integer("texts_mib", flows.text_bytes_max >> 20, {1, 1e6}) << 20;
  config.memory_bytes_max = section.integer("memory_mib", 0, {0, 1e7}) << 20;
  config.cpu_cores_max = section.number("cpu_percent", 0, {0, 100}) / 100;
  const auto seconds = [&](const char* key, std::uint64_t& ns) {
    ns = section.integer(key, ns / kNsPerSecond, {1, 86400}) * kNsPerSecond;
  };
  seconds("idle_timeout_s", flows.idle_timeout_ns);
  seconds("udp_timeout_s", flows.udp_timeout_ns);
  seconds("opening_timeout_s", flows.opening_timeout_ns);
  flows.l7 = section.flag("messages", flows.l7);
}

void read_flow_key(const YAML::Node& node, flowtable::KeyConfig& key) {
  const Section section(node, "flow_key", {"vlan", "tunnel_id"});
  key.vlan = section.flag("vlan", key.vlan);
  key.tunnel_id = section.flag("tunnel_id", key.tunnel_id);
}

ReplayInput read_input(const YAML::Node& node) {
  const Section section(node, "a capture", {"file", "point", "role", "order", "mirrors", "time"});
  ReplayInput input;
  input.file = section.need("file").as<std::string>();
  input.point.name = section.text("point", "");
  read_role(section, input.point);
  input.feed = read_feed(section);
  return input;
}

void read_dpdk(const YAML::Node& node, capture::DpdkConfig& dpdk) {
  const Section section(node, "dpdk", {"eal", "memory_mib"});
  if (section.has("memory_mib"))
    dpdk.memory_mib = static_cast<std::uint32_t>(section.integer("memory_mib", 0, {16, 1e6}));
  const YAML::Node words = section.find("eal");
  if (words.IsDefined() && !words.IsSequence())
    section.fail("eal", "is a list of arguments, such as [--vdev=net_tap0]");
  for (const YAML::Node& word : words) dpdk.eal.push_back(word.as<std::string>());
}

LiveInput read_live_input(const YAML::Node& node) {
  const Section section(node, "an interface",
                        {"interface", "point", "role", "order", "promiscuous", "outgoing", "capture", "workers",
                         "ring_mib", "snap_bytes", "head_bytes", "nic_time", "mirrors", "time", "interfaces_max"});
  LiveInput input;
  input.point.name = section.text("point", "");
  set_interface(section.need("interface").as<std::string>(), input);
  read_role(section, input.point);
  input.feed = read_feed(section);
  capture::LiveConfig& capture = input.capture;
  capture.is_promiscuous = section.flag("promiscuous", capture.is_promiscuous);
  capture.ignores_outgoing = !section.flag("outgoing", !capture.ignores_outgoing);
  if (input.way == CaptureWay::kDpdk)
    for (const char* key : {"capture", "ring_mib", "outgoing"})
      if (section.has(key)) section.fail(key, "does not go with a port of DPDK; leave it out");
  if (section.has("capture"))
    input.way = static_cast<CaptureWay>(section.choice("capture", 0, {"ring", "libpcap", "ebpf"}));
  input.workers = section.integer("workers", input.workers, {1, 64});
  input.interfaces_max = section.integer("interfaces_max", input.interfaces_max, {1, kInterfacesMax});
  if (is_pattern(input) && input.workers > 1) section.fail("workers", "is 1 where a name stands for many interfaces");
  if ((input.way == CaptureWay::kLibpcap || input.way == CaptureWay::kEbpf) && input.workers > 1)
    section.fail("workers", "is 1 with capture: libpcap or ebpf, which cannot share out");
  if (section.has("head_bytes") && input.way != CaptureWay::kEbpf)
    section.fail("head_bytes", "goes with capture: ebpf; a ring has snap_bytes");
  if (section.has("head_bytes"))
    input.head_bytes = static_cast<std::uint32_t>(section.integer("head_bytes", 0, {0, 65536}));
  if (is_pattern(input)) capture.block_count = kPatternRingMib;
  const Range ring_range{2, input.way == CaptureWay::kEbpf ? double{bpf::HeadTapConfig::kRingMibMax} : 16384.0};
  capture.block_count = static_cast<std::uint32_t>(
      (section.integer("ring_mib", std::uint64_t{capture.block_bytes} * capture.block_count >> 20, ring_range) << 20) /
      capture.block_bytes);
  capture.snap_bytes = static_cast<std::uint32_t>(section.integer("snap_bytes", capture.snap_bytes, {64, 262144}));
  capture.asks_nic_time = section.flag("nic_time", capture.asks_nic_time);
  if (input.way == CaptureWay::kEbpf && capture.asks_nic_time)
    section.fail("nic_time", "goes with a ring: eBPF has the host's clock only");
  if (input.way == CaptureWay::kEbpf && decode::is_trailer(input.feed.stamps))
    section.fail("time", "is of stamps behind the frame, which eBPF leaves out; a ring has them: capture: ring");
  return input;
}

ProbeConfig read(const YAML::Node& root) {
  const Section top(root, "the probe's configuration",
                    {"name", "tracer", "spool", "batch_records_max", "metrics", "limits", "flow_key", "replay",
                     "replay_speed", "interfaces", "dpdk", "filter", "sandbox", "processes", "vxlan_ports"});
  ProbeConfig config;
  config.sender.probe = top.text("name", "");
  read_tracer(top.find("tracer"), config.sender);
  read_spool(top.find("spool"), config);
  read_metrics(top.find("metrics"), config);
  read_limits(top.find("limits"), config);
  read_flow_key(top.find("flow_key"), config.flows.key);
  read_dpdk(top.find("dpdk"), config.dpdk);
  config.batch_records_max = top.integer("batch_records_max", config.batch_records_max, {1, 16384});
  config.filter = top.text("filter", "");
  config.sandbox = top.flag("sandbox", config.sandbox);
  config.processes = static_cast<ProcessWay>(top.choice("processes", 0, {"off", "auto", "ebpf", "proc"}));
  if (const YAML::Node ports = top.find("vxlan_ports"); ports.IsDefined()) {
    if (!ports.IsSequence()) top.fail("vxlan_ports", "is a list of UDP ports, such as [8473]");
    for (const YAML::Node& port : ports)
      config.vxlan_ports.push_back(static_cast<std::uint16_t>(read_number(port, "a port of vxlan_ports", {1, 65535})));
  }
  if (const YAML::Node list = top.find("replay"); list.IsDefined()) {
    if (!list.IsSequence()) top.fail("replay", "is a list; each capture begins with '- file: ...'");
    for (const YAML::Node& input : list) config.replay.push_back(read_input(input));
  }
  config.replay_speed = top.number("replay_speed", config.replay_speed, {0, kReplaySpeedMax});
  if (const YAML::Node list = top.find("interfaces"); list.IsDefined()) {
    if (!list.IsSequence()) top.fail("interfaces", "is a list; each begins with '- interface: ...'");
    for (const YAML::Node& input : list) config.interfaces.push_back(read_live_input(input));
  }
  return config;
}

}  // namespace

base::Outcome<ProbeConfig> read_probe_config(const std::string& text, std::string_view file) {
  return read_yaml(text, file, read);
}

namespace {

/// Is the point of a mirror also that of another feed? The names of the feed's own are added.
std::optional<std::string> name_taken(const std::vector<MirrorHint>& mirrors, std::set<std::string>& names) {
  std::set<std::string> own;
  for (const MirrorHint& mirror : mirrors)
    if (!mirror.point.name.empty()) own.insert(mirror.point.name);
  for (const std::string& name : own)
    if (!names.insert(name).second)
      return fmt::format(
          "a mirror's point '{}' is also that of another interface or capture; give each a name of its own", name);
  return std::nullopt;
}

}  // namespace

base::Outcome<void> check(const ProbeConfig& config) {
  const auto fail = [](std::string what) { return tl::unexpected(base::Failure{std::move(what)}); };
  if (config.replay.empty() && config.interfaces.empty())
    return fail(
        "nothing to read: give --interface eth0 or --replay FILE=POINT, or 'interfaces:' or 'replay:' in the "
        "configuration");
  if (!config.replay.empty() && !config.interfaces.empty())
    return fail("captures and interfaces cannot be read by one probe: their times are apart; start two");
  const auto is_of_dpdk = [](const LiveInput& input) { return input.way == CaptureWay::kDpdk; };
  if ((!config.dpdk.eal.empty() || config.dpdk.memory_mib) &&
      std::none_of(config.interfaces.begin(), config.interfaces.end(), is_of_dpdk))
    return fail("there are arguments for DPDK, but none of its ports to listen at: -i dpdk:0000:03:00.0, for example");
  std::set<std::string> names;
  for (const LiveInput& input : config.interfaces) {
    if (!names.insert(input.point.name).second)
      return fail(
          fmt::format("two interfaces are the point '{}'; give each point a name of its own", input.point.name));
    if (const auto twice = name_taken(input.feed.mirrors, names)) return fail(*twice);
  }
  for (const ReplayInput& input : config.replay) {
    if (!names.insert(input.point.name).second)
      return fail(
          fmt::format("two captures are of the point '{}'; give each point a name of its own", input.point.name));
    if (const auto twice = name_taken(input.feed.mirrors, names)) return fail(*twice);
    if (input.file == "-" && !config.spool_folder.empty())
      return fail("standard input cannot be read again after a restart, so it needs no --spool; leave that out");
  }
  if (config.replay_speed != 0 && !(config.replay_speed >= kReplaySpeedMin))
    return fail(fmt::format("--speed {}: the least is {}, a thousandth of the original; 0 is as fast as can be",
                            config.replay_speed, kReplaySpeedMin));
  if (config.replay_speed > 0 && config.replay.empty())
    return fail("interfaces have a speed of their own: --speed and replay_speed are for captures");
  if (config.processes != ProcessWay::kOff && config.interfaces.empty())
    return fail("processes are those of this host now, not of captures: leave `processes` out");
  if (config.metrics_http && config.metrics.length_ns == 0)
    return fail("there is nothing to serve at /metrics without metrics: interval_s of 1 or more");
  if (config.filter.empty()) return {};
  const auto filter = capture::PacketFilter::compile(config.filter);
  return filter ? base::Outcome<void>() : tl::unexpected(filter.error());
}

base::Outcome<void> check_interfaces(const ProbeConfig& config) {
  const auto check_one = [](const LiveInput& input) -> base::Outcome<void> {
    if (input.way == CaptureWay::kDpdk) return {};
    if (input.way != CaptureWay::kLibpcap)
      return capture::try_interface(input.capture.interface, input.capture.network_namespace);
    capture::LiveConfig quiet = input.capture;  // libpcap's names are more than the kernel's
    quiet.is_promiscuous = false;
    const auto opened = capture::open_pcap_live(quiet);
    return opened ? base::Outcome<void>() : tl::unexpected(opened.error());
  };
  bool has_one = false;
  std::vector<base::Failure> refused;
  for (const LiveInput& input : config.interfaces) {
    const bool is_named = !is_pattern(input);
    for (const LiveInput& one : is_named ? std::vector{input} : matching(input, refused)) {
      auto tried = check_one(one);
      if (!tried && is_named) return tried;
      if (!tried) refused.push_back(tried.error());
      has_one = has_one || tried.has_value();
    }
  }
  if (has_one || refused.empty()) return {};  // what matches nothing now waits
  return tl::unexpected(refused.front());
}

base::Outcome<void> check_surroundings(const ProbeConfig& config) {
  exporting::SenderConfig sender = config.sender;
  if (sender.probe.empty()) sender.probe = "the host's name";
  if (auto good = exporting::check(sender, true); !good) return good;
  return config.metrics_http ? check(*config.metrics_http) : base::Outcome<void>();
}

base::Outcome<void> check_way(const LiveInput& input) {
  if (input.way == CaptureWay::kDpdk) return capture::try_dpdk(input.capture.interface);
  if (input.way != CaptureWay::kEbpf) return {};
  if (const auto tried = bpf::try_programs(); !tried)
    return tl::unexpected(base::Failure{
        fmt::format("{}: {}; `capture: ring` does without", input.capture.interface, tried.error().what)});
  return {};
}

base::Outcome<void> check_host(const ProbeConfig& config) {
  for (const LiveInput& input : config.interfaces)
    if (auto possible = check_way(input); !possible) return possible;
  if (const auto tried = try_processes(config.processes); !tried) return tl::unexpected(tried.error());
  return {};
}

}  // namespace hoptap::appliance
