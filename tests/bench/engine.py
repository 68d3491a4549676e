"""The engine stage by stage beside what must at least be done and beside programs of others, as ratios of one run."""
import dataclasses
import json
import os
import pathlib
import statistics
import tempfile

import measuring
import peers
import traffic
from traffic import TOOLS, Workload

FLOOR, ENGINE, RESHAPE = TOOLS / "hoptap-floor", TOOLS / "hoptap-engine-speed", TOOLS / "hoptap-reshape"
FLOORS, STAGES = ("pcap", "walk", "flow"), ("walk", "decode", "l4", "l7")
COUNTED = ((FLOOR, "walk"), (FLOOR, "flow"), (ENGINE, "decode"), (ENGINE, "l4"), (ENGINE, "l7"))
BEGIN, END = "<!-- begin: ./dev bench engine --write -->", "<!-- end: ./dev bench engine --write -->"


@dataclasses.dataclass
class Plan:
    repeats: int = 3                  # the best of them counts: others use the machine too
    few: int = 60_000                 # packets of the two lengths that instructions are counted on
    more: int = 160_000
    peer_few: int = 4_000
    peer_more: int = 10_000
    idle_flows: int = 1_000_000
    peers: bool = True


FULL = Plan()
SHORT = Plan(repeats=2, few=10_000, more=30_000, peer_few=2_000, peer_more=5_000, idle_flows=100_000)
CHECK = Plan(repeats=1, few=4_000, more=12_000, idle_flows=20_000, peers=False)


class Report:
    """Markdown, printed as it comes and kept."""

    def __init__(self):
        self.lines: list[str] = []

    def say(self, text: str = "") -> None:
        print(text, flush=True)
        self.lines.append(text)

    def table(self, *names: str) -> None:
        self.say()
        self.say("| " + " | ".join(names) + " |")
        self.say("| --- |" + " ---: |" * (len(names) - 1))

    def row(self, *cells) -> None:
        self.say("| " + " | ".join(str(cell) for cell in cells) + " |")


def best(plan: Plan, run) -> dict:
    return min((run() for _ in range(plan.repeats)), key=lambda found: found["cpu_s"])


def run_floor(mode: str, path: pathlib.Path) -> dict:
    seconds, peak_mib, text = measuring.measure(FLOOR, mode, path)
    return {"cpu_s": seconds, "peak_mib": peak_mib, "packets": int(text.split()[0])}


def run_stage(mode: str, path: pathlib.Path, *more) -> dict:
    found = measuring.json_of(ENGINE, mode, *more, path)
    return found | {"peak_mib": found["peak_kib"] / 1024}


def speeds(plan: Plan, load: Workload, report: Report) -> dict:
    """CPU time and memory of the floors and the stages; everything that the stages counted."""
    found = {f"floor {mode}": best(plan, lambda m=mode: run_floor(m, load.path)) for mode in FLOORS}
    found |= {mode: best(plan, lambda m=mode: run_stage(m, load.path)) for mode in STAGES}
    floor = found["floor flow"]["cpu_s"] or 0.01
    for name, figures in found.items():
        seconds = figures["cpu_s"] or 0.01
        figures["ratio"] = seconds / floor
        wall = f"{load.packets / figures['wall_s'] / 1e6:.2f}" if "wall_s" in figures else ""
        peak = f"{figures['peak_mib']:.0f}" if name in STAGES else ""
        report.row(f"{load.name}: {name}", f"{seconds:.2f}", f"{seconds / load.packets * 1e9:.0f}",
                   f"{load.packets / seconds / 1e6:.2f}", wall, f"{figures['ratio']:.1f}", peak)
    return found


def differences(load: Workload, mode: str, found: dict) -> list[str]:
    """Where what a stage counted is not what is there. What a full table may lose is shown, not wrong."""
    expected = {"packets": load.packets, "report_packets": found["leg_packets"]}
    if "flows" in load.truth:
        expected |= {"legs": load.truth["flows"], "leg_records": load.truth["flows"]}
    if mode == "l4":
        expected["hops"] = 0
    if load.exact and found["evicted"] == 0:
        expected |= {"out_of_order": load.truth["reordered"], "retransmissions": load.truth["copies"], "gaps": 0, "duplicates": 0}
        if mode == "l7":
            expected |= {f"{protocol}_answered": load.truth[protocol] for protocol in traffic.PROTOCOLS}
    return [f"{load.name} {mode}: {found[key]} {key}, {there} are there" for key, there in expected.items() if found[key] != there]


