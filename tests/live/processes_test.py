#!/usr/bin/env python3
"""usage: processes_test.py --hoptap PATH    A probe names the processes at both ends of connections, and the tracer says so: by
eBPF of connections too short to be seen otherwise, by /proc of those that last. Two network namespaces, a server (in a control
group such as Docker makes) and clients, IPv4 and IPv6 and loopback. Needs root; exits with 77 and a line without."""
import argparse
import contextlib
import hashlib
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tracer"))
import daemons  # noqa: E402

SKIPPED = 77
ME = f"hp{os.getpid()}"
ID = hashlib.sha256(ME.encode()).hexdigest()
CONFIG = """
processes: %s
metrics: {listen: "127.0.0.1:0"}
interfaces:
  - {interface: "%s-far/far", point: far, role: host, ring_mib: 4}
  - {interface: "%s-far/lo", point: far-lo, role: pod, ring_mib: 4}
"""
SERVER = r"""
import http.server, socket, sys
open("/proc/self/comm", "w").write("shop-server")
class Server(http.server.ThreadingHTTPServer):
    address_family, request_queue_size = socket.AF_INET6, 128
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *words): pass
    def do_GET(self):
        open("/proc/self/task/%d/comm" % __import__("threading").get_native_id(), "w").write("a-thread")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
server = Server(("::", 80), Handler)
print("serves", flush=True)
server.serve_forever()
"""
CLIENT = r"""
import http.client, os, sys, time
open("/proc/self/comm", "w").write("shop-client")
address, seconds = sys.argv[1], float(sys.argv[2])
connection = http.client.HTTPConnection(address, 80)
end = time.monotonic() + seconds
number = 0
while True:
    connection.request("GET", f"/{os.getpid()}/{number}")
    connection.getresponse().read()
    number += 1
    if time.monotonic() > end: break
    time.sleep(0.1)
print(os.getpid(), number)
"""

# Of one connection: answers, or reads late and never answers, or never reads, or only when the client is gone.
ONCE_SERVER = r"""
import socket, sys, time
open("/proc/self/comm", "w").write(sys.argv[1])
listener = socket.create_server(("198.18.104.2", 81))
print("serves", flush=True)
one = listener.accept()[0]
if sys.argv[1] != "hung":
    time.sleep({"quick": 0, "late": 0.3, "after": 1.5}[sys.argv[1]])
    one.recv(4096)
    print("has read", flush=True)
    if sys.argv[1] == "quick": one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
time.sleep(60)
"""
ONCE_CLIENT = r"""
import os, socket
open("/proc/self/comm", "w").write("once")
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
one.bind(("198.18.104.1", 46001))
one.settimeout(1)
one.connect(("198.18.104.2", 81))
one.sendall(b"GET /%d/0 HTTP/1.1\r\nHost: x\r\n\r\n" % os.getpid())
try: one.recv(4096)
except TimeoutError: pass
one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no TIME_WAIT: the port is used again
one.close()
print(os.getpid(), 1)
"""


class Failed(Exception):
    """What should have held and did not."""


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def inside(name):
    return ["nsenter", f"--net=/run/netns/{ME}-{name}"]


@contextlib.contextmanager
def network():
    try:
        for name in ("near", "far"):
            run("ip", "netns", "add", f"{ME}-{name}")
        run("ip", "link", "add", "near", "netns", f"{ME}-near", "type", "veth", "peer", "name", "far", "netns", f"{ME}-far")
        for name, number in (("near", 1), ("far", 2)):
            run("ip", "-n", f"{ME}-{name}", "addr", "add", f"198.18.104.{number}/24", "dev", name)
            run("ip", "-n", f"{ME}-{name}", "addr", "add", f"fd00:104::{number}/64", "dev", name, "nodad")
            for interface in (name, "lo"):
                run("ip", "-n", f"{ME}-{name}", "link", "set", "dev", interface, "up")
        yield
    finally:
        for name in ("near", "far"):
            subprocess.run(["ip", "netns", "del", f"{ME}-{name}"], capture_output=True, check=False)


