#!/usr/bin/env python3
"""hoptap probe, live, when things go wrong: a flood of SYNs, a ring that overruns while the probe is stopped, interfaces
and namespaces that vanish. It lives, counts every packet, stays within its memory, and goes on.

    live_stress.py --hoptap PATH --blast PATH [--syns N]

Needs root, iproute2, nginx and curl; exits with 77 and a line without them.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tracer"))
import daemons  # noqa: E402

SKIPPED = 77
CANNOT_WRITE = 4
NEAR, FAR = "198.18.99.1", "198.18.99.2"
CEILING_MIB, CEILING_PERCENT = 256, 5
CONFIG = """
limits: {memory_mib: %(mib)s}
spool: {size_mib: 64}
metrics: {rows_max: 1000, listen: "127.0.0.1:0"}
interfaces:
  - {interface: %(far)s, point: far, role: host, ring_mib: 8, workers: 2}
  - {interface: %(near)s, point: near, role: host, ring_mib: 8, capture: libpcap}
"""
THRIFTY = """
limits: {cpu_percent: %(percent)s}
metrics: {listen: "127.0.0.1:0"}
interfaces: [{interface: %(far)s, point: far, role: host, ring_mib: 8}]
"""
NGINX = """daemon off; pid %(folder)s/nginx.pid; error_log %(folder)s/nginx.err; events { worker_connections 64; }
http { access_log off; server { listen 80; location / { return 200 "hello"; } } }
"""


class Failed(Exception):
    """What should have held and did not."""


class Network:
    """Two namespaces of this test's own and a cable between them; the probe listens at `far`."""

    def __init__(self):
        self.near, self.far = f"ht{os.getpid()}-near", f"ht{os.getpid()}-far"

    def __enter__(self):
        try:
            self.add_namespace(self.near)
            self.add_namespace(self.far)
            self.add_cable()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def add_namespace(self, name):
        run("ip", "netns", "add", name)

    def add_cable(self):
        run("ip", "link", "add", "near", "netns", self.near, "type", "veth", "peer", "name", "far", "netns", self.far)
        for name, interface, address, mac in ((self.near, "near", NEAR, "02:02:00:00:00:01"),
                                              (self.far, "far", FAR, "02:00:00:00:00:02")):
            run(*self.inside(name), "ip", "link", "set", "dev", interface, "address", mac)
            run(*self.inside(name), "ip", "addr", "add", f"{address}/24", "dev", interface)
            run(*self.inside(name), "ip", "link", "set", "dev", interface, "up")

    def inside(self, name):
        # Not `ip netns exec`, which remounts /sys and so fails where / is no mount point.
        return ["nsenter", f"--net=/run/netns/{name}"]


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


class Probe:
    def __init__(self, options, network, tracer, folder, name="stressed", template=CONFIG):
        config = folder / f"{name}.yaml"
        config.write_text(template % {"near": f"{network.near}/near", "far": f"{network.far}/far", "mib": CEILING_MIB,
                                      "percent": CEILING_PERCENT})
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([options.hoptap, "probe", "-c", str(config), "--name", name, "--tracer",
                                             tracer, "--spool", str(folder / f"{name}-spool")], stdout=log, stderr=log)
        self.wait_for_words("listens at")
        self.url = re.search(r"serves (\S+)", self.text())[1]

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_for_words(self, words, times=1):
        daemons.wait_for(lambda: self.text().count(words) >= times, f"the probe to say '{words}'", 30)

    def metrics(self):
        return run("curl", "-sS", "--max-time", "10", self.url)

    def metric(self, name):
        return float(re.search(rf'^{name}{{point="far"[^}}]*}} (\S+)', self.metrics(), re.MULTILINE)[1])

    def sums(self):
        """Packets by fate, and what the kernel had for it."""
        text = self.metrics()
        found = {fate: int(value) for fate, value in
                 re.findall(r'hoptap_probe_packets_total\{point="far",fate="(\w+)"\} (\d+)', text)}
        return found, int(re.search(r'hoptap_probe_received_packets_total\{point="far"\} (\d+)', text)[1])

    def settled_sums(self):
        """Once nothing comes any more."""
        before = None
        while (now := self.sums()) != before:
            before = now
            time.sleep(0.4)
        return now

    def peak_mib(self):
        return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1]) // 1024

    def end(self, codes=(0,)):
        self.process.send_signal(signal.SIGINT)
        if self.process.wait(timeout=90) not in codes:
            raise Failed(f"the probe ended badly: {self.text()[-500:]}")
        return re.search(r"^far: .*$", self.text(), re.MULTILINE)[0]