def counts(loads: list[Workload], results: dict, report: Report) -> list[str]:
    report.table("counted against truth", "packets", "flows", "flows there", "requests answered", "requests there",
                 "evicted", "gaps", "duplicates")
    wrong = []
    for load in loads:
        l7 = results[load.name]["l7"]
        report.row(load.name, f"{l7['packets']:,}", f"{l7['legs']:,}", f"{load.truth['flows']:,}" if "flows" in load.truth else "",
                   f"{l7['answered']:,}", f"{load.requests:,}" + ("" if load.exact else " logged"), f"{l7['evicted']:,}",
                   l7["gaps"], l7["duplicates"])
        for mode in ("l4", "l7"):
            wrong += differences(load, mode, results[load.name][mode])
    return wrong


def heads_of(load: Workload, lengths: tuple[int, int], scratch: pathlib.Path) -> tuple:
    """Two beginnings of its capture: (path, packets) each."""
    more = min(lengths[1], load.packets)
    few = min(lengths[0], more // 3)
    made = [(scratch / f"{load.name}.{count}.pcap", count) for count in (few, more)]
    for path, count in made:
        measuring.head_of(load.path, path, packets=count)
    return tuple(made)


def instructions(plan: Plan, loads: list[Workload], scratch: pathlib.Path, report: Report) -> dict:
    found = {}
    report.table("instructions per packet", "floor walk", "floor flow", "decode", "l4", "l7", "decode / flow", "l4 / flow", "l7 / flow")
    for load in loads:
        heads = heads_of(load, (plan.few, plan.more), scratch)
        figures = [measuring.per_packet(words, *heads) for words in COUNTED]
        if None in figures:
            report.say("| valgrind is not installed | | | | | | | | |")
            return found
        found[load.name] = dict(zip(("floor walk", "floor flow", "decode", "l4", "l7"), figures))
        report.row(load.name, *(f"{figure:,.0f}" for figure in figures), *(f"{figure / figures[1]:.1f}" for figure in figures[2:]))
    return found


def two_workers(plan: Plan, load: Workload, scratch: pathlib.Path, report: Report) -> dict:
    halves = [scratch / "half0.pcap", scratch / "half1.pcap"]
    shares = measuring.json_of(RESHAPE, "split", load.path, *halves)["packets"]
    found = {}
    report.table(f"workers, {load.name} split by flow ({shares[0] / sum(shares):.0%} and {shares[1] / sum(shares):.0%})",
                 "CPU s of the slowest worker", "packets/s, millions", "times one", "seconds", "times one")
    # Medians of rounds that take turns: a core that works alone may be clocked higher now and then.
    rounds = [[measuring.json_of(ENGINE, "l7", "--workers", workers, *halves) for workers in (1, 2)] for _ in range(3 * plan.repeats)]
    for workers, runs in zip((1, 2), zip(*rounds)):
        found[workers] = {key: statistics.median(run[key] for run in runs) for key in ("slowest_worker_s", "wall_s")}
        one, this = found[1], found[workers]
        report.row(f"{workers}", f"{this['slowest_worker_s']:.2f}", f"{load.packets / this['slowest_worker_s'] / 1e6:.2f}",
                   f"{one['slowest_worker_s'] / this['slowest_worker_s']:.2f}", f"{this['wall_s']:.2f}",
                   f"{one['wall_s'] / this['wall_s']:.2f}")
    return found


def flood(load: Workload, l7: dict, l4: dict, report: Report) -> None:
    report.say(f"\nSYN flood: {load.syns:,} SYNs among {load.packets - load.syns:,} packets of HTTP: {l7['legs'] / l7['cpu_s']:,.0f} "
               f"new flows per CPU second (l4: {l4['legs'] / l4['cpu_s']:,.0f}), peak {l7['peak_mib']:.0f} MiB, {l7['evicted']:,} "
               f"closed to make room; {l7['http_answered']:,} of {load.requests:,} HTTP requests found answered.")


def idle(plan: Plan, report: Report) -> dict:
    found = {}
    report.table("live flows", "flows", "bytes of memory each", "of them before the first", "opened per CPU s")
    for name, words in (("handshake alone", ()), ("and one HTTP exchange", ("--exchange",))):
        run = found[name] = measuring.json_of(ENGINE, "idle", plan.idle_flows, *words)
        report.row(name, f"{run['live']:,}", f"{run['bytes_per_flow']:,.0f}", f"{run['at_start_bytes'] / 2**20:.1f} MiB",
                   f"{run['flows_per_cpu_s']:,.0f}")
    return found


def beside_peers(plan: Plan, loads: list[Workload], results: dict, scratch: pathlib.Path, report: Report) -> dict:
    report.table("peers", "does", "CPU s", "ns/packet", "x floor (flow)", "x hoptap l7", "peak MiB")
    found = {}
    for load in loads:
        own = {name: results[load.name][name]["cpu_s"] / load.packets for name in ("floor flow", "l7")}
        found[load.name] = peers.rows_of(load.path, load.packets, scratch)
        for row in found[load.name]:
            if "skipped" in row:
                report.row(f"{load.name}: {row['name']}", f"skipped: {row['skipped']}", "", "", "", "", "")
                continue
            each = row["cpu_s"] / row["packets"]
            report.row(f"{load.name}: {row['name']}", row["does"], f"{row['cpu_s']:.2f}", f"{each * 1e9:,.0f}",
                       f"{each / own['floor flow']:.1f}", f"{each / own['l7']:.1f}", f"{row['peak_mib']:.0f}")
    counted = [load for load in loads if load.name == "http"]
    if counted:
        names = peers.instructions_of(*heads_of(counted[0], (plan.peer_few, plan.peer_more), scratch))
        found["instructions"] = names
        report.say("\nInstructions per packet of peers on http: " + " · ".join(
            f"{name} {figure:,.0f}" if figure else f"{name}: not in callgrind" for name, figure in names.items()) + ".")
    return found


def write_into(target: pathlib.Path, report: Report, begin: str = BEGIN, end: str = END) -> None:
    """Puts the report between the two marks of a document."""
    text = target.read_text()
    if begin not in text or end not in text:
        raise SystemExit(f"bench: {target} has no lines {begin} and {end}")
    before, rest = text.split(begin, 1)
    target.write_text(before + begin + "\n" + "\n".join(report.lines).strip() + "\n" + end + rest.split(end, 1)[1])


def bench_engine(folder: pathlib.Path, chosen) -> int:
    """@param chosen  short, generated, workload, json, write of the command line. @return 1 when a count is wrong"""
    plan = CHECK if chosen.generated else SHORT if chosen.short else FULL
    folder = folder / (("short" if chosen.short else "full") + ("-generated" if chosen.generated else ""))
    folder.mkdir(parents=True, exist_ok=True)
    maker = traffic.Maker(folder, traffic.SHORT if chosen.short else traffic.FULL, chosen.generated)
    report, results = Report(), {}
    loads = [maker.make(name) for name in chosen.workload or traffic.NAMES]
    report.say(f"{measuring.machine()}; load at the start {os.getloadavg()[0]:.1f}. The best of {plan.repeats}.")
    report.table("workload", "packets", "MB", "what")
    for load in loads:
        report.row(load.name, f"{load.packets:,}", f"{load.path.stat().st_size / 1e6:.0f}", load.what)
    report.table("stage", "CPU s", "ns/packet", "million packets/s/core", "by the clock", "x floor (flow)", "peak MiB")
    for load in loads:
        results[load.name] = speeds(plan, load, report)
    wrong = counts(loads, results, report)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        scratch = pathlib.Path(name)
        results["instructions"] = instructions(plan, loads, scratch, report)
        for load in loads:
            if load.name == "http":
                results["workers"] = two_workers(plan, load, scratch, report)
            if load.syns:
                flood(load, results[load.name]["l7"], results[load.name]["l4"], report)
        results["idle"] = idle(plan, report)
        if plan.peers:
            results["peers"] = beside_peers(plan, loads, results, scratch, report)
    report.say(f"\nLoad at the end: {os.getloadavg()[0]:.1f}.")
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1))
    if chosen.write:
        write_into(chosen.write, report)
    for line in wrong:
        print(f"wrong count: {line}", flush=True)
    return 1 if wrong else 0
