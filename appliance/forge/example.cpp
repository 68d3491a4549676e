// The scenario that hoptap forge --example prints.
#include "appliance/forge/scenario_reader.h"

namespace hoptap::forge {

std::string_view example_scenario() {
  return R"(# A scenario for `hoptap forge`: what goes over the wire, on which path, and what goes wrong.
# Every key is in docs/forge.md. Try:
#   hoptap forge example.yaml --out example
#   hoptap path example/captures/*.pcap
name: example
seed: 1

traffic:
  requests: 400
  rate_per_s: 200                       # of all connections together
  connections: 12
  request_bytes: 300
  response_bytes: {lognormal: [1200, 0.8]}
  service_us: {exponential: 800, min: 200}

# From the client to the server. A point is where packets are captured, a segment is where they take time.
path:
  - point: client-pod
    role: pod
  - segment: {delay_us: {uniform: [8, 20]}}
  - dnat: {service: "10.96.0.10:80"}    # clients talk to the service address
  - point: node-a
    role: node
    clock: {offset_ms: 12, drift_ppm: 20}  # no two clocks agree
  - tunnel: {type: vxlan, id: 42}
  - segment: {delay_us: {normal: [60, 8]}}
  - point: switch-a
    role: switch
    mirror: {loss: 0.02}                # the mirror port misses some packets
  - segment: {delay_us: {normal: [40, 5]}}
  - tunnel_end: {}
  - point: node-b
    role: node
    clock: {offset_ms: -7}
  - segment: {delay_us: {uniform: [8, 20]}}
  - point: server-pod
    role: pod

# Each hits a share of the requests, drawn by seed; no request is hit twice.
faults:
  - {kind: lose_request, segment: [switch-a, node-b], share: 0.1}
  - {kind: server_slow, add_us: 20000, share: 0.05}
)";
}

}  // namespace hoptap::forge
