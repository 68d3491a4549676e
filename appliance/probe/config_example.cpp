#include "appliance/probe/config.h"

namespace hoptap::appliance {
namespace {

constexpr std::string_view kExample =
    R"(# hoptap probe -c probe.yaml ; what stands here is the default but for the examples
# name: node-7                  # of this probe; by default the host's

tracer:
  address: 127.0.0.1:4717
  retry_max_s: 30               # between attempts to connect; they begin at 0.2 s
  # tls:                        # leave it out for plain text
  #   ca: tracer-ca.pem         # who signed the tracer's certificate; by default the system's authorities
  #   certificate: probe.pem    # for a tracer that asks for one
  #   key: probe.key
  #   server_name: tracer       # in its certificate, when it is not the host of the address

spool:                          # batches on disk that the tracer has not acknowledged
  # folder: /var/lib/hoptap/probe   # kept over restarts; without it a temporary one
  size_mib: 1024
  # when_full: wait             # or drop_oldest (so with interfaces), drop_newest; what is dropped is counted
  survive_power_cut: false      # true: fsync for each batch

batch_records_max: 1000

metrics:                        # counters by client, server and protocol (docs/autometrics.md), to the tracer
  interval_s: 1                 # of packet time; 0: none
  rows_max: 2000                # clients of a point in an interval; further ones are added up
  # listen: 127.0.0.1:9464      # serve their sums to Prometheus, at /metrics
  totals_max: 1000              # clients there, since the start

limits:                         # of each capture or worker; what was let go is counted (docs/engine.md)
  flows_max: 500000             # connections kept, 190 bytes each (IPv6: 222)
  busy_flows_max: 100000        # of these with metrics and messages, 2 to 4 kB each
  held_mib: 64                  # bytes out of order, and heads that are not whole
  exchanges_max: 100000         # requests that wait for their answers, or for late copies
  texts_mib: 32                 # of these: resources, endpoints, header identifiers
  idle_timeout_s: 300
  udp_timeout_s: 30
  opening_timeout_s: 60         # of a connection that has not got beyond its first packets
  messages: true                # false: connections and TCP metrics only
  memory_mib: 0                 # of the whole probe: all the above is cut down until it fits; 0: not
  cpu_percent: 0                # of a core, for each thread that listens (50: half a core); 0: as it needs

flow_key:                       # what tells connections apart besides addresses and ports
  vlan: false                   # true: the same addresses in two VLANs are two connections
  tunnel_id: false              # true: the same behind two VNIs, TEIDs, keys

# filter: tcp port 80           # a tcpdump expression
sandbox: true                   # only the system calls that a probe needs (seccomp); false: any
processes: off                  # name who holds the sockets of connections that end here (docs/live.md): ebpf: as they connect
                                # and accept (Linux 5.12; CAP_BPF, CAP_PERFMON); proc: by /proc, once a second (other users':
                                # CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH); auto: ebpf, or proc where that does not work
# vxlan_ports: [8473]           # beside 4789 and 8472

# interfaces:                   # listen at these, until the probe is stopped
#   - interface: eth0           # pod-a/eth0: in the network namespace pod-a of ip-netns(8);
#                               # "veth*", "@veth" (all of a driver), "*/eth0": all that match, later ones too;
#                               # dpdk:0000:03:00.0: a port of DPDK
#     interfaces_max: 64        # where it stands for many: at once
#     point: node-7             # by default named as the interface
#     role: node                # pod, node, host, switch, gateway or unknown; by default guessed from the name
#     order: 3                  # a hint: lower is nearer the client
#     promiscuous: true         # also frames for other hosts: needed at mirror ports
#     outgoing: true            # also what this host sends
#     capture: ring             # or libpcap, where a ring shared with the kernel does not do; or ebpf: heads of packets
                                # only, which costs this host's programs less (Linux 5.12; CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN)
#   # head_bytes: 4096          # with ebpf: of each message; of answers of HTTP not more than an eighth of it, or 512; 0: headers alone
#                               # With messages: false it is 0, so a filter on payload wants it given
#     workers: 1                # threads, each with a ring of its own; the kernel shares out by flow
#     ring_mib: 64              # memory that is locked for each ring; by default 8 where a name stands for many; with ebpf 1024 at most
#     snap_bytes: 262144        # longer packets are cut
#     nic_time: false           # times by the NIC's clock; changes its settings
#     mirrors:                  # ERSPAN sessions are points without this, named eth0/erspan-7 (docs/live.md)
#       - erspan: 7             # a session; or vxlan: VNI, gre: KEY (0: none), which are mirrors only if named here
#         from: 10.0.0.1        # the switch; by default any
#         port: 12              # ERSPAN II's index, III's port; by default all of the session
#         direction: in         # or out: as type III says (else it is in, port 0); by default both
#         point: tor-1:port-12  # several mirrors may be one point
#         role: switch
#         order: 2
#     time: packet              # or erspan, arista, arista_7150, metamako, cisco_ie, cisco_hpt: the switch's

# dpdk:                         # for interfaces that begin with dpdk:
#   eal: [--vdev=net_tap0]      # arguments of DPDK's own, its EAL, beside ours
#   memory_mib: 80              # for packets, in hugepages if enough are free; by default 64, and 16 for each worker

# replay:                       # or read captures, and end
#   - file: eth0.pcap
#     point: node-7             # by default named after the file
#     role: node                # pod, node, host, switch, gateway or unknown; by default guessed from the name
#     order: 3                  # a hint: lower is nearer the client
#     mirrors: []               # as for interfaces, and
#     time: packet
# replay_speed: 1               # as they were captured, 10: ten times as fast; 0: as fast as can be
)";

}  // namespace

std::string_view example_probe_config() { return kExample; }

}  // namespace hoptap::appliance
