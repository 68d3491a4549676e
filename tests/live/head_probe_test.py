#!/usr/bin/env python3
"""usage: head_probe_test.py HOPTAP    A probe listens at one interface twice, by a ring and by eBPF, with HTTP of all sizes
passing, and must count the same both ways, from a small part of the bytes; also after the interface was deleted and came back,
with the privileges that are left then; and with headers alone, which tell as many requests, or metrics only. Needs root; exits
with 77 when that or eBPF is not to be had."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from live_rig import FAR, NEAR, Rig, run, wait_until  # noqa: E402
from measuring import Failed  # noqa: E402

HOPTAP = pathlib.Path(sys.argv[1]).resolve()
PROBE = """
metrics: {{listen: "127.0.0.1:0"}}
limits: {{messages: {messages}}}
interfaces:
  - {{interface: {where}, point: ring, role: host}}
  - {{interface: {where}, point: head, role: host, capture: ebpf{more}}}
"""
SERVER = r"""
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *words): pass
    def do_GET(self):
        kind, size = self.path.strip("/").split("/")
        if kind == "head":  # a long one and its body at once: the head is copied in part
            return self.wfile.write(b"HTTP/1.1 203 OK\r\nX: " + b"x" * 2000 + b"\r\nContent-Length: " + size.encode() + b"\r\n\r\n" + b"y" * int(size))
        self.send_response(404 if kind == "none" else 200)
        self.send_header(*(("Transfer-Encoding", "chunked") if kind == "chunked" else ("Content-Length", size)))
        self.end_headers()
        if kind != "chunked":
            return self.wfile.write(b"y" * int(size))
        for _ in range(int(size) // 8192):
            self.wfile.write(b"2000\r\n" + b"x" * 8192 + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
print("serves", flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", 80), Handler).serve_forever()
"""
CLIENT = r"""
import http.client, sys
rounds = (("plain", 500, 20), ("plain", 16000, 20), ("plain", 3000000, 3), ("chunked", 8192, 10), ("chunked", 400000, 5), ("none", 10, 5),
          ("head", 16000, 5))
for kind, size, times in rounds[:int(sys.argv[2])]:
    connection = http.client.HTTPConnection(sys.argv[1])
    for _ in range(times):
        connection.request("GET", f"/{kind}/{size}", headers={"Cookie": "c" * (3000 if size == 500 else 10)})
        read = len(connection.getresponse().read())
        assert read == (size // 8192 * 8192 if kind == "chunked" else size), (kind, size, read)
    for _ in range(3 if size != 500 else 0):
        connection.request("POST", "/post/0", body=b"z" * 200000)
        connection.getresponse().read()
    connection.close()
"""
ROUNDS, REQUESTS, FIRST_REQUESTS = 7, 68 + 6 * 3, 20
# Two stamps of one packet differ, and with them times; and packets of both directions that pass at once have no order.
NOT_THE_SAME = re.compile(r"captured_bytes|cpu_seconds|_seconds_(sum|bucket|total)|(rtt|response)\w*_seconds_count|window_limited|in_flight_max|"
                          # what was not copied is a gap where it is not a body of known length
                          r'event="(gaps|gap_bytes)"')


class Watched:
    """The probe at the interface `far`."""

    def __init__(self, rig: Rig, messages: bool, more: str = ""):
        self.log = rig.folder / "probe.log"
        config = rig.folder / "probe.yaml"
        config.write_text(PROBE.format(where=f"{rig.far}/far", messages=str(messages).lower(), more=more))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([HOPTAP, "probe", "-c", config, "--name", "heads", "--tracer", "127.0.0.1:9", "--wait", "0",
                                             "--progress", "never"], stdout=log, stderr=log)
        wait_until(lambda: "listens at" in self.text() or self.process.poll() is not None, "the probe to listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)

    def text(self) -> str:
        return self.log.read_text()

    def samples(self) -> dict:
        """{point: {sample without its point: value}}"""
        with urllib.request.urlopen(re.search(r"serves (\S+)", self.text())[1], timeout=10) as answer:
            found = re.findall(r'^(\w+\{)point="(ring|head)"(.*\}) (\S+)$', answer.read().decode(), re.MULTILINE)
        return {point: {before + after: float(value) for before, where, after, value in found if where == point}
                for point in ("ring", "head")}


def total(samples: dict, family: str) -> float:
    return sum(value for name, value in samples.items() if name.startswith(family + "{"))


def talk(rig: Rig, watched: Watched, rounds: int, expected: int) -> dict:
    """@return samples, once all requests so far have been counted"""
    run(*rig.inside(rig.near), sys.executable, "-c", CLIENT, FAR, rounds)
    wait_until(lambda: all(total(one, "hoptap_requests_total") >= expected for one in watched.samples().values()), f"{expected} requests")
    return settled(watched)


def settled(watched: Watched) -> dict:
    """@return samples, once what closes connections is counted at both"""
    seen = []

    def is_settled() -> bool:
        seen.append([total(one, "hoptap_probe_packets_total") for one in watched.samples().values()])
        time.sleep(0.5)
        return len(seen) > 3 and all(counts[0] == counts[1] == seen[-1][0] for counts in seen[-4:])

    with contextlib.suppress(Failed):  # compare() says what is not the same
        wait_until(is_settled, "the same packets at both")
    return watched.samples()


def a_fifth(ring: dict) -> float:
    return total(ring, "hoptap_probe_captured_bytes_total") / 5


def headers(ring: dict) -> float:
    return 80 * total(ring, "hoptap_probe_received_packets_total")


def compare(samples: dict, expected: int, bytes_max=a_fifth) -> list[str]:
    ring, head = samples["ring"], samples["head"]
    wrong = [f"{name}: {ring.get(name)} by the ring, {head.get(name)} by eBPF" for name in sorted(ring.keys() | head.keys())
             if not NOT_THE_SAME.search(name) and ring.get(name) != head.get(name)]
    if total(ring, "hoptap_requests_total") != expected:
        wrong.append(f"{total(ring, 'hoptap_requests_total')} requests instead of {expected}")
    bytes_of = {point: total(one, "hoptap_probe_captured_bytes_total") for point, one in samples.items()}
    print(f"{expected} requests, {total(head, 'hoptap_probe_received_packets_total'):.0f} packets: {bytes_of['ring']:.0f} bytes by the "
          f"ring, {bytes_of['head']:.0f} by eBPF")
    return wrong if bytes_of["head"] <= bytes_max(ring) else [*wrong, f"eBPF copies more than {bytes_max(ring)} bytes"]


def compare_turns(samples: dict) -> list[str]:
    """That of headers alone the requests are counted, as of an unknown protocol."""
    found = {point: total(one, "hoptap_requests_total") for point, one in samples.items()}
    copied = total(samples["head"], "hoptap_probe_captured_bytes_total")
    print(f"{found['head']:.0f} requests by headers alone, {copied:.0f} bytes")
    wrong = [] if found == {"ring": REQUESTS, "head": REQUESTS} else [f"requests by headers alone: {found}"]
    return wrong if copied <= headers(samples["ring"]) else [*wrong, f"{copied} bytes are more than headers"]


def come_back(rig: Rig, watched: Watched) -> None:
    run("ip", "-n", rig.near, "link", "del", "near")
    wait_until(lambda: watched.text().count("far is gone") == 2, "the interface to be missed")
    run("ip", "link", "add", "near", "netns", rig.near, "type", "veth", "peer", "name", "far", "netns", rig.far)
    # It is there again before it says a word.
    wait_until(lambda: watched.text().count(": packets are read again") + watched.text().count("far is down") >= 2, "both to listen again")
    for name, interface, address in ((rig.near, "near", NEAR), (rig.far, "far", FAR)):
        for words in (("link", "set", "dev", interface, "addrgenmode", "none"), ("addr", "add", f"{address}/24", "dev", interface),
                      ("link", "set", "dev", interface, "up")):
            run("ip", "-n", name, *words)


def main() -> int:
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if os.geteuid() != 0:
        print("skipped: needs root, for network namespaces")
        return 77
    said = subprocess.run([HOPTAP, "doctor", "--json", "-i", "lo"], capture_output=True, text=True, check=False).stdout
    ebpf = next(line for line in map(json.loads, said.splitlines()) if line["topic"] == "ebpf")
    if ebpf["severity"] != "good":
        print(f"skipped: {ebpf['text']}")
        return 77
    with tempfile.TemporaryDirectory() as folder, Rig(pathlib.Path(folder), False) as rig:
        server = subprocess.Popen([*rig.inside(rig.far), sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True)
        server.stdout.readline()
        wrong = []
        try:
            with Watched(rig, messages=True) as watched:
                wrong += compare(talk(rig, watched, ROUNDS, REQUESTS), REQUESTS)
                come_back(rig, watched)
                wrong += compare(talk(rig, watched, 1, REQUESTS + FIRST_REQUESTS), REQUESTS + FIRST_REQUESTS)
            text = watched.text()
            with Watched(rig, messages=True, more=", head_bytes: 0") as watched:
                wrong += compare_turns(talk(rig, watched, ROUNDS, REQUESTS))
            text += watched.text()
            with Watched(rig, messages=False) as watched:
                run(*rig.inside(rig.near), sys.executable, "-c", CLIENT, FAR, ROUNDS)
                wrong += compare(settled(watched), 0, headers)
            text += watched.text()
        finally:
            server.kill()
            server.wait()
        wrong += [f"UNACCOUNTED: {line}" for line in text.splitlines() if "UNACCOUNTED" in line]
        filters = subprocess.run([*rig.inside(rig.far), "tc", "filter", "show", "dev", "far", "ingress"], capture_output=True, text=True, check=False)
        if "head_tap" in filters.stdout:
            wrong.append(f"left behind: {filters.stdout}")
    print("\n".join(wrong) + "\n" + text if wrong else "the same both ways")
    return 1 if wrong else 0


sys.exit(main())
