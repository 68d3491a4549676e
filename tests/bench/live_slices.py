"""What an application loses to eBPF beside it: nginx and wrk have a core of their own, the probes that read the other. The programs
come and go every 90 ms, since what they cost is less than one second differs from the next."""
import contextlib
import json
import math
import os
import pathlib
import random
import re
import socket
import statistics
import subprocess
import time

import attach
from engine import Report
from live_application import BODIES
from live_rig import FAR, HOPTAP, Probe, Rig, run
from measuring import Failed

SLICE_S, SETTLE_S = 0.06, 0.03
ALONE = ("alone", 0)
KINDS = (("probe, metrics only", False, ""), ("probe, exchanges of headers alone", True, ", head_bytes: 0"), ("probe, messages", True, ""))


def missing() -> str:
    """Why not; "" when it can be."""
    said = subprocess.run([str(HOPTAP), "doctor", "--json", "-i", "lo"], capture_output=True, text=True, check=False).stdout
    ebpf = next((finding for finding in map(json.loads, said.splitlines()) if finding["topic"] == "ebpf"), None)
    if ebpf is None or ebpf["severity"] != "good":
        return f"says {ebpf['text'] if ebpf else 'nothing'}"
    release = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    return "" if release >= (6, 6) else "needs Linux 6.6 (tcx)"


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
        return _take_turns(rig, seconds, programs, wrk)
    finally:
        wrk.kill()
        wrk.wait()


def _take_turns(rig: Rig, seconds: float, programs: dict, wrk: subprocess.Popen) -> dict:
    nginx = int((rig.folder / "nginx.pid").read_text())
    found: dict = {name: [] for name in (ALONE, *programs)}
    order, choice, end = list(found), random.Random(1), time.monotonic() + seconds
    with Meter(rig, (nginx, wrk.pid)) as meter:
        while time.monotonic() < end:
            choice.shuffle(order)
            for name in order:
                with attach.attached(programs[name], rig.far, "far") if name in programs else contextlib.nullcontext():
                    time.sleep(SETTLE_S)
                    found[name].append(meter.per_cpu_s(SLICE_S))
            if wrk.poll() is not None:
                raise Failed("wrk ended early")
    return found


def kept(slices: list[float], alone: list[float]) -> tuple[float, float]:
    """@return what is kept of `alone`: the mean of the middle four fifths of the rounds, and its standard error, which is that
    of all with the outer ones moved to the edges of the middle"""
    ratios = sorted(one / other for one, other in zip(slices, alone))
    cut = len(ratios) // 10
    middle = ratios[cut:len(ratios) - cut]
    moved = [min(max(ratio, middle[0]), middle[-1]) for ratio in ratios]
    error = statistics.stdev(moved) / (len(middle) / len(ratios)) / math.sqrt(len(ratios)) if len(ratios) > 1 else math.nan
    return statistics.mean(middle), error


def report_on(rig: Rig, seconds: float, probes: int, report: Report, wrong: list[str]) -> None:
    """The probes listen where nothing passes; their programs, and with them their readers, get nginx's packets in turn.
    @param probes  of each kind: where in memory its program comes to lie makes a difference. @param wrong  gets what does
    not add up"""
    if why := missing():
        report.say(f"\nBeside eBPF: not measured, it {why}.")
        return
    report.table("nginx and wrk on one core, eBPF comes and goes", "requests a CPU second", "of those alone", "from one probe to another",
                 "standard error of one", "slices of one", "packets dropped")
    with contextlib.ExitStack() as stack:
        programs, listening = {("an empty program", 0): attach.empty()}, {}
        stack.callback(os.close, programs["an empty program", 0])
        for number in range(probes):
            for name, messages, more in KINDS:
                spare = f"spare{len(programs)}"
                run("ip", "-n", rig.far, "link", "add", spare, "type", "veth", "peer", "name", f"{spare}-peer")
                run("ip", "-n", rig.far, "link", "set", "dev", spare, "up")
                listening[name, number] = stack.enter_context(Probe(rig, messages, more=f"capture: ebpf{more}", at=spare))
                programs[name, number] = attach.program_at(rig.far, spare)
                stack.callback(os.close, programs[name, number])
        dropped = {which: 0 for which in listening}
        for body in BODIES:
            found = in_slices(rig, body, seconds, programs)
            before = dropped
            dropped = {which: _dropped(probe, wrong) for which, probe in listening.items()}
            _report_slices(f"{body:,} bytes", found, {which: dropped[which] - before[which] for which in dropped}, report)


def _dropped(probe: Probe, wrong: list[str]) -> int:
    count = probe.count()
    if count.received != count.processed + count.dropped:
        wrong.append(f"{probe.name}, by eBPF at {probe.at}: {count.received:,} received, {count.processed:,} processed, {count.dropped:,} dropped")
    return count.dropped


def _report_slices(title: str, found: dict, dropped: dict, report: Report) -> None:
    alone = found.pop(ALONE)
    report.row(f"{title}: alone", f"{statistics.median(alone):,.0f}", "", "", "", len(alone), "")
    for name in dict.fromkeys(name for name, _ in found):
        every = [slices for (of, _), slices in found.items() if of == name]
        shares, errors = zip(*(kept(slices, alone) for slices in every))
        report.row(f"{title}: {name}", f"{statistics.median(sum(every, [])):,.0f}", f"{statistics.mean(shares):.1%}",
                   f"{min(shares):.1%} to {max(shares):.1%}" if len(shares) > 1 else "", f"{max(errors):.1%}", len(every[0]),
                   sum(packets for (of, _), packets in dropped.items() if of == name) if (name, 0) in dropped else "")
