"""The highest rate without a loss of the probe, beside a bare ring and tcpdump; and what the application beside it loses."""
import dataclasses
import os
import pathlib
import shutil
import signal

import live_application
import live_slices
import measuring
import traffic
from engine import Report, write_into
from live_rig import RING_MIB, Count, Listener, Probe, Rig, RingCount, Tcpdump, net_rx_by_core, write_small_frames

BEGIN, END = "<!-- begin: ./dev bench live --write -->", "<!-- end: ./dev bench live --write -->"
SKIPPED = 77


@dataclasses.dataclass
class Plan:
    seconds: float = 1.5      # of sending, each step
    tries: int = 3            # a rate is lossless when one of them is: others use the machine too
    halvings: int = 5
    rates: tuple = ()         # these instead of a search
    mixed: bool = True
    two_workers: bool = True
    wrk_seconds: int = 3
    wrk_rounds: int = 6
    slices_seconds: int = 150  # for each size of answer
    slices_probes: int = 3


FULL = Plan()
SHORT = Plan(seconds=0.7, tries=1, rates=(20_000, 100_000), mixed=False, two_workers=False, wrk_seconds=1, wrk_rounds=1, slices_seconds=2,
             slices_probes=1)


@dataclasses.dataclass
class Step:
    pace: float
    sent: dict
    link: dict
    count: Count
    on_sender_core: float  # share of receive softirqs

    @property
    def rate(self) -> float:
        return self.sent["sent"] / self.sent["seconds"]

    @property
    def lossless(self) -> bool:
        return self.count.dropped == 0 and self.sent["sent"] <= self.link["arrived"] and self.link["arrived"] <= self.count.received

    @property
    def lost(self) -> float:
        return 1 - self.count.processed / max(1, self.sent["sent"])

    def wrong(self) -> str:
        """What does not add up; "" when all does."""
        count, arrived = self.count, self.link["arrived"]
        if self.sent["sent"] != self.link["sent"] or arrived + self.link["lost"] < self.sent["sent"]:
            return f"{self.sent['sent']:,} sent, {self.link['sent']:,} by the interface's count, {arrived:,} arrived, {self.link['lost']:,} lost"
        if count.received != arrived:
            return f"{arrived:,} arrived, the kernel had {count.received:,} for it"
        known = count.processed + count.dropped
        if known > count.received or (known < count.received and not count.rest_unknown):
            return f"{count.received:,} received, {count.processed:,} processed and {count.dropped:,} dropped"
        return ""


class Trial:
    """One listener under one workload."""

    def __init__(self, rig: Rig, plan: Plan, capture: pathlib.Path, listener: Listener, wrong: list[str]):
        self.rig, self.plan, self.capture, self.listener, self.wrong = rig, plan, capture, listener, wrong
        self.steps: list[Step] = []

    def step(self, pace: float) -> Step:
        before, softirqs = self.rig.link(), net_rx_by_core()
        with self.listener as listener:
            sent = self.rig.send(self.capture, self.plan.seconds, pace)
            softirqs = {core: count - softirqs.get(core, 0) for core, count in net_rx_by_core().items()}
            count = listener.count()
        link = {key: value - before[key] for key, value in self.rig.link().items()}
        share = softirqs.get(self.rig.sender_core, 0) / max(1, sum(softirqs.values()))
        done = Step(pace, sent, link, count, share)
        self.steps.append(done)
        if wrong := done.wrong():
            self.wrong.append(f"{self.listener.name}, {self.capture.stem} at {done.rate:,.0f}/s: {wrong}")
        return done

    def passes(self, pace: float) -> bool:
        """Whether one of some tries loses nothing. Where a fifth is lost another try is in vain."""
        for _ in range(self.plan.tries):
            step = self.step(pace)
            if step.lossless:
                return True
            if step.lost > 0.2:
                return False
        return False

    def search(self) -> None:
        """All that the sender can, or between nothing and that."""
        if self.passes(0):
            return
        low, high = 0.0, max(step.rate for step in self.steps)
        for _ in range(self.plan.halvings):
            middle = (low + high) / 2
            low, high = (middle, high) if self.passes(middle) else (low, middle)

    def best(self) -> float:
        return max((step.rate for step in self.steps if step.lossless), default=0.0)

    def cpu_ns(self) -> tuple[float, float]:
        """The least per packet, of steps that processed enough: (threads that read the ring, whole process)."""
        most = max(step.count.processed for step in self.steps)
        full = [step.count for step in self.steps if step.count.processed >= most / 2 and step.count.processed > 0]
        if not full:
            return 0.0, 0.0
        return min(one.worker_cpu_s / one.processed for one in full) * 1e9, min(one.cpu_s / one.processed for one in full) * 1e9


