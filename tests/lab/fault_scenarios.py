"""The second table: the faults of the synthetic evaluation, one at a time, with real kernels.

In each scenario one fault befalls every so-many-th request, by its number; the others are healthy, at the same time, on
the same connections. `evaluate_faults.py` holds hoptap's verdict on every single request against that.
"""

from scenarios import HEALTHY, WIRE, Fault, Scenario

CLIENT, SERVER = {"at": "pod-a"}, {"at": "pod-b"}
REQUESTS = {"clients": 12, "per_client": 10, "rate_per_s": 3.0, "dns": 0, "megabytes": False}


def _faulty(name: str, what: str, fault: Fault, **more) -> Scenario:
    return Scenario(name, what, {"kinds": [fault.kind], **fault.place}, fault=fault, **(REQUESTS | more))


_ALL = (
    Scenario("f-quiet", "nothing wrong: the floor of jitter", HEALTHY, workload="small", **REQUESTS),
    _faulty("f-delay1", "+1 ms from A to B for a third of the requests",
            Fault("slow_segment", WIRE, 3, "delay-request 1000"), workload="small"),
    _faulty("f-delay50", "+50 ms from B to A for a third of the responses",
            Fault("slow_segment", WIRE, 3, "delay-response 50000"), workload="small"),
    _faulty("f-delay300", "+300 ms from A to B for a third of the requests, which the clients send again meanwhile",
            Fault("slow_segment", WIRE, 3, "delay-request 300000"), workload="small", rate_per_s=1.3),
    _faulty("f-delay300-late", "the same; the second copy arrives when the connection is busy with the next request",
            Fault("slow_segment", WIRE, 3, "delay-request 300000"), workload="small"),
    _faulty("f-lost-request", "the first copy of every fourth request is lost",
            Fault("loss", WIRE, 4, "lose-request"), workload="small"),
    _faulty("f-lost-response", "the first copy of every fourth response is lost",
            Fault("loss", WIRE, 4, "lose-response"), workload="small"),
    _faulty("f-slow-server", "a third of the requests takes the server 40 ms more",
            Fault("server_slow", SERVER, 3), workload="slow"),
    _faulty("f-unread-response", "a third of the responses, 50 kB, is not read for 300 ms",
            Fault("client_slow", CLIENT, 3), workload="unread-response", per_client=8),
    _faulty("f-unread-request", "a third of the requests, 50 kB, is not read for 300 ms",
            Fault("server_slow", SERVER, 3), workload="unread-request", per_client=8),
    _faulty("f-reset-server", "the server resets the connection instead of every fourth response",
            Fault("reset", SERVER, 4), workload="reset"),
    _faulty("f-reset-response", "the wire swallows every fourth response and resets both ends",
            Fault("reset", WIRE, 4, "reset-response"), workload="plain"),
    _faulty("f-reset-request", "the wire swallows every fourth request and resets both ends",
            Fault("reset", WIRE, 4, "reset-request"), workload="plain"),
)
FAULTS = {scenario.name: scenario for scenario in _ALL}
