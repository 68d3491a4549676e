"""Holds hoptap against the faults of single requests and exits with 1 when a bound is broken.

    evaluate_faults.py DIR --hoptap PATH

DIR is where `lab.py faults` wrote. One table row per scenario: the joins, the wire's segment time against the wire's own
log (only requests and responses of one frame each: a longer message's last byte also waits for its sender), the verdict
on every request that the fault befell, how often the network is blamed for a healthy one, and the run's verdict.
"""

import argparse
import collections
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys
import typing

import evaluate
import fault_scenarios
import fault_truth
import transits
import verify
import wirelog


class Bound(typing.NamedTuple):
    """What the verdicts of one scenario must reach."""
    named_min: float    # of the requests that the fault befell: the share with the right kind and place
    blamed_max: float   # of the healthy requests: the share for which a segment of the network is blamed
    run: bool           # the run's verdict must be right


NO_BOUND = Bound(0.0, 1.0, False)
REQUESTS_MIN = 1000                     # of all scenarios together
JOINED_SHARE_MIN = 0.999                # of the answered requests: every expected hop, in the true order
WRONG_JOINS_MAX = 0
SEGMENT_ERROR_MEDIAN_MAX_NS = 15_000    # of all scenarios together
SEGMENT_ERROR_P99_MAX_NS = 150_000
VERDICT_BOUNDS = {                      # a scenario that is not here has no bound on its verdicts
    "f-quiet": Bound(0.0, 0.05, True),
    "f-delay1": Bound(0.9, 0.05, True),
    "f-delay50": Bound(0.95, 0.05, True),
    "f-delay300": Bound(0.95, 0.05, True),
    "f-delay300-late": Bound(0.95, 0.05, True),
    "f-lost-request": Bound(0.95, 0.05, True),
    "f-lost-response": Bound(0.95, 0.05, True),
    "f-slow-server": Bound(0.95, 0.05, True),
    "f-unread-response": Bound(0.95, 0.1, True),
    "f-unread-request": Bound(0.95, 0.1, True),
    "f-reset-server": Bound(0.95, 0.05, True),
    "f-reset-response": Bound(0.95, 0.05, True),
    "f-reset-request": Bound(0.95, 0.05, True),
}
STRUCK_MIN = 20                         # requests that the fault of a scenario must befall
QUIET = "f-quiet"                       # its jitter is the floor
NO_VERDICT, NOT_FOUND = {"kind": "no verdict"}, {"kind": "not found"}
HEADINGS = ("scenario", "answered", "joined %", "wrong", "one frame", "med us", "p99 us", "struck", "place %", "named %",
            "blamed", "run", "said of the run", "bounds")
WIDTHS = (17, 8, 8, 5, 9, 7, 7, 6, 7, 7, 8, 5, 31, 6)


@dataclasses.dataclass
class Verdicts:
    """How the verdicts on the requests of one scenario fare."""
    struck: int = 0
    place: int = 0      # of them, the place is right
    named: int = 0      # of them, the kind is right too
    healthy: int = 0
    blamed: int = 0     # of them, a segment is blamed although no frame was late there
    said: collections.Counter = dataclasses.field(default_factory=collections.Counter)  # of the struck, what instead

    def cells(self) -> tuple[str, ...]:
        shares = [f"{100 * part / self.struck:.1f}" if self.struck else "-" for part in (self.place, self.named)]
        return str(self.struck), *shares, f"{self.blamed}/{self.healthy}"


@dataclasses.dataclass
class Row:
    """One scenario."""
    links: evaluate.Result
    verdicts: Verdicts = dataclasses.field(default_factory=Verdicts)
    single: int = 0     # answered requests of one frame each way
    run: str = "-"      # is the run's verdict right

    def cells(self) -> tuple[str, ...]:
        links = self.links
        return (links.name, str(links.sent), f"{100 * links.joined_share:.2f}", str(links.wrong), str(self.single),
                *middle_and_tail_us(links.errors_ns), *self.verdicts.cells(), self.run, links.verdict,
                "BROKEN" if links.problems else "kept")


