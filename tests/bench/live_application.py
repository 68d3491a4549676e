"""What an application loses to listeners beside it: nginx and wrk have a core of their own, the listeners the other. Packet sockets
take turns of seconds; eBPF, which comes and goes at once, takes turns of milliseconds, since it costs less than rounds of
seconds differ from each other."""
import contextlib
import json
import math
import os
import pathlib
import random
import re
import signal
import socket
import statistics
import subprocess
import time

import attach
from engine import Report
from live_rig import FAR, HOPTAP, Listener, Probe, Rig, RingCount, Tcpdump, run, wait_until
from measuring import Failed

BODIES = (700, 16_000)  # bytes of an answer
SLICE_S, SETTLE_S = 0.06, 0.03
ALONE = ("alone", 0)
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


class Meter:
    """How many requests nginx has answered, and the CPU seconds of it and wrk until then."""

    def __init__(self, rig: Rig, pids):
        with attach.namespace(rig.near):
            self.socket = socket.create_connection((FAR, 80), timeout=20)
        self.answers = self.socket.makefile("rb")
        self.tasks = [open(task / "schedstat", "rb", 0) for pid in pids for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in (self.answers, self.socket, *self.tasks):
            one.close()

    def requests(self) -> int:
        self.socket.sendall(b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n")
        length = 0
        while head := self.answers.readline().strip():
            if head.lower().startswith(b"content-length:"):
                length = int(head.split(b":")[1])
        return int(self.answers.read(length).splitlines()[2].split()[2])

    def cpu_s(self) -> float:
        return sum(int(os.pread(task.fileno(), 64, 0).split()[0]) for task in self.tasks) / 1e9

    def per_cpu_s(self, seconds: float) -> float:
        requests, used = self.requests(), self.cpu_s()
        time.sleep(seconds)
        return (self.requests() - requests) / max(1e-9, self.cpu_s() - used)


def in_slices(rig: Rig, body: int, seconds: float, programs: dict) -> dict:
    """@return requests a CPU second in each slice beside each of the programs, and ALONE; the slices of one round have one place"""
    words = [*rig.inside(rig.near), "wrk", "-t1", "-c32", f"-d{int(seconds) + 600}s", f"http://{FAR}/{body}.txt"]
    wrk = rig.start(words, {rig.sender_core}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        return _take_turns(rig, seconds, programs, wrk.pid)
    finally:
        wrk.send_signal(signal.SIGINT)
        wrk.wait(timeout=20)


def _take_turns(rig: Rig, seconds: float, programs: dict, wrk: int) -> dict:
    nginx = int((rig.folder / "nginx.pid").read_text())
    found: dict = {name: [] for name in (ALONE, *programs)}
    order, choice, end = list(found), random.Random(1), time.monotonic() + seconds
    with Meter(rig, (nginx, wrk)) as meter:
        while time.monotonic() < end:
            choice.shuffle(order)
            for name in order:
                with attach.attached(programs[name], rig.far, "far") if name in programs else contextlib.nullcontext():
                    time.sleep(SETTLE_S)
                    found[name].append(meter.per_cpu_s(SLICE_S))
    return found


def kept(slices: list[float], alone: list[float]) -> tuple[float, float]:
    """@return what is kept of `alone`: the mean of the middle four fifths of the rounds, and its standard error"""
    ratios = sorted(one / other for one, other in zip(slices, alone))
    middle = ratios[len(ratios) // 10:len(ratios) - len(ratios) // 10]
    return statistics.mean(middle), statistics.stdev(middle) / math.sqrt(len(middle)) if len(middle) > 1 else math.nan


def beside_ebpf(rig: Rig, seconds: float, probes: int, report: Report) -> None:
    """The probes listen where nothing passes; their programs, and with them their readers, get nginx's packets in turn.
    @param probes  of each kind: where in memory its program comes to lie makes a difference"""
    report.table("nginx and wrk on one core, eBPF comes and goes", "requests a CPU second", "of those alone", "from one probe to another",
                 "standard error of one", "slices of one")
    with contextlib.ExitStack() as stack:
        programs = {("an empty program", 0): attach.empty()}
        for number in range(probes):
            for name, messages in (("probe, metrics only", False), ("probe, messages", True)):
                spare = f"spare{len(programs)}"
                run("ip", "-n", rig.far, "link", "add", spare, "type", "veth", "peer", "name", f"{spare}-peer")
                run("ip", "-n", rig.far, "link", "set", "dev", spare, "up")
                stack.enter_context(Probe(rig, messages, more="capture: ebpf", at=spare))
                programs[name, number] = attach.newest("head_tap")
        for program in programs.values():
            stack.callback(os.close, program)
        for body in BODIES:
            _report_slices(f"{body:,} bytes", in_slices(rig, body, seconds, programs), report)


def _report_slices(title: str, found: dict, report: Report) -> None:
    alone = found.pop(ALONE)
    report.row(f"{title}: alone", f"{statistics.median(alone):,.0f}", "", "", "", len(alone))
    for name in dict.fromkeys(name for name, _ in found):
        every = [slices for (of, _), slices in found.items() if of == name]
        shares, errors = zip(*(kept(slices, alone) for slices in every))
        report.row(f"{title}: {name}", f"{statistics.median(sum(every, [])):,.0f}", f"{statistics.mean(shares):.1%}",
                   f"{min(shares):.1%} to {max(shares):.1%}" if len(shares) > 1 else "", f"{max(errors):.1%}", len(every[0]))


def report_on(rig: Rig, plan, report: Report, wrong: list[str]) -> None:
    """@param plan  live.Plan. @param wrong  gets what does not add up"""
    with Application(rig) as served:
        in_rounds(rig, plan, served, report, wrong)
        if has_ebpf():
            beside_ebpf(rig, plan.slices_seconds, plan.slices_probes, report)


def has_ebpf() -> bool:
    said = subprocess.run([str(HOPTAP), "doctor", "--json", "-i", "lo"], capture_output=True, text=True, check=False).stdout
    return any(json.loads(line)["topic"] == "ebpf" and json.loads(line)["severity"] == "good" for line in said.splitlines())


