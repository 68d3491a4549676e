// The configuration of probe and tracer: what is taken, and complaints that name the line and the fix.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "appliance/probe/config.h"
#include "appliance/probe/interface_pattern.h"
#include "appliance/tracer/config.h"

namespace hoptap::test {
namespace {

using appliance::read_probe_config;
using appliance::read_tracer_config;

struct Complaint {
  const char* text;
  const char* words;
};

TEST(TracerConfig, TheExampleHoldsTheDefaults) {
  const auto read = read_tracer_config(std::string(appliance::example_tracer_config()), "tracer.yaml");
  ASSERT_TRUE(read) << read.error().what;
  const appliance::TracerConfig defaults = appliance::default_tracer_config();
  EXPECT_EQ(read->store.folder, defaults.store.folder);
  EXPECT_EQ(read->store.retention.age_s, defaults.store.retention.age_s);
  EXPECT_EQ(read->store.retention.bytes_max, defaults.store.retention.bytes_max);
  EXPECT_EQ(read->collector.listen, defaults.collector.listen);
  EXPECT_EQ(read->collector.batch_bytes_max, defaults.collector.batch_bytes_max);
  EXPECT_EQ(read->collector.streams_max, defaults.collector.streams_max);
  EXPECT_FALSE(read->collector.tls);
  EXPECT_EQ(read->http.address, defaults.http.address);
  EXPECT_EQ(read->http.port, defaults.http.port);
  EXPECT_EQ(read->engine.window.kept_ticks, defaults.engine.window.kept_ticks);
  EXPECT_EQ(read->engine.window.records_max, defaults.engine.window.records_max);
  EXPECT_EQ(read->engine.bucket_ns, defaults.engine.bucket_ns);
  EXPECT_EQ(read->store.metrics_rows_max, defaults.store.metrics_rows_max);
  EXPECT_EQ(read->totals_max, defaults.totals_max);
}

TEST(TracerConfig, TakesEveryKey) {
  const auto read = read_tracer_config(R"(
data: /srv/hoptap
collect:
  listen: "[::]:4717"
  tls: {certificate: a.pem, key: a.key, client_ca: ca.pem}
  batches_per_second_max: 9
http: {listen: "[::1]:80", tls: {certificate: b.pem, key: b.key}}
keep: {age_days: 0.5, size_mib: 100}
window: {rest_s: 2, kept_s: 90, records_max: 5000, verdict_s: 10, patience_s: 7}
metrics: {rows_max: 11, seconds_kept_s: 13, totals_max: 12}
)",
                                       "t.yaml");
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->store.folder, "/srv/hoptap");
  EXPECT_EQ(read->collector.listen, "[::]:4717");
  ASSERT_TRUE(read->collector.tls);
  EXPECT_EQ(read->collector.tls->client_ca_file, "ca.pem");
  EXPECT_EQ(read->collector.batches_per_second_max, 9u);
  EXPECT_EQ(read->http.address, "::1");
  EXPECT_EQ(read->http.port, 80);
  EXPECT_EQ(read->http.tls.key_file, "b.key");
  EXPECT_EQ(read->store.retention.age_s, 43200u);
  EXPECT_EQ(read->store.retention.bytes_max, 100u << 20);
  EXPECT_EQ(read->engine.window.rest_ticks, 2u);
  EXPECT_EQ(read->engine.window.records_max, 5000u);
  EXPECT_EQ(read->engine.bucket_ns, 10'000'000'000u);
  EXPECT_EQ(read->engine.patience_ns, 7'000'000'000u);
  EXPECT_EQ(read->store.metrics_rows_max, 11u);
  EXPECT_EQ(read->totals_max, 12u);
  EXPECT_EQ(read->store.metrics_seconds_kept_s, 13u);
}

TEST(TracerConfig, ComplaintsNameTheLineAndTheFix) {
  for (const Complaint& one : {
           Complaint{"window:\n  kept: 60\n", "t.yaml:2: 'kept' is not a key of window; did you mean kept_s?"},
           Complaint{"http: {listen: here}\n", "t.yaml:1: listen of http 'here' is not ADDRESS:PORT"},
           Complaint{"http: {listen: \"127.0.0.1:99999\"}\n", "is not ADDRESS:PORT"},
           Complaint{"\n\nkeep: {size_mib: 1}\n", "t.yaml:3:"},
           Complaint{"collect: {tls: {key: a}}\n", "certificate"},
           Complaint{"data: [\n", "t.yaml:2: is not YAML"},
           Complaint{"- a\n", "t.yaml:1:"},
       }) {
    const auto read = read_tracer_config(one.text, "t.yaml");
    ASSERT_FALSE(read) << one.text;
    EXPECT_NE(read.error().what.find(one.words), std::string::npos) << one.words << "\n" << read.error().what;
  }
}

TEST(ProbeConfig, TakesEveryKey) {
  ASSERT_TRUE(read_probe_config(std::string(appliance::example_probe_config()), "p.yaml"));
  const auto read = read_probe_config(R"(
name: node-7
tracer: {address: "10.0.0.1:4717", retry_max_s: 2, tls: {ca: ca.pem, server_name: tracer}}
spool: {folder: /srv/spool, size_mib: 5, when_full: drop_newest, survive_power_cut: true}
batch_records_max: 50
metrics: {interval_s: 60, rows_max: 10, totals_max: 20, listen: "[::1]:9464"}
limits: {flows_max: 1000, busy_flows_max: 100, held_mib: 2, idle_timeout_s: 60, udp_timeout_s: 5, opening_timeout_s: 3, messages: false}
flow_key: {vlan: true, tunnel_id: true}
filter: tcp
vxlan_ports: [8473]
replay:
  - file: a.pcap
    point: tor-1
    role: switch
    order: 3
  - file: b.pcap
)",
                                      "p.yaml");
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->sender.probe, "node-7");
  EXPECT_EQ(read->sender.address, "10.0.0.1:4717");
  EXPECT_EQ(read->sender.backoff_max.count(), 2000);
  EXPECT_EQ(read->sender.tls->server_name, "tracer");
  EXPECT_EQ(read->spool_folder, "/srv/spool");
  EXPECT_EQ(read->spool.bytes_max, 5u << 20);
  EXPECT_EQ(read->when_full, exporting::WhenFull::kDropNewest);
  EXPECT_TRUE(read->spool.survive_power_cut);
  EXPECT_EQ(read->batch_records_max, 50u);
  EXPECT_EQ(read->metrics.length_ns, 60'000'000'000u);
  EXPECT_EQ(read->metrics.rows_max, 10u);
  EXPECT_EQ(read->totals_max, 20u);
  EXPECT_EQ(read->flows.flows_max, 1000u);
  EXPECT_EQ(read->flows.ledgers_max, 100u);
  EXPECT_EQ(read->flows.held_bytes_max, 2u << 20);
  EXPECT_EQ(read->flows.idle_timeout_ns, 60'000'000'000u);
  EXPECT_EQ(read->flows.udp_timeout_ns, 5'000'000'000u);
  EXPECT_EQ(read->flows.opening_timeout_ns, 3'000'000'000u);
  EXPECT_FALSE(read->flows.l7);
  EXPECT_TRUE(read->flows.key.vlan && read->flows.key.tunnel_id);
  ASSERT_TRUE(read->metrics_http);
  EXPECT_EQ(read->metrics_http->address, "::1");
  EXPECT_EQ(read->metrics_http->port, 9464);
  EXPECT_EQ(read->vxlan_ports, std::vector<std::uint16_t>{8473});
  ASSERT_EQ(read->replay.size(), 2u);
  EXPECT_EQ(read->replay[0].point.name, "tor-1");
  EXPECT_EQ(read->replay[0].point.role, "switch");
  EXPECT_EQ(read->replay[0].point.order, 3u);
}

TEST(ProbeConfig, TakesEveryKeyOfAnInterface) {
  const auto read = read_probe_config(R"(
interfaces:
  - {interface: pod-a/eth0, point: pod-a, role: pod, order: 1, promiscuous: false, outgoing: false, workers: 2,
     ring_mib: 8, snap_bytes: 128, nic_time: true}
  - {interface: eth1, capture: libpcap}
  - {interface: eth2, capture: ebpf, head_bytes: 2048}
)",
                                      "p.yaml");
  ASSERT_TRUE(read) << read.error().what;
  ASSERT_EQ(read->interfaces.size(), 3u);
  EXPECT_EQ(read->interfaces[2].way, appliance::CaptureWay::kEbpf);
  EXPECT_EQ(read->interfaces[2].head_bytes, 2048u);
  const appliance::LiveInput& pod = read->interfaces[0];
  EXPECT_EQ(pod.capture.interface, "eth0");
  EXPECT_EQ(pod.capture.network_namespace, "/run/netns/pod-a");
  EXPECT_EQ(pod.point.name, "pod-a");
  EXPECT_EQ(pod.point.role, "pod");
  EXPECT_EQ(pod.point.order, 1u);
  EXPECT_FALSE(pod.capture.is_promiscuous);
  EXPECT_TRUE(pod.capture.ignores_outgoing && pod.capture.asks_nic_time);
  EXPECT_EQ(pod.workers, 2u);
  EXPECT_EQ(pod.capture.block_bytes * pod.capture.block_count, 8u << 20);
  EXPECT_EQ(pod.capture.snap_bytes, 128u);
  EXPECT_EQ(read->interfaces[1].point.name, "eth1");
  EXPECT_TRUE(read->interfaces[1].way == appliance::CaptureWay::kLibpcap && read->interfaces[1].capture.is_promiscuous);
}

TEST(ProbeConfig, ProcessesAreThoseOfThisHost) {
  const auto off = read_probe_config("interfaces: [{interface: eth0}]", "p.yaml");
  ASSERT_TRUE(off);
  EXPECT_EQ(off->processes, appliance::ProcessWay::kOff);
  const auto live = read_probe_config("processes: auto\ninterfaces: [{interface: eth0}]", "p.yaml");
  ASSERT_TRUE(live);
  EXPECT_EQ(live->processes, appliance::ProcessWay::kAuto);
  EXPECT_TRUE(check(*live));
  const auto replay = read_probe_config("processes: proc\nreplay: [{file: a.pcap, point: a}]", "p.yaml");
  ASSERT_TRUE(replay);
  const auto checked = check(*replay);
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().what.find("leave `processes` out"), std::string::npos);
  EXPECT_FALSE(read_probe_config("processes: yes", "p.yaml"));
}

TEST(LiveInput, IsReadFromTheCommandLine) {
  const auto plain = appliance::read_interface("eth0");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->capture.interface, "eth0");
  EXPECT_EQ(plain->capture.network_namespace, "");
  EXPECT_EQ(plain->point.name, "eth0");
  const auto inside = appliance::read_interface("/proc/42/ns/net/eth0=pod-a:pod:2");
  ASSERT_TRUE(inside);
  EXPECT_EQ(inside->capture.network_namespace, "/proc/42/ns/net");
  EXPECT_EQ(inside->point.name, "pod-a");
  EXPECT_EQ(inside->point.role, "pod");
  EXPECT_FALSE(appliance::read_interface("eth0=a:swich"));
  EXPECT_FALSE(appliance::read_interface("pod-a/"));
}

TEST(LiveInput, MayBeAPortOfDpdk) {
  const auto port = appliance::read_interface("dpdk:0000:03:00.0=tor-1:switch:2");
  ASSERT_TRUE(port);
  EXPECT_TRUE(port->way == appliance::CaptureWay::kDpdk);
  EXPECT_EQ(port->capture.interface, "0000:03:00.0");
  EXPECT_EQ(port->capture.network_namespace, "");
  EXPECT_EQ(port->point.name, "tor-1");
  EXPECT_EQ(port->point.role, "switch");
  EXPECT_FALSE(appliance::read_interface("dpdk:"));
  const auto file = read_probe_config(
      "interfaces: [{interface: 'dpdk:net_tap0', workers: 4}]\ndpdk: {eal: [--vdev=net_tap0, -l1], memory_mib: 96}\n",
      "p.yaml");
  ASSERT_TRUE(file) << file.error().what;
  EXPECT_TRUE(file->interfaces[0].way == appliance::CaptureWay::kDpdk);
  EXPECT_EQ(file->interfaces[0].point.name, "dpdk:net_tap0");
  EXPECT_EQ(file->interfaces[0].workers, 4u);
  EXPECT_EQ(file->dpdk.eal, (std::vector<std::string>{"--vdev=net_tap0", "-l1"}));
  EXPECT_EQ(file->dpdk.memory_mib, 96u);
  EXPECT_TRUE(check(*file));
}

TEST(LiveInput, LeavesOutTheProbesOwnExport) {
  using appliance::filter_without_export;
  EXPECT_EQ(filter_without_export("", "127.0.0.1:4717"), "not (tcp port 4717 and (host 127.0.0.1))");
  EXPECT_EQ(filter_without_export("tcp or udp", "[::1]:99"), "not (tcp port 99 and (host ::1)) and (tcp or udp)");
  EXPECT_EQ(filter_without_export("tcp", "no.such.host.invalid:1"), "not (tcp port 1) and (tcp)");
  EXPECT_EQ(filter_without_export("tcp", "10.0.0.1:99999"), "tcp");  // the sender complains
}

TEST(ProbeConfig, ComplaintsNameTheLineAndTheFix) {
  for (const Complaint& one : {
           Complaint{"replay:\n  - file: a\n    role: swich\n", "p.yaml:3: role of a capture is one of pod, node"},
           Complaint{"replay: a.pcap\n", "is a list"},
           Complaint{"spool: {when_full: panic}\n", "drop_oldest"},
           Complaint{"metrics: {listen: here}\n", "p.yaml:1: listen of metrics 'here' is not ADDRESS:PORT"},
           Complaint{"tracer: {adress: x}\n", "did you mean address?"},
           Complaint{"vxlan_ports: [70000]\n", "65535"},
           Complaint{"interfaces: [eth0]\n", "an interface"},
           Complaint{"interfaces: [{interface: 'dpdk:p', ring_mib: 8}]\n", "does not go with a port of DPDK"},
           Complaint{"dpdk: {eal: --vdev=net_tap0}\n", "is a list of arguments"},
           Complaint{"interfaces: [{interface: e, capture: libpcap, workers: 2}]\n", "cannot share out"},
           Complaint{"interfaces: [{interface: e, capture: ebpf, workers: 2}]\n", "cannot share out"},
           Complaint{"interfaces: [{interface: e, head_bytes: 99}]\n", "goes with capture: ebpf"},
           Complaint{"interfaces: [{interface: e, capture: ebpf, ring_mib: 1025}]\n", "between 2 and 1024"},
           Complaint{"interfaces: [{interface: e, capture: ebpf, nic_time: true}]\n", "goes with a ring"},
           Complaint{"interfaces:\n  - interface: e\n    capture: ebpf\n    time: metamako\n",
                     "p.yaml:4: time of an interface is of stamps behind the frame"},
           Complaint{"interfaces: [{interface: e, capture: ebpf, time: cisco_ie}]\n", "capture: ring"},
           Complaint{"interfaces: [{interface: e, capture: ebpf, time: cisco_hpt}]\n", "capture: ring"},
           Complaint{"interfaces: [{interface: e, capture: ebpf, time: arista_7150}]\n", "capture: ring"},
       }) {
    const auto read = read_probe_config(one.text, "p.yaml");
    ASSERT_FALSE(read) << one.text;
    EXPECT_NE(read.error().what.find(one.words), std::string::npos) << one.words << "\n" << read.error().what;
  }
}

TEST(ProbeConfig, StampsAheadOfThePayloadGoWithHeads) {
  for (const char* time : {"capture: ebpf, time: packet", "capture: ebpf, time: erspan", "capture: ebpf, time: arista",
                           "capture: libpcap, time: metamako", "time: metamako"}) {
    const std::string text = fmt::format("interfaces: [{{interface: e, {}}}]", time);
    const auto read = read_probe_config(text, "p.yaml");
    EXPECT_TRUE(read) << time << ": " << read.error().what;
  }
}

TEST(ProbeConfig, WhatDoesNotFitTogetherIsSaid) {
  appliance::ProbeConfig config;
  EXPECT_NE(appliance::check(config).error().what.find("--replay"), std::string::npos);
  config.replay = {{"a.pcap", {"tor", "", {}}}, {"b.pcap", {"tor", "", {}}}};
  EXPECT_NE(appliance::check(config).error().what.find("'tor'"), std::string::npos);
  config.replay[1].point.name = "tor-2";
  EXPECT_TRUE(appliance::check(config));
  config.metrics.length_ns = 0;
  EXPECT_TRUE(appliance::check(config));
  config.metrics_http.emplace();
  EXPECT_NE(appliance::check(config).error().what.find("interval_s"), std::string::npos);
  config.metrics_http.reset();
  config.interfaces.resize(1);
  EXPECT_NE(appliance::check(config).error().what.find("start two"), std::string::npos);
  config.interfaces.clear();
  config.filter = "tcp prot 80";
  EXPECT_FALSE(appliance::check(config));
  config.filter = "";
  config.replay[1].file = "-";
  EXPECT_TRUE(appliance::check(config));
  config.spool_folder = "/tmp/x";
  EXPECT_NE(appliance::check(config).error().what.find("standard input"), std::string::npos);
}

TEST(InterfacePattern, IsToldFromAName) {
  for (const char* text : {"veth*", "eth[01]", "en?", "@veth", "*/eth0", "pod-*/eth0", "/proc/*/ns/net/eth0"}) {
    const auto input = appliance::read_interface(text);
    ASSERT_TRUE(input) << text;
    EXPECT_TRUE(appliance::is_pattern(*input)) << text;
    EXPECT_EQ(appliance::place_text(*input), text);
  }
  for (const char* text : {"eth0", "pod-a/eth0", "/proc/42/ns/net/eth0", "veth12@if3", "dpdk:net_*"}) {
    const auto input = appliance::read_interface(text);
    ASSERT_TRUE(input) << text;
    EXPECT_FALSE(appliance::is_pattern(*input)) << text;
  }
}

TEST(InterfacePattern, HasOneWorkerEach) {
  const auto read = read_probe_config("interfaces: [{interface: 'veth*', workers: 2}]", "probe.yaml");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().what.find("workers"), std::string::npos);
}

}  // namespace
}  // namespace hoptap::test
