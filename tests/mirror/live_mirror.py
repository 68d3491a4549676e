#!/usr/bin/env python3
"""One probe at a collector's interface, to which a router mirrors both its sides as ERSPAN sessions: two points, every
request seen at both, and what the network drops of the mirror is what the probe says that it lost.

    live_mirror.py --hoptap PATH

A client and a server with a router between them, in namespaces of this script; `Switch` takes the router's packets
from its two ports and sends them as ERSPAN type II to the collector (the kernel's own device is not everywhere);
nftables drops some of that and counts. Exit code 77: cannot run here.
"""

import argparse
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from mirrored import COLLECTOR, Session

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tracer"))
import daemons  # noqa: E402  (beside this folder)

NAME = f"hmir{os.getpid()}"
CLIENT, ROUTER, SERVER, MONITOR = (f"{NAME}-{role}" for role in ("client", "router", "server", "monitor"))
SWITCH, PORT = "198.18.255.1", 8080
ETHERNET_BYTES, IP_BYTES = 14, 20
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
REQUESTS = 150
LINKS = ((CLIENT, "eth0", "198.18.1.2", ROUTER, "west", "198.18.1.1"), (SERVER, "eth0", "198.18.2.2", ROUTER, "east", "198.18.2.1"),
         (ROUTER, "span", SWITCH, MONITOR, "tap", COLLECTOR))
SERVE = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "5000"); self.end_headers(); self.wfile.write(b"x" * 5000)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("198.18.2.2", 8080), Handler).serve_forever()
"""


class Failed(Exception):
    """What should have held and did not."""


def run(*words, text=None):
    return subprocess.run(list(map(str, words)), input=text, capture_output=True, text=True, check=True).stdout


def inside(namespace, *words):
    return ["ip", "netns", "exec", namespace, *map(str, words)]


def build_network():
    for namespace in (CLIENT, ROUTER, SERVER, MONITOR):
        run("ip", "netns", "add", namespace)
        run("ip", "-n", namespace, "link", "set", "dev", "lo", "up")
    for left, left_port, left_ip, right, right_port, right_ip in LINKS:
        run("ip", "link", "add", "dev", left_port, "netns", left, "mtu", 1500, "type", "veth", "peer", "name", right_port,
            "netns", right, "mtu", 1500)
        for namespace, port, address in ((left, left_port, left_ip), (right, right_port, right_ip)):
            run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", port)
            run(*inside(namespace, "ethtool", "-K", port, "tx", "off", "tso", "off", "gso", "off", "gro", "off"))
            mtu = 1600 if port in ("span", "tap") else 1500
            run("ip", "-n", namespace, "link", "set", "dev", port, "mtu", mtu, "up")
    run(*inside(ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1"))
    run("ip", "-n", CLIENT, "route", "add", "default", "via", "198.18.1.1")
    run("ip", "-n", SERVER, "route", "add", "default", "via", "198.18.2.1")


def remove_network():
    for namespace in (CLIENT, ROUTER, SERVER, MONITOR):
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)


def enter(namespace):
    """This thread goes on in another network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Switch(threading.Thread):
    """Mirrors one port of the router; both directions of it, as "both" of a monitor session."""

    def __init__(self, port, session):
        super().__init__(daemon=True)
        self.session = session
        self.frames = self.sockets(port)
        self.stopping = False
        self.sent_s = 0.0  # when the last one was

    def sockets(self, port):
        """A socket belongs to the namespace that it was made in."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{ROUTER}", os.O_RDONLY)
        try:
            enter(there)
            frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            frames.bind((port, 3))
            frames.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            frames.settimeout(0.05)
            self.out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)
            return frames
        finally:
            enter(home)
            os.close(home)
            os.close(there)

    def stop(self):
        self.stopping = True
        self.join()

    def run(self):
        while not self.stopping:
            try:
                frame = self.frames.recv(65536)
            except socket.timeout:
                continue
            self.sent_s = time.monotonic()
            gre = self.session.wrap(frame, time.time_ns())[ETHERNET_BYTES + IP_BYTES:]
            try:
                self.out.sendto(gre, (COLLECTOR, 0))
            except PermissionError:  # that is nftables: the packet is lost
                pass


def ask(count):
    """So many requests, one connection each time three."""
    for _ in range(count // 3):
        run(*inside(CLIENT, "curl", "-sS", "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null",
                    *[f"http://198.18.2.2:{PORT}/{n}" for n in range(3)]))


def set_drops(percent):
    rule = f"ip protocol gre numgen random mod 100 < {percent} counter name lost drop" if percent else ""
    run(*inside(ROUTER, "nft", "-f", "-"), text=f"""