@contextlib.contextmanager
def container():
    """The folder of a control group as Docker names them; None where none can be made."""
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        group = pathlib.Path(root) / f"docker-{ID}.scope"
        if (pathlib.Path(root) / "cgroup.procs").exists() and (pathlib.Path(root) / "cgroup.controllers").exists():
            with contextlib.suppress(OSError):
                group.mkdir()
                break
    else:
        yield None
        return
    try:
        yield group
    finally:
        for _ in range(50):  # what was in it has to be gone
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)


@contextlib.contextmanager
def serving(group):
    server = subprocess.Popen([*inside("far"), sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True,
                              preexec_fn=lambda: group and (group / "cgroup.procs").write_text(str(os.getpid())))
    try:
        server.stdout.readline()
        yield server
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def probing(hoptap, tracer, way, folder):
    config = folder / f"{way}.yaml"
    config.write_text(CONFIG % (way, ME, ME))
    log = folder / f"{way}.log"
    with open(log, "wb") as file:
        probe = subprocess.Popen([hoptap, "probe", "-c", config, "--name", way, "--tracer", tracer.collector, "--progress", "never"],
                                 stdout=file, stderr=file)
    try:
        daemons.wait_for(lambda: "finds processes" in log.read_text() or probe.poll() is not None, "the probe to listen")
        yield log
        probe.send_signal(signal.SIGINT)
        if probe.wait(timeout=60) != 0:
            raise Failed(f"the probe ended with {probe.returncode}: {log.read_text()}")
    finally:
        if probe.poll() is None:
            probe.kill()
            probe.wait()


def talk(address, seconds, name="near"):
    """@return (process id, requests)"""
    done = run(*inside(name), sys.executable, "-c", CLIENT, address, seconds)
    return tuple(map(int, done.split()))


def hops_of(tracer, pid, count):
    """Those of a client's requests, in order, once they are all there."""
    found = []

    def all_there():
        found[:] = sorted((trace for trace in tracer.traces() if trace["resource"].startswith(f"/{pid}/")),
                          key=lambda trace: int(trace["resource"].split("/")[2]))
        return len(found) == count
    daemons.wait_for(all_there, f"{count} traces of client {pid}")
    return [trace["hops"][0] for trace in found]


def expected(pid, name, group=None):
    """As the API says it. Outside the first namespace of process ids the kernel's are others."""
    process = {"process.pid": pid, "process.executable.name": name}
    return {**process, "container.id": ID} if group else process


def check(hop, client, server):
    for key, process in (("client_process", client), ("server_process", server)):
        if hop.get(key) != process:
            raise Failed(f"{key} of {hop['resource']} is {hop.get(key)}, not {process}")


def short_ones(tracer, server, group):
    """Each is over before anybody could look."""
    for address, name in (("198.18.104.2", "near"), ("fd00:104::2", "near"), ("127.0.0.1", "far"), ("::1", "far")):
        for _ in range(3):
            pid, requests = talk(address, 0, name)
            check(hops_of(tracer, pid, requests)[0], expected(pid, "shop-client"), expected(server.pid, "shop-server", group))
    trace = tracer.traces()[0]["id"]
    text = subprocess.run(["curl", "-sS", "-H", "Accept: text/plain", f"{tracer.url}/api/v1/traces/{trace}"], stdout=subprocess.PIPE,
                          text=True, check=True).stdout
    words = f"server process shop-server[{server.pid}]" + (f" container {ID[:12]}" if group else "")
    if words not in text:
        raise Failed(f"'{words}' is not in:\n{text}")
    print(f"eBPF: 12 connections of one request, both ends named\n{text}")


def one_after_the_other(tracer):
    """Connections of the same addresses and ports: who does not read is not taken for the one before, who reads late is found."""
    kinds = ("quick", "hung", "late", "hung", "after", "hung")
    for kind in kinds:
        server = subprocess.Popen([*inside("far"), sys.executable, "-c", ONCE_SERVER, kind], stdout=subprocess.PIPE, text=True)
        try:
            server.stdout.readline()
            pid = int(run(*inside("near"), sys.executable, "-c", ONCE_CLIENT).split()[0])
            if kind != "hung":
                server.stdout.readline()
            holder = expected(server.pid, kind) if kind in ("quick", "late") else None
            check(hops_of(tracer, pid, 1)[0], expected(pid, "once"), holder)
        finally:
            server.kill()
            server.wait()
    print(f"eBPF: {len(kinds)} connections of the same ports, each with its own server or none")


def long_ones(tracer, server, group):
    for address, name in (("198.18.104.2", "near"), ("fd00:104::2", "near"), ("127.0.0.1", "far")):
        pid, requests = talk(address, 4, name)
        check(hops_of(tracer, pid, requests)[-1], expected(pid, "shop-client"), expected(server.pid, "shop-server", group))
    print("/proc: 3 connections of 4 s, both ends named")


def stored_legs(tracer):
    """What the database has of connections: (client's name, server's name, server's container)."""
    with contextlib.closing(sqlite3.connect(f"file:{tracer.data / 'hoptap.sqlite'}?mode=ro", uri=True)) as store:
        return store.execute("SELECT a.text, b.text, server_container FROM leg LEFT JOIN name a ON a.id = client_executable "
                             "LEFT JOIN name b ON b.id = server_executable").fetchall()


def says_what_is_missing(hoptap, folder):
    done = subprocess.run(["setpriv", "--bounding-set", "-sys_ptrace", hoptap, "probe", "-c", folder / "proc.yaml", "--check"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    if "only of this user's own processes" not in done:
        raise Failed(f"without CAP_SYS_PTRACE --check says: {done}")


def metrics_of(log):
    url = log.read_text().split("serves ")[1].split()[0]
    lines = run("curl", "-sS", url).splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("hoptap_probe_process")}


def test(hoptap, folder, has_ebpf):
    with network(), container() as group, serving(group) as server, daemons.running(daemons.Tracer(hoptap, folder / "tracer")) as tracer:
        if has_ebpf:
            with probing(hoptap, tracer, "ebpf", folder) as log:
                short_ones(tracer, server, group)
                one_after_the_other(tracer)
                daemons.wait_for(lambda: metrics_of(log)['hoptap_probe_process_legs_total{found="yes"}'] >= 12, "12 legs to be named")
                print(metrics_of(log))
        with probing(hoptap, tracer, "proc", folder) as log:
            long_ones(tracer, server, group)
            print(metrics_of(log))
        says_what_is_missing(hoptap, folder)
        row = ("shop-client", "shop-server", ID if group else "")
        if stored_legs(tracer).count(row) < (15 if has_ebpf else 3):
            raise Failed(f"legs in the database: {stored_legs(tracer)}")
        tracer.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hoptap", type=pathlib.Path, required=True)
    hoptap = parser.parse_args().hoptap.resolve()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if os.geteuid() != 0:
        print("skipped: needs root, for network namespaces")
        return SKIPPED
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "ebpf.yaml").write_text(CONFIG % ("ebpf", ME, ME))
        said = subprocess.run([hoptap, "probe", "-c", folder / "ebpf.yaml", "--check"], stdout=subprocess.PIPE, text=True, check=False)
        if said.returncode != 0:
            print(f"without eBPF: {said.stdout.strip()}")
        try:
            test(hoptap, folder, said.returncode == 0)
        except (Failed, TimeoutError, RuntimeError) as failure:
            print(f"FAILED: {failure}")
            for log in folder.glob("*.log"):
                print(f"--- {log.name}\n{log.read_text()}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
