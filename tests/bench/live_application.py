"""What an application loses to listeners beside it that take turns of seconds: nginx and wrk have a core of their own, the
listeners the other."""
import contextlib
import os
import pathlib
import re
import signal
import statistics
import subprocess

from engine import Report
from live_rig import FAR, Listener, Probe, Rig, RingCount, Tcpdump, run, wait_until
from measuring import Failed

BODIES = (700, 16_000)  # bytes of an answer
NGINX = """daemon off; master_process off; user root; pid %(folder)s/nginx.pid; error_log %(folder)s/nginx.err;
events { worker_connections 256; }
http { access_log off; keepalive_requests 1000000000; client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p;
  fastcgi_temp_path %(folder)s/f; uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  server { listen 80; root %(folder)s; location = /status { stub_status; } } }
"""


class Application:
    """nginx at far and wrk at near, both on the sender's core."""

    def __init__(self, rig: Rig):
        self.rig, self.nginx = rig, None

    def __enter__(self):
        for size in BODIES:
            (self.rig.folder / f"{size}.txt").write_bytes((b"hoptap " * (size // 7 + 1))[:size])
        config = self.rig.folder / "nginx.conf"
        config.write_text(NGINX % {"folder": self.rig.folder})
        self.nginx = self.rig.start([*self.rig.inside(self.rig.far), "nginx", "-c", config, "-e", self.rig.folder / "nginx.err"],
                                    {self.rig.sender_core}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: "LISTEN" in run(*self.rig.inside(self.rig.far), "ss", "-ltn"), "nginx to listen")
        return self

    def __exit__(self, *_):
        self.nginx.send_signal(signal.SIGTERM)
        self.nginx.wait(timeout=20)

    def load(self, body: int, seconds: int) -> tuple[float, float]:
        """@return requests/s, and a CPU second: of nginx and wrk, the kernel's part included"""
        before = _nginx_cpu_s(self.nginx.pid)
        words = [*self.rig.inside(self.rig.near), "wrk", "-t1", "-c32", f"-d{seconds}s", f"http://{FAR}/{body}.txt"]
        wrk = self.rig.start(words, {self.rig.sender_core}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = wrk.stdout.read()
        _, status, used = os.wait4(wrk.pid, 0)
        wrk.returncode = os.waitstatus_to_exitcode(status)
        rate, requests = re.search(r"Requests/sec:\s+(\S+)", text), re.search(r"(\d+) requests in", text)
        if wrk.returncode != 0 or not rate or not int(requests[1]):
            raise Failed(f"wrk said {text[-300:]}")
        cpu_s = used.ru_utime + used.ru_stime + _nginx_cpu_s(self.nginx.pid) - before
        return float(rate[1]), int(requests[1]) / max(cpu_s, 1e-9)


def _nginx_cpu_s(pid: int) -> float:
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def beside(rig: Rig, seconds: int, body: int, served: Application, listener: Listener | None, wrong: list[str]) -> tuple:
    """@return requests/s, a CPU second, packets dropped"""
    before = rig.link()
    with listener or contextlib.nullcontext():
        figures = served.load(body, seconds)
        count = listener.count() if listener else None
    if count is None:
        return *figures, 0
    passed = sum(value - before[key] for key, value in rig.link().items() if key in ("arrived", "answered"))
    known = count.processed + count.dropped
    if count.received > passed or known > count.received or (known < count.received and not count.rest_unknown):
        wrong.append(f"{listener.name}, beside wrk: {passed:,} passed, {count.received:,} received, {count.processed:,} processed, "
                     f"{count.dropped:,} dropped")
    return *figures, count.dropped


def in_rounds(rig: Rig, plan, served: Application, report: Report, wrong: list[str]) -> None:
    kinds = {"alone": None, "a bare ring": RingCount(rig), "tcpdump -w /dev/null": Tcpdump(rig), "probe, metrics only": Probe(rig, False),
             "probe, messages": Probe(rig, True), "probe, messages, snap_bytes 256": Probe(rig, True, more="snap_bytes: 256")}
    report.table("nginx and wrk on one core, on the other", "requests/s", "of those alone", "requests a CPU second of theirs",
                 "of those alone", "packets dropped")
    served.load(BODIES[0], 1)
    for body in BODIES:
        found: dict[str, list] = {name: [] for name in kinds}
        for _ in range(plan.wrk_rounds):
            for name, listener in kinds.items():
                found[name].append(beside(rig, plan.wrk_seconds, body, served, listener, wrong))
        # Medians of rounds that take turns: others use the machine too.
        middle = {name: [statistics.median(figures) for figures in zip(*runs)] for name, runs in found.items()}
        for name, (rate, per_cpu_s, _) in middle.items():
            report.row(f"{body:,} bytes: {name}", f"{rate:,.0f}", f"{rate / middle['alone'][0]:.1%}", f"{per_cpu_s:,.0f}",
                       f"{per_cpu_s / middle['alone'][1]:.1%}", sum(run[2] for run in found[name]) if kinds[name] else "")