table ip mirror {{
  counter lost {{}}
  chain out {{ type filter hook output priority 0; }}
}}
flush chain ip mirror out
""" + (f"add rule ip mirror out {rule}\n" if rule else ""))


def dropped():
    found = re.search(r"packets (\d+)", run(*inside(ROUTER, "nft", "list", "counter", "ip", "mirror", "lost")))
    return int(found[1])


def probe_config(folder, tracer, more=""):
    config = folder / "probe.yaml"
    config.write_text(f"""
tracer: {{address: "{tracer}"}}
spool: {{folder: {folder / "spool"}}}
metrics: {{listen: "127.0.0.1:0"}}
interfaces:
  - interface: {MONITOR}/tap
    point: collector
    mirrors:
      - {{erspan: 7, point: router-west, role: gateway}}
{more}""")
    return config


def check_doctor(hoptap):
    """While requests pass: both sessions are named, and nothing of them is lost."""
    asking = threading.Thread(target=ask, args=(90,))
    asking.start()
    done = subprocess.run([hoptap, "doctor", "-i", f"{MONITOR}/tap", "--listen", "2", "--json"], capture_output=True,
                          text=True, check=False)
    asking.join()
    found = [row for row in map(json.loads, done.stdout.splitlines()) if "ERSPAN II session" in json.dumps(row)]
    if len(found) != 2 or not all("0 lost on the way" in json.dumps(row) for row in found):
        raise Failed(f"the doctor says {done.stdout[-900:]}{done.stderr[-300:]}")
    print(f"doctor: {found[0]['text']}")


def metric(log, name, session):
    url = re.search(r"serves (http://\S+)", log.read_text())[1]
    lines = run("curl", "-sS", "--max-time", "10", url).splitlines()
    found = [line for line in lines if line.startswith(name + "{") and f'session="{session}"' in line]
    return int(found[0].rsplit(" ", 1)[1])


def check_points(tracer, lost):
    points = {point["name"]: point for point in tracer.get("points")["points"]}
    west, east = points["router-west"], points["collector/erspan-8"]
    if west["role"] != "gateway":
        raise Failed(f"the role of {west} is not the configured one")
    for point in (west, east):
        if [stamp["by"] for stamp in point["stamps"]] != ["kernel"] or point["stamps"][0]["packets"] != point["packets"]:
            raise Failed(f"the kernel stamped all of {point['packets']} packets, not {point['stamps']}")
    counted = west["lost_packets"] + east["lost_packets"]
    print(f"mirror: {west['packets'] + east['packets']} packets came, {lost} dropped by nftables, {counted} counted")
    if counted != lost or lost == 0:
        raise Failed(f"nftables dropped {lost} mirrored packets, hoptap counted {counted}: {west} {east}")


def check_traces(traces, requests):
    whole = [trace for trace in traces
             if [hop["point"] for hop in trace["hops"]] == ["router-west", "collector/erspan-8"]]
    print(f"traces: {len(traces)}, {len(whole)} with both sides of the router")
    if len(whole) != requests or any(hop.get("tunnels") for trace in whole for hop in trace["hops"]):
        raise Failed(f"{requests} requests passed the router, {len(whole)} were seen on both sides, in order, bare")


def measure(options, folder, switches, workers):
    folder.mkdir()
    tracer = daemons.Tracer(options.hoptap, folder / "tracer")
    log = folder / "probe.log"
    with daemons.running(tracer), open(log, "wb") as out:
        config = probe_config(folder, tracer.collector, f"    workers: {workers}\n")
        probe = subprocess.Popen([options.hoptap, "probe", "-c", config], stdout=out, stderr=out)
        try:
            daemons.wait_for(lambda: "listens at" in log.read_text(), "the probe to listen", 30)
            if workers > 1:
                time.sleep(2)  # numbers count when all of them listen
            ask(REQUESTS)
            daemons.wait_for(lambda: all(time.monotonic() - one.sent_s > 0.3 for one in switches), "the switch to rest")
            before_loss_ns = time.time_ns()
            dropped_before = dropped()
            set_drops(15)
            ask(REQUESTS)
            set_drops(0)
            lost = dropped() - dropped_before
            ask(30)  # a gap shows by what comes behind it
            daemons.wait_for(lambda: sum(metric(log, "hoptap_mirror_lost_packets_total", f"erspan-{one.session.number}")
                                         for one in switches) == lost, f"/metrics to show {lost} lost packets", 20)
        finally:
            probe.send_signal(signal.SIGINT)
            code = probe.wait(timeout=60)
        text = log.read_text()
        if code != 0 or not re.search(r"router-west: ERSPAN II session 7 from 198.18.255.1: \d+ packets, \d+ lost", text):
            raise Failed(f"the probe ended with {code}: {text[-900:]}")
        tracer.wait_until_settled()
        check_points(tracer, lost)
        # Of some later ones only the response came through: they have no time of a request.
        check_traces([trace for trace in tracer.traces() if 0 < trace["request_ns"] < before_loss_ns], REQUESTS)


def measure_time(options, folder, switches):
    """Type III with whole stamps: they are taken, and traces settle by them while nothing more comes."""
    folder.mkdir()
    for number, switch in enumerate(switches):
        switch.session = Session("erspan3", 7 + number, SWITCH, port=1 + number)
    tracer = daemons.Tracer(options.hoptap, folder / "tracer")
    log = folder / "probe.log"
    with daemons.running(tracer), open(log, "wb") as out:
        config = probe_config(folder, tracer.collector, "    time: erspan\n")
        probe = subprocess.Popen([options.hoptap, "probe", "-c", config], stdout=out, stderr=out)
        try:
            daemons.wait_for(lambda: "listens at" in log.read_text(), "the probe to listen", 30)
            ask(30)
            daemons.wait_for(lambda: len(tracer.traces()) == 30, "traces while the probe goes on", 30)
            url = re.search(r"serves (http://\S+)", log.read_text())[1]
            taken = re.search(r'hoptap_probe_switch_stamps_total{.*fate="taken".*} (\d+)',
                              run("curl", "-sS", "--max-time", "10", url))
        finally:
            probe.send_signal(signal.SIGINT)
            code = probe.wait(timeout=60)
        if code != 0 or not taken or int(taken[1]) < 30 * 4:
            raise Failed(f"the probe ended with {code}, stamps: {taken}: {log.read_text()[-900:]}")
        tracer.wait_until_settled()
        print(f"time: {taken[1]} stamps of the switch taken")
        check_traces(tracer.traces(), 30)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hoptap", required=True)
    options = parser.parse_args()
    missing = [tool for tool in ("ip", "nft", "ethtool", "curl", "sysctl") if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        print("cannot run here: needs root and " + ", ".join(missing or ["no more"]))
        return 77
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hoptap-mirror-"))
    server, switches = None, []
    try:
        build_network()
        server = subprocess.Popen(inside(SERVER, sys.executable, "-c", SERVE))
        set_drops(0)
        switches = [Switch("west", Session("erspan2", 7, SWITCH, port=1)), Switch("east", Session("erspan2", 8, SWITCH, port=2))]
        for switch in switches:
            switch.start()
        daemons.wait_for(lambda: ask(3) is None, "the server", 20)
        check_doctor(options.hoptap)
        for workers in (1, 2):
            measure(options, folder / f"workers-{workers}", switches, workers)
        measure_time(options, folder / "time", switches)
    except Failed as reason:
        print(f"FAILED: {reason}")
        return 1
    finally:
        for switch in switches:
            switch.stop()
        if server is not None:
            server.kill()
            server.wait()
        remove_network()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
