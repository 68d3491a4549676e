#!/usr/bin/env python3
"""hoptap probe, live at six points of the lab, beside tcpdump at the same: nothing is lost unseen, what the tracer says
is what `hoptap path` says of tcpdump's captures, and a delay that is switched on is named soon.

    live_probe.py --hoptap PATH [--tools DIR] [--seconds N of quiet, and as many of delay]

The points: the pods' veths and the nodes' NICs, which the nodes see, and two mirrors. Real nginx, curl and dig through
a DNATed ClusterIP; then the same in IPIP. Exit codes as lab.py's.
"""

import argparse
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import captures
import lab
import scenarios
import services
import topology

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tracer"))
import daemons  # noqa: E402  (beside this folder)

POINTS = ("node-a-veth", "node-a-eth0", "switch-a", "switch-b", "node-b-eth0", "node-b-veth")
DELAY = "ab 23000 0 0"
NAMED_WITHIN_S = 10
PARTS = ("kind", "from", "to", "at")


class Failed(Exception):
    """What should have held and did not."""


class LiveProbe:
    """The probe, in the namespace of this script; its interfaces are in those of the lab."""

    def __init__(self, network, hoptap, tracer, folder):
        words = [hoptap, "probe", "--name", "live", "--tracer", tracer, "--spool", str(folder / "spool")]
        for point in POINTS:
            role, interface = topology.POINTS[point]
            words += ["-i", f"{network.prefix}{role}/{interface}={point}"]
        self.log = folder / "probe.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        daemons.wait_for(lambda: "listens at" in self.log.read_text(), "the probe to listen", 30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()

    def stop(self):
        """@return packets by point, after the account of each has been checked."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        text = self.log.read_text(errors="replace")
        if code != 0:
            raise Failed(f"the probe ended with {code}: {text[-600:]}")
        packets = {}
        for point in POINTS:
            found = re.search(rf"^{point}: (\d+) packets processed.*, (\d+) dropped for want of room in the ring; "
                              r"the kernel counted (\d+)$", text, re.MULTILINE)
            if not found:
                raise Failed(f"no sound account of {point}: {text[-900:]}")
            packets[point] = int(found[1])
            if int(found[2]):
                raise Failed(f"{point} dropped {found[2]} packets at this small rate")
        return packets


def ask(network, path, name, seconds, rate_per_s=8.0):
    """Clients for so long; started."""
    scenario = scenarios.Scenario(name, "", {}, path=path, workload="small", clients=3, dns=10, megabytes=False,
                                  per_client=max(5, int(seconds * rate_per_s)), rate_per_s=rate_per_s)
    clients = lab.plan_traffic(network, scenario)
    clients.start()
    return clients


def named_after(tracer, since_ns):
    """Is there a request, asked since, whose verdict names the wire?"""
    wanted = scenarios.WIRE
    for trace in tracer.get("traces", limit=1000)["traces"]:
        verdict = trace.get("verdict") or {}
        if trace["request_ns"] < since_ns or verdict.get("kind") not in ("slow_segment", "dominant"):
            continue
        if (verdict.get("from"), verdict.get("to")) == (wanted["from"], wanted["to"]):
            return True
    return False


def switch_and_wait(network, tracer):
    """Seconds from the switch of the wire to a verdict that names it."""
    switched_ns = network.wire(DELAY)
    ends = time.monotonic() + NAMED_WITHIN_S
    while time.monotonic() < ends:
        if named_after(tracer, switched_ns):
            return (time.time_ns() - switched_ns) / 1e9
        time.sleep(0.1)
    raise Failed(f"no verdict named {scenarios.WIRE} within {NAMED_WITHIN_S} s of the switch")


def gist(trace):
    """What a trace is, times aside."""
    return {"resource": trace.get("resource"), "protocol": trace.get("protocol"), "method": trace.get("method"),
            "status": trace.get("status"),
            "hops": [hop["point"] for hop in trace["hops"]],
            "parts": [[part.get(key) for key in PARTS] for part in trace["parts"]]}


def compare(live, captured):
    """Both as lists of traces. @return (equal, differences in words, apart in us: request times of both)"""
    def index(traces):
        return {(trace["protocol"], trace["method"], trace["resource"], trace["client"]): trace for trace in traces}

    ours, theirs = index(live), index(captured)
    found = [f"only tcpdump has {key}" for key in theirs.keys() - ours.keys()]
    found += [f"only the live probe has {key}" for key in ours.keys() - theirs.keys()]
    if len(ours) != len(live) or len(theirs) != len(captured):
        found.append("two traces of one request")
    apart_us = []
    for key in ours.keys() & theirs.keys():
        if gist(ours[key]) != gist(theirs[key]):
            found.append(f"{key} differs: {gist(ours[key])} and {gist(theirs[key])}")
        elif "response_time_ns" in ours[key]:
            apart_us.append(abs(ours[key]["response_time_ns"] - theirs[key]["response_time_ns"]) / 1000)
    return len(ours.keys() & theirs.keys()), found, apart_us


def run(network, options, folder):
    servers = services.Services(network)
    tracer = daemons.Tracer(options.hoptap, folder / "tracer")
    with daemons.running(tracer), LiveProbe(network, options.hoptap, tracer.collector, folder) as probe:
        taken = captures.Captures(network, folder / "captures", POINTS)
        taken.start()
        network.wire("both 0 0 0")
        asked = [ask(network, path, f"live-{path}", options.seconds).join() for path in ("cluster", "ipip")]
        slow = ask(network, "cluster", "live-slow", options.seconds + NAMED_WITHIN_S)
        time.sleep(1)
        named_s = switch_and_wait(network, tracer)
        asked.append(slow.join())
        network.wire("both 0 0 0")
        counters = taken.stop()
        time.sleep(1)
        packets = probe.stop()
        tracer.wait_until_settled()
        live = tracer.traces()
        status = tracer.get("status")
        if status["late_records"]:
            print(f"{status['late_records']} records were late")
    del servers
    if any(one["dropped_by_kernel"] for one in counters.values()):
        raise Failed(f"tcpdump itself lost packets: {counters}")
    names = [(folder / "captures" / captures.file_name(point), point) for point in POINTS]
    equal, found, apart_us = compare(live, daemons.offline(options.hoptap, names)["trace"])
    for difference in found[:8]:
        print("differs:", difference)
    requests = sum(len(one) for one in asked)
    print(f"live: {requests} requests sent, {len(live)} traces, {equal} as by tcpdump's captures, {len(found)} not; "
          f"durations apart by {statistics.median(apart_us or [0]):.1f} us (median); packets "
          + ", ".join(f"{point} {packets[point]}" for point in POINTS)
          + f": none unaccounted for; the delay was named {named_s:.1f} s after the switch")
    if found:
        raise Failed(f"{len(found)} traces differ")


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--hoptap", required=True)
    words.add_argument("--tools", help="folder with hoptap-lab-wire and hoptap-lab-ipip (else built here)")
    words.add_argument("--seconds", type=float, default=5)
    words.add_argument("--seed", type=int, default=1)
    options = words.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        topology.check_requirements()
        with tempfile.TemporaryDirectory(prefix="hoptap-live-") as scratch, \
                topology.Lab.open(topology.build_programs(options.tools), options.seed) as network:
            run(network, options, pathlib.Path(scratch))
    except topology.CannotRun as reason:
        print(f"skipped: {reason}")
        return lab.SKIPPED
    except (Failed, topology.LabError) as error:
        print(f"failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