def tail(values: list[int]) -> int:
    """The 99th percentile; 0 of nothing."""
    return sorted(values)[int(len(values) * 0.99)] if values else 0


def middle_and_tail_us(values_ns: list[int]) -> tuple[str, str]:
    if not values_ns:
        return "-", "-"
    return f"{statistics.median(values_ns) / 1000:.1f}", f"{tail(values_ns) / 1000:.1f}"


def has_place(verdict: dict, place: dict) -> bool:
    """Whichever way round a segment is named."""
    if "at" in place:
        return verdict.get("at") == place["at"]
    return {verdict.get("from"), verdict.get("to")} == {place["from"], place["to"]}


def blames_network(verdict: dict) -> bool:
    return "from" in verdict and verdict["kind"] not in ("none", "cannot_tell", "delayed_ack")


def judge_struck(verdicts: Verdicts, best: dict[str, dict], struck: set[str], fault: dict) -> None:
    verdicts.struck = len(struck)
    for unique in sorted(struck):
        said = best[unique].get("verdict", NO_VERDICT) if unique in best else NOT_FOUND
        right_place = has_place(said, fault["place"])
        verdicts.place += right_place
        if right_place and said["kind"] == fault["kind"]:
            verdicts.named += 1
        else:
            where = said.get("at") or "..".join(filter(None, (said.get("from"), said.get("to"))))
            verdicts.said[f"{said['kind']} {where}".strip()] += 1


def judge_healthy(verdicts: Verdicts, best: dict[str, dict], healthy: set[str], spans: dict[str, wirelog.Span],
                  seen: transits.Transits) -> None:
    """A segment that was slow of itself (two cores carry them all) may be blamed when the lab's own decoder agrees."""
    verdicts.healthy = len(healthy)
    for unique in healthy & best.keys():
        said = best[unique].get("verdict", NO_VERDICT)
        if not blames_network(said):
            continue
        frames = spans[unique].frames if unique in spans else []
        verdicts.blamed += seen.late_ns(frames, said["from"], said["to"]) <= said["excess_ns"] / 2


def check_bounds(row: Row) -> None:
    """Turns the figures of one scenario into problems."""
    links, verdicts = row.links, row.verdicts
    bound = VERDICT_BOUNDS.get(links.name, NO_BOUND)
    if links.joined_share < JOINED_SHARE_MIN:
        links.problems.append(f"joined {links.joined} of {links.sent}, less than {JOINED_SHARE_MIN:.1%}")
    if links.wrong > WRONG_JOINS_MAX:
        links.problems.append(f"{links.wrong} wrong joins")
    if len(links.errors_ns) < row.single * JOINED_SHARE_MIN:
        links.problems.append(f"only {len(links.errors_ns)} of {row.single} requests have a time for the wire's segment")
    if bound.named_min > 0 and verdicts.struck < STRUCK_MIN:
        links.problems.append(f"the fault befell only {verdicts.struck} requests")
    if verdicts.named < bound.named_min * verdicts.struck:
        links.problems.append(f"{verdicts.named} of {verdicts.struck} rightly named, less than {bound.named_min:.1%}")
    if verdicts.blamed > bound.blamed_max * verdicts.healthy:
        links.problems.append(f"network blamed for {verdicts.blamed} of {verdicts.healthy} healthy requests")
    if bound.run and row.run != "right":
        links.problems.append(f"the run's verdict is {links.verdict!r}")
    if links.problems:
        links.problems += links.examples


