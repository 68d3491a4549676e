"""Holds hoptap against the lab's truth and exits with 1 when a bound is broken.

    evaluate.py DIR --hoptap PATH

DIR is one scenario's folder or a folder of such, as `lab.py` writes them. For each, `hoptap path
--json` reads the captures and its traces are compared with what the clients, the servers and the
wire logged themselves. One table row per scenario; below it, what broke and an example.
"""

import argparse
import collections
import dataclasses
import json
import pathlib
import re
import statistics
import subprocess
import sys

import wirelog

JOINED_SHARE_MIN = 0.999        # of the answered requests: every expected hop, in the true order
WRONG_JOINS_MAX = 0
SEGMENT_ERROR_MEDIAN_MAX_NS = 100_000
HOPTAP_MAX_S = 600
ID = re.compile(r"[a-z][a-z0-9-]*-\d{6}")
HEADINGS = ("scenario", "sent", "found", "joined %", "wrong", "split", "seg med us", "seg p99 us", "compared",
            "verdict", "bounds")
WIDTHS = (15, 5, 5, 9, 5, 5, 10, 10, 8, 34, 7)


@dataclasses.dataclass
class Result:
    """The figures of one scenario and what they break."""
    name: str
    sent: int = 0               # requests that were answered: only those must be found
    found: int = 0              # of them, in at least one trace
    joined: int = 0             # of them, in a trace with exactly the expected hops in the true order
    wrong: int = 0              # traces whose hops belong to different requests
    split: int = 0              # traces beyond the first of a request
    errors_ns: list[int] = dataclasses.field(default_factory=list)  # wire segment: |reported - true|
    verdict: str = "-"
    problems: list[str] = dataclasses.field(default_factory=list)
    examples: list[str] = dataclasses.field(default_factory=list)   # shown only when a bound is broken

    @property
    def joined_share(self) -> float:
        return self.joined / self.sent if self.sent else 0.0

    def cells(self) -> tuple[str, ...]:
        ordered = sorted(self.errors_ns)
        middle = f"{statistics.median(ordered) / 1000:.1f}" if ordered else "-"
        tail = f"{ordered[int(len(ordered) * 0.99)] / 1000:.1f}" if ordered else "-"
        return (self.name, str(self.sent), str(self.found), f"{self.joined_share * 100:.2f}", str(self.wrong),
                str(self.split), middle, tail, str(len(ordered)), self.verdict, "BROKEN" if self.problems else "kept")


def id_of(resource: object) -> str:
    """The lab's request id in a resource (HTTP query or DNS name); empty when there is none."""
    match = ID.search(str(resource or ""))
    return match[0] if match else ""