def workloads(rig: Rig, plan: Plan) -> list[tuple[str, pathlib.Path]]:
    small = rig.folder / "small64.pcap"
    write_small_frames(small)
    found = [("64 bytes", small)]
    if plan.mixed:
        mixed = rig.folder / "mixed.pcap"
        measuring.json_of(traffic.TOOLS / "hoptap-make-traffic", "mixed", mixed, 100_000)
        found.append(("mixed", mixed))
    return found


def listeners(rig: Rig, plan: Plan) -> list[Listener]:
    found = [RingCount(rig), Tcpdump(rig), Probe(rig, False), Probe(rig, True)]
    return found + ([Probe(rig, False, 2), Probe(rig, True, 2)] if plan.two_workers else [])


def rates(rig: Rig, plan: Plan, report: Report, wrong: list[str]) -> None:
    loads = workloads(rig, plan)
    shares = []
    if plan.rates:
        report.table("without a search", "offered/s", "dropped", "worker CPU ns/packet", "process CPU ns/packet")
    else:
        report.table("lossless rate", "packets/s", "Mbit/s", "of the bare ring's", "worker CPU ns/packet", "process CPU ns/packet",
                     "packets/s a core could", "of the bare ring's CPU", "records dropped")
    for name, capture in loads:
        floor = None
        for listener in listeners(rig, plan):
            trial = Trial(rig, plan, capture, listener, wrong)
            if plan.rates:
                for pace in plan.rates:
                    step = trial.step(pace)
                    packets = max(1, step.count.processed)
                    report.row(f"{name}: {listener.name}", f"{step.rate:,.0f}", f"{step.count.dropped:,}",
                               f"{step.count.worker_cpu_s / packets * 1e9:.0f}", f"{step.count.cpu_s / packets * 1e9:.0f}")
            else:
                trial.search()
                floor = floor or trial
                rate_row(name, trial, floor, report)
            shares += [step.on_sender_core for step in trial.steps if listener.workers == 1]
    report.say(f"\nThe kernel receives on the sender's core: {min(shares):.0%} to {max(shares):.0%} of its receive softirqs ran there, in the "
               f"steps with one worker. So the copy into the ring is the sender's time, and the listener's core is the listener's alone.")


def rate_row(name: str, trial: Trial, floor: Trial, report: Report) -> None:
    best = [step for step in trial.steps if step.lossless and step.rate == trial.best()]
    mbit = best[0].sent["bytes"] * 8e-6 / best[0].sent["seconds"] if best else 0
    worker_ns, process_ns = trial.cpu_ns()
    all_of_it = best and best[0].pace == 0
    report.row(f"{name}: {trial.listener.name}", f"{trial.best():,.0f}" + (" (all the sender can)" if all_of_it else ""), f"{mbit:,.0f}",
               f"{trial.best() / floor.best():.0%}" if floor.best() else "", f"{worker_ns:.0f}", f"{process_ns:.0f}",
               f"{1e9 / worker_ns:,.0f}" if worker_ns else "", f"{worker_ns / floor.cpu_ns()[0]:.1f}" if floor.cpu_ns()[0] else "",
               f"{best[0].count.records_dropped:,}" if best else "")


def missing() -> str:
    """Why it cannot run here; "" when it can."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    absent = [tool for tool in ("ip", "ss", "nsenter", "tcpdump", "nginx", "wrk") if shutil.which(tool) is None]
    if absent:
        return f"needs {', '.join(absent)}"
    return "" if len(os.sched_getaffinity(0)) > 1 else "needs two cores"


def bench_live(folder: pathlib.Path, chosen) -> int:
    """@param chosen  short, ahead, write of the command line. @return 1 when an account does not add up, 77: cannot run here"""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if why := missing():
        print(f"skipped: {why}")
        return SKIPPED
    plan = SHORT if chosen.short else FULL
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
    report, wrong = Report(), []
    with Rig(folder, chosen.ahead) as rig:
        report.say(f"{measuring.machine()}; load at the start {os.getloadavg()[0]:.1f}. Steps of {plan.seconds} s, the best of {plan.tries}; "
                   f"a veth pair, rings of {RING_MIB} MiB; sender on core {rig.sender_core}, listener on core {rig.listener_core}"
                   f"{', ahead of others on the machine (nice -10)' if chosen.ahead else ''}.")
        rates(rig, plan, report, wrong)
        with live_application.Application(rig) as served:
            live_application.in_rounds(rig, plan, served, report, wrong)
            live_slices.report_on(rig, plan.slices_seconds, plan.slices_probes, report, wrong)
    report.say(f"\nLoad at the end: {os.getloadavg()[0]:.1f}.")
    if chosen.write:
        write_into(chosen.write, report, BEGIN, END)
    for line in wrong:
        print(f"does not add up: {line}", flush=True)
    return 1 if wrong else 0