class Stress:
    def __init__(self, options, network, tracer, probe, folder):
        self.options, self.network, self.tracer, self.probe, self.folder = options, network, tracer, probe, folder
        self.server, self.asked = None, 0

    def serve(self):
        (self.folder / "nginx.conf").write_text(NGINX % {"folder": self.folder})
        self.server = subprocess.Popen([*self.network.inside(self.network.far), "nginx", "-p", str(self.folder), "-c",
                                        str(self.folder / "nginx.conf"), "-e", str(self.folder / "nginx.err")])
        daemons.wait_for(lambda: self.ask("up"), "nginx", 20)

    def stop_serving(self):
        if self.server:
            self.server.terminate()
            self.server.wait(10)

    def ask(self, name):
        done = subprocess.run([*self.network.inside(self.network.near), "curl", "-s", "--max-time", "5", "-o", "/dev/null",
                               f"http://{FAR}/{name}"], check=False)
        return done.returncode == 0

    def blast(self, packets):
        words = [*self.network.inside(self.network.near), self.options.blast, "near", str(packets)]
        return json.loads(run(*words))

    def expect_trace(self, name):
        def is_there():
            self.ask(name)
            found = [trace for trace in self.tracer.get("traces", limit=200)["traces"] if trace["resource"] == f"/{name}"]
            return any([hop["point"] for hop in trace["hops"]] == ["near", "far"] for trace in found)

        daemons.wait_for(is_there, f"a trace of /{name} by both points", 60)

    def check_sums(self, what):
        fates, received = self.probe.settled_sums()
        if sum(fates.values()) != received:
            raise Failed(f"{what}: {received} packets received, but {fates}")
        return fates

    def flood(self):
        before = self.check_sums("before the flood")
        sent = self.blast(self.options.syns)
        after = self.check_sums("after the flood")
        gained = sum(after.values()) - sum(before.values())
        if gained < sent["sent"]:
            raise Failed(f"{sent['sent']} SYNs were sent, {gained} packets accounted for")
        self.expect_trace("after-flood")
        dropped = after["dropped_by_ring"] - before["dropped_by_ring"]
        peak = self.probe.peak_mib()
        if peak > CEILING_MIB:
            raise Failed(f"the probe took {peak} MiB, more than {CEILING_MIB}")
        print(f"flood: {sent['sent']} SYNs in {sent['seconds']} s, {gained - dropped} looked at, {dropped} dropped by the "
              f"ring and counted; peak {peak} MiB of {CEILING_MIB}")

    def ceiling(self):
        """Another probe, that may use little of a core: it keeps to that, and says what it leaves out."""
        probe = Probe(self.options, self.network, "127.0.0.1:1", self.folder, "thrifty", THRIFTY)
        try:
            began, cpu = time.monotonic(), probe.metric("hoptap_probe_cpu_seconds_total")
            for _ in range(20):
                self.blast(300_000)
                if probe.metric("hoptap_probe_strain") == 3:
                    break
            percent = 100 * (probe.metric("hoptap_probe_cpu_seconds_total") - cpu) / (time.monotonic() - began)
            probe.wait_for_words("new connections are not looked at")
            account = probe.end((CANNOT_WRITE,))  # there is no tracer
        finally:
            if probe.process.poll() is None:
                probe.process.kill()
        if percent > CEILING_PERCENT + 1 or "UNACCOUNTED" in account:
            raise Failed(f"{percent:.1f} % of a core, more than {CEILING_PERCENT}; {account}")
        print(f"CPU ceiling: {percent:.1f} % of a core, {CEILING_PERCENT} allowed; {account}")

    def standstill(self):
        before = self.check_sums("before the standstill")
        self.probe.process.send_signal(signal.SIGSTOP)
        sent = self.blast(400_000)
        time.sleep(max(0.0, 5 - sent["seconds"]))
        self.probe.process.send_signal(signal.SIGCONT)
        after = self.check_sums("after the standstill")
        gained = sum(after.values()) - sum(before.values())
        dropped = after["dropped_by_ring"] - before["dropped_by_ring"]
        if gained < sent["sent"] or dropped == 0:
            raise Failed(f"{sent['sent']} packets while it stood still; {gained} accounted for, {dropped} dropped")
        self.probe.wait_for_words("far: the kernel drops packets")
        self.expect_trace("after-standstill")
        print(f"standstill of 5 s: {sent['sent']} packets, {dropped} dropped by the ring and counted, the rest looked at")

    def doctor(self):
        """Listens to a flood: of its connections nobody answers."""
        words = [self.options.hoptap, "doctor", "-i", f"{self.network.far}/far=port", "--listen", "3", "--json"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        self.blast(20_000)
        lines = [json.loads(line) for line in process.communicate(timeout=60)[0].splitlines()]
        said = [one["text"] for one in lines if one["topic"] == "port" and one["severity"] == "trouble"]
        if process.returncode != 1 or not any("both directions" in text for text in said):
            raise Failed(f"doctor ended with {process.returncode} and said {said}")
        print(f"doctor: {'; '.join(said)}")

    def end_in_a_flood(self):
        """The account adds up though packets come all the time."""
        words = [*self.network.inside(self.network.near), self.options.blast, "near", "100000000"]
        flood = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)
            return self.probe.end()
        finally:
            flood.kill()
            flood.wait()

    def interface_gone(self):
        run(*self.network.inside(self.network.near), "ip", "link", "del", "near")
        self.probe.wait_for_words("far: far is gone")
        self.network.add_cable()
        self.probe.wait_for_words("far: packets are read again")
        self.expect_trace("after-interface")
        print("interface deleted and made again: gone and back")

    def namespace_gone(self):
        self.stop_serving()
        run("ip", "netns", "del", self.network.far)
        self.probe.wait_for_words("far: far is gone", 2)
        subprocess.run([*self.network.inside(self.network.near), "ip", "link", "del", "near"], capture_output=True, check=False)
        self.network.add_namespace(self.network.far)
        self.network.add_cable()
        self.probe.wait_for_words("far: packets are read again", 2)
        self.serve()
        self.expect_trace("after-namespace")
        print("namespace deleted and made again: gone and back")


def stress(options, network, folder):
    tracer = daemons.Tracer(options.hoptap, folder / "tracer")
    with daemons.running(tracer):
        probe = Probe(options, network, tracer.collector, folder)
        trial = Stress(options, network, tracer, probe, folder)
        try:
            trial.serve()
            trial.expect_trace("first")
            trial.flood()
            trial.ceiling()
            trial.standstill()
            trial.doctor()
            trial.interface_gone()
            trial.namespace_gone()
            account = trial.end_in_a_flood()
        finally:
            trial.stop_serving()
            if probe.process.poll() is None:
                probe.process.kill()
    if "UNACCOUNTED" in account or "kernel counted" not in account:
        raise Failed(f"the account is not sound: {account}")
    print(account)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--hoptap", required=True)
    words.add_argument("--blast", required=True)
    words.add_argument("--syns", type=int, default=3_000_000)
    options = words.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [tool for tool in ("ip", "nsenter", "nginx", "curl") if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        print(f"skipped: needs root{', and ' + ', '.join(missing) if missing else ''}")
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="hoptap-stress-") as scratch, Network() as network:
            stress(options, network, pathlib.Path(scratch))
    except (Failed, TimeoutError) as error:
        print(f"failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
