"""The scenarios: what the wire and the servers do, what is asked, and the verdict that is right.

One explicit table, `SCENARIOS`. A scenario is pure data; `lab.py` runs it.
"""

import dataclasses

CLEAN = (0, 0.0, 0.0)                     # delay us, loss %, duplicates %
SLOW_AB = (23_000, 0.0, 0.0)
WIRE = {"from": "switch-a", "to": "switch-b"}
HEALTHY = {"kinds": ["none"]}
CALM = {"clients": 3, "per_client": 116, "rate_per_s": 20.0}  # bursts that two cores carry without queues of their own
SLOW_WIRE = {"kinds": ["slow_segment"], **WIRE}


@dataclasses.dataclass(frozen=True)
class Phase:
    """What the wire does for `seconds` (the last phase: until the clients are done)."""
    name: str
    seconds: float = 0.0
    ab: tuple[int, float, float] = CLEAN
    ba: tuple[int, float, float] = CLEAN


@dataclasses.dataclass(frozen=True)
class Fault:
    """What befalls every request whose number `every` divides, and the verdict on such a request that is right."""
    kind: str
    place: dict                            # {"from", "to"}, a segment, or {"at"}, a point
    every: int
    wire: str = ""                         # KIND [US] of the wire's command `every`; empty: client or server does it


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One run: who asks what, over which path, what the wire does, and the verdict that is right."""
    name: str
    what: str
    expected: dict
    phases: tuple[Phase, ...] = (Phase("quiet"),)
    path: str = "cluster"                  # cluster (VXLAN), nodeport, ipip
    workload: str = "mixed"                # mixed, small, slow, nagle, plain, reset, unread-request, unread-response
    clients: int = 6
    per_client: int = 58
    rate_per_s: float = 30.0               # requests a second of one client, at most
    dns: int = 30                          # queries, over UDP and TCP
    megabytes: bool = True                 # one GET and one POST of 1 MB
    slow_ms: int = 40                      # what workload slow makes of some requests,
    unread_ms: int = 300                   # and workloads unread-*
    fault: Fault | None = None
    shift_ms: int = 0                      # added to node-b's clock in the captures of
    derived_from: str = ""                 # this scenario
    lose: tuple[tuple[float, str, int], ...] = ()  # (seconds after the start, direction, data frames)
    points: tuple[str, ...] = ()           # empty: all of the path

    @property
    def traffic_s(self) -> float:
        """How long the clients take when nothing is slow."""
        return self.per_client / self.rate_per_s


DELAY_PHASES = (Phase("before", 2.5), Phase("delayed", 2.5, ab=SLOW_AB), Phase("after"))

_ALL = (
    Scenario("quiet", "nothing wrong", HEALTHY, **CALM),
    Scenario("delay23", "+23 ms from A to B throughout", {"kinds": ["dominant", "slow_segment"], **WIRE},
             (Phase("delayed", ab=SLOW_AB),), rate_per_s=20),
    Scenario("delay-phase", "+23 ms from A to B in the middle third", SLOW_WIRE, DELAY_PHASES, rate_per_s=7.8),
    Scenario("loss3", "3 % of all frames lost in both directions", {"kinds": ["loss"], **WIRE},
             (Phase("lossy", ab=(0, 3.0, 0.0), ba=(0, 3.0, 0.0)),), dns=0),
    Scenario("slow-server", "a third of the requests takes the server 40 ms more",
             {"kinds": ["server_slow"], "at": "pod-b"},
             workload="slow", dns=0, rate_per_s=20),
    Scenario("nodeport", "DNAT and masquerade for a client outside, nothing wrong", HEALTHY, path="nodeport",
             **CALM),
    Scenario("nodeport-delay", "NodePort, +23 ms from A to B in the middle third", SLOW_WIRE, DELAY_PHASES,
             path="nodeport", rate_per_s=7.8),
    Scenario("ipip", "IP-in-IP between the nodes, nothing wrong", HEALTHY, path="ipip", **CALM),
    Scenario("dup5", "5 % of all frames arrive twice, nothing wrong", HEALTHY,
             (Phase("doubled", ab=(0, 0.0, 5.0), ba=(0, 0.0, 5.0)),), **CALM),
    Scenario("shift137", "delay-phase, node-b's clock 137 ms ahead", SLOW_WIRE, DELAY_PHASES,
             derived_from="delay-phase", shift_ms=137),
    Scenario("shift-2s", "delay-phase, node-b's clock 2 s behind", SLOW_WIRE, DELAY_PHASES,
             derived_from="delay-phase", shift_ms=-2000),
    Scenario("nagle", "header and body in two writes, Nagle on: the server's delayed ACK makes the client wait",
             {"kinds": ["delayed_ack"], "at": "pod-b"}, workload="nagle", dns=0, per_client=60, rate_per_s=50),
)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}

# Small sets that are kept in tests/pcaps/lab.
_SMALL = (
    Scenario("demo", "+23 ms from A to B in the middle third of about 60 requests", SLOW_WIRE,
             (Phase("before", 1.0), Phase("delayed", 1.0, ab=SLOW_AB), Phase("after")),
             workload="small", clients=3, per_client=18, rate_per_s=6, dns=6, megabytes=False),
    Scenario("nodeport", "three requests of an outside client, both sides of node-b's NAT", HEALTHY, path="nodeport",
             workload="small", clients=1, per_client=3, rate_per_s=20, dns=1, megabytes=False,
             points=("node-b-eth0", "node-b-veth")),
    Scenario("ipip", "three requests through the IP-in-IP tunnel", HEALTHY, path="ipip", workload="small",
             clients=1, per_client=3, rate_per_s=20, dns=1, megabytes=False, points=("node-a-veth", "switch-a")),
    Scenario("loss", "one request and one response lost between the switches, each resent", {"kinds": ["loss"], **WIRE},
             workload="small", clients=1, per_client=8, rate_per_s=4, dns=0, megabytes=False,
             lose=((0.6, "ab", 1), (1.35, "ba", 1)), points=("switch-a", "switch-b")),
    Scenario("nagle", "header and body in two writes: the second waits for a delayed ACK",
             {"kinds": ["delayed_ack", "cannot_tell"]}, workload="nagle", clients=1, per_client=6, rate_per_s=20,
             dns=0, megabytes=False, points=("pod-b",)),
)
SMALL = {scenario.name: scenario for scenario in _SMALL}