def evaluate_one(folder: pathlib.Path, hoptap: str) -> Row:
    described = json.loads((folder / "scenario.json").read_text())
    requests = fault_truth.read_jsonl(folder / "truth" / "requests.jsonl")
    log = wirelog.read(folder / "truth" / "wire.log")
    spans = wirelog.spans(log)
    row = Row(evaluate.Result(described["name"]))
    ids = {request["id"] for request in requests}
    answered = {request["id"] for request in requests if request["status"] == 200}
    row.links.sent = len(answered)
    try:
        said = evaluate.run_hoptap(hoptap, sorted((folder / "captures").glob("*.pcap")))
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        row.links.problems.append(str(error))
        return row
    traces = [line for line in said if line.get("type") == "trace"]
    best = evaluate.check_traces(row.links, traces, answered, described["points"])
    single = {unique: spans[unique] for unique in answered & spans.keys() if spans[unique].single}
    row.single = len(single)
    evaluate.check_segment(row.links, best, single)
    struck = set(described["fault"]["requests"]) if "fault" in described else set()
    if struck:
        anyhow = evaluate.check_traces(evaluate.Result(""), traces, ids, described["points"])  # unanswered ones as well
        judge_struck(row.verdicts, anyhow, struck, described["fault"])
    judge_healthy(row.verdicts, best, answered - struck, spans, transits.Transits(folder, log))
    of_run = evaluate.Result("")
    evaluate.check_verdict(of_run, [line for line in said if line.get("type") == "verdict"], described["expected"], spans)
    row.links.verdict, row.run = of_run.verdict, "wrong" if of_run.problems else "right"
    check_bounds(row)
    return row


def check_together(rows: list[Row]) -> list[str]:
    """What all scenarios must reach together."""
    problems = []
    sent = sum(row.verdicts.struck + row.verdicts.healthy for row in rows)
    errors_ns = [error for row in rows for error in row.links.errors_ns]
    if sent < REQUESTS_MIN:
        problems.append(f"{sent} requests, fewer than {REQUESTS_MIN}")
    if errors_ns and statistics.median(errors_ns) > SEGMENT_ERROR_MEDIAN_MAX_NS:
        problems.append(f"the wire's segment time is wrong by more than {SEGMENT_ERROR_MEDIAN_MAX_NS} ns (median)")
    if tail(errors_ns) > SEGMENT_ERROR_P99_MAX_NS:
        problems.append(f"the wire's segment time is wrong by more than {SEGMENT_ERROR_P99_MAX_NS} ns (p99)")
    return problems


def total(rows: list[Row]) -> Row:
    """All scenarios in one row."""
    links = evaluate.Result("all", *(sum(getattr(row.links, name) for row in rows)
                                     for name in ("sent", "found", "joined", "wrong", "split")))
    links.errors_ns = [error for row in rows for error in row.links.errors_ns]
    verdicts = Verdicts(*(sum(getattr(row.verdicts, name) for row in rows)
                          for name in ("struck", "place", "named", "healthy", "blamed")))
    return Row(links, verdicts, sum(row.single for row in rows))


def print_row(cells: tuple[str, ...]) -> None:
    print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS)).rstrip(), flush=True)


def print_floor(folder: pathlib.Path) -> None:
    """What no product can do better: the mirrors' own stamps against the wire's log, by the lab's own decoder."""
    floor_ns = list(map(abs, verify.verify(folder).stamp_error_ns))
    median, p99 = middle_and_tail_us(floor_ns)
    print(f"floor: in {QUIET} the mirrors' stamps are {median} us (median) and {p99} us (p99) one way from the wire's log; "
          "a segment is two ways")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--hoptap", required=True)
    chosen = parser.parse_args()
    names = [name for name in fault_scenarios.FAULTS if (chosen.dir / name / "scenario.json").exists()]
    if not names:
        parser.error(f"no scenario of `lab.py faults` in {chosen.dir}")
    print_row(HEADINGS)
    rows = []
    for name in names:
        rows.append(evaluate_one(chosen.dir / name, chosen.hoptap))
        print_row(rows[-1].cells())
    everything = total(rows)
    if names == list(fault_scenarios.FAULTS):
        everything.links.problems = check_together(rows)
        rows.append(everything)
        print_row(everything.cells())
    if QUIET in names:
        print_floor(chosen.dir / QUIET)
    for row in rows:
        if row.verdicts.said:
            print(f"{row.links.name}: instead of the right verdict:",
                  ", ".join(f"{count} x {said}" for said, count in row.verdicts.said.most_common(4)))
        for problem in row.links.problems:
            print(f"{row.links.name}: BROKEN: {problem}")
    sys.exit(1 if any(row.links.problems for row in rows) else 0)


if __name__ == "__main__":
    main()