def run_hoptap(hoptap: str, captures: list[pathlib.Path]) -> list[dict]:
    """The rows hoptap prints. Raises RuntimeError with its last words when it fails."""
    command = [hoptap, "path", "--json", *map(str, captures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HOPTAP_MAX_S)
    if done.returncode != 0:
        raise RuntimeError(f"hoptap exited with {done.returncode}: {done.stderr.strip()[-300:]}")
    rows = []
    for number, line in enumerate(done.stdout.splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise RuntimeError(f"line {number} of hoptap's output is not JSON: {error}") from error
    return rows


def check_traces(result: Result, traces: list[dict], sent: set[str], points: list[str]) -> dict[str, dict]:
    """Counts found, joined, wrong and split; returns the best trace of each request."""
    best: dict[str, dict] = {}
    counts: collections.Counter = collections.Counter()
    for trace in traces:
        ids = {id_of(hop.get("resource")) for hop in trace["hops"]} | {id_of(trace.get("resource"))}
        ids.discard("")
        if len(ids) > 1:
            result.wrong += 1
            note(result, f"wrong join {trace.get('id')}: {sorted(ids)}")
            continue
        for unique in ids & sent:
            counts[unique] += 1
            if unique not in best or len(trace["hops"]) > len(best[unique]["hops"]):
                best[unique] = trace
    result.found = len(best)
    result.split = sum(count - 1 for count in counts.values())
    for unique in sorted(sent):
        hops = [hop["point"] for hop in best[unique]["hops"]] if unique in best else []
        if hops == points:
            result.joined += 1
        else:
            note(result, f"{unique}: hops {hops or 'none: not found'}")
    return best


def note(result: Result, text: str, most: int = 3) -> None:
    """Keeps the first few examples."""
    if len(result.examples) < most:
        result.examples.append(text)


def check_segment(result: Result, best: dict[str, dict], spans: dict[str, wirelog.Span]) -> None:
    """The time of the wire's segment in each trace against the wire's own log."""
    for unique, trace in best.items():
        reported = [part["time_ns"] for part in trace.get("parts", []) if part["kind"] == "segment"
                    and {part.get("from"), part.get("to")} == {"switch-a", "switch-b"}]
        if reported and unique in spans:
            result.errors_ns.append(abs(reported[0] - spans[unique].round_ns))


def confirmed_by_wire(said: dict, spans: dict[str, wirelog.Span]) -> bool:
    """Is a slow wire that nobody ordered in the wire's own log, on as many requests as the verdict says?"""
    if said["kind"] != "slow_segment" or {said.get("from"), said.get("to")} != {"switch-a", "switch-b"}:
        return False
    truly_slow = sum(span.round_ns > said["excess_ns"] / 2 for span in spans.values())
    return truly_slow >= said["slow"] / 2


def check_verdict(result: Result, verdicts: list[dict], expected: dict, spans: dict[str, wirelog.Span]) -> None:
    """The run's verdict: its kind, and its place whichever way round a segment is named. Where nothing was
    ordered, a wire that was slow of itself (two cores carry it all) is right if the wire's log agrees."""
    if len(verdicts) != 1:
        result.problems.append(f"{len(verdicts)} run verdicts instead of one")
        return
    said = verdicts[0]
    where = said.get("at") or "..".join(filter(None, (said.get("from"), said.get("to"))))
    result.verdict = f"{said['kind']} {where}".strip()
    right = said["kind"] in expected["kinds"] or confirmed_by_wire(said, spans)
    if "from" in expected:
        right = right and {said.get("from"), said.get("to")} == {expected["from"], expected["to"]}
    if "at" in expected:
        right = right and said.get("at") == expected["at"]
    if not right:
        result.problems.append(f"verdict {result.verdict!r} ({said.get('text', '')}) instead of {expected}")


def check_bounds(result: Result, points: list[str]) -> None:
    """Turns the figures into problems, with an example each."""
    if result.joined_share < JOINED_SHARE_MIN:
        result.problems.append(f"joined {result.joined} of {result.sent}, less than {JOINED_SHARE_MIN:.1%}")
    if result.wrong > WRONG_JOINS_MAX:
        result.problems.append(f"{result.wrong} wrong joins")
    beside_wire = {"switch-a", "switch-b"} <= set(points)
    if beside_wire and len(result.errors_ns) < result.sent * JOINED_SHARE_MIN:
        compared = len(result.errors_ns)
        result.problems.append(f"only {compared} of {result.sent} requests have a time for the wire's segment")
    elif beside_wire and statistics.median(result.errors_ns) > SEGMENT_ERROR_MEDIAN_MAX_NS:
        result.problems.append("the wire's segment time is wrong by more than the bound (median)")
    if result.problems:
        result.problems += result.examples


def evaluate(folder: pathlib.Path, hoptap: str, with_verdict: bool) -> Result:
    """One scenario."""
    described = json.loads((folder / "scenario.json").read_text())
    result = Result(described["name"])
    requests = [json.loads(line) for line in (folder / "truth" / "requests.jsonl").read_text().splitlines()]
    spans = wirelog.spans(wirelog.read(folder / "truth" / "wire.log"))
    sent = {request["id"] for request in requests if request["status"] == 200}
    result.sent = len(sent)
    lost_in_truth = sent - spans.keys()
    if lost_in_truth:
        examples = sorted(lost_in_truth)[:3]
        result.problems.append(f"the wire's log has no whole span for {len(lost_in_truth)}: {examples}")
    try:
        rows = run_hoptap(hoptap, sorted((folder / "captures").glob("*.pcap")))
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        result.problems.append(str(error))
        return result
    best = check_traces(result, [row for row in rows if row.get("type") == "trace"], sent, described["points"])
    check_segment(result, best, {unique: spans[unique] for unique in sent & spans.keys()})
    if with_verdict:
        check_verdict(result, [row for row in rows if row.get("type") == "verdict"], described["expected"],
                      spans)
    check_bounds(result, described["points"])
    return result


def row(cells: tuple[str, ...]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS)).rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--hoptap", required=True)
    parser.add_argument("--without-verdict", action="store_true", help="hold only joins and times to their bounds")
    chosen = parser.parse_args()
    folders = sorted(path.parent for path in [*chosen.dir.glob("scenario.json"), *chosen.dir.glob("*/scenario.json")])
    if not folders:
        parser.error(f"no scenario.json in {chosen.dir} or one folder below")
    print(row(HEADINGS))
    broken = []
    for folder in folders:
        result = evaluate(folder, chosen.hoptap, not chosen.without_verdict)
        print(row(result.cells()), flush=True)
        if result.problems:
            broken.append(result)
    for result in broken:
        print(f"\n{result.name}:")
        for problem in result.problems:
            print(f"  {problem}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
