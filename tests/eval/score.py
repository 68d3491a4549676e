"""Holds one cell's answers of hoptap against the forge's truth, and the baselines beside it."""

import collections
import dataclasses
import json
import pathlib

import baselines
import statistics_of
import truth as truths

NETWORK_KINDS = ("slow_segment", "loss")
NOT_FOUND = {"id": "", "hops": [], "parts": [], "losses": [], "verdict": {"kind": "not found"}}


def nothing_counted() -> list[int]:
    return [0, 0]


def counters() -> collections.defaultdict:
    return collections.defaultdict(nothing_counted)


def lists() -> collections.defaultdict:
    return collections.defaultdict(list)


@dataclasses.dataclass
class Score:
    """Figures of one or of many cells; counts are pairs [hits, trials], lists hold one value per case."""
    counts: dict = dataclasses.field(default_factory=counters)
    segment_errors_ns: list = dataclasses.field(default_factory=list)
    naive_errors_ns: list = dataclasses.field(default_factory=list)
    claims: list = dataclasses.field(default_factory=list)  # (confidence, right)
    examples: dict = dataclasses.field(default_factory=lists)

    def count(self, name: str, hit: bool, example: str = "") -> None:
        self.counts[name][0] += bool(hit)
        self.counts[name][1] += 1
        if example and not hit and len(self.examples[name]) < 5:
            self.examples[name].append(example)

    def add(self, name: str, hits: int, trials: int) -> None:
        self.counts[name][0] += hits
        self.counts[name][1] += trials

    def merge(self, other: "Score") -> None:
        for name, (hits, trials) in other.counts.items():
            self.add(name, hits, trials)
        self.segment_errors_ns += other.segment_errors_ns
        self.naive_errors_ns += other.naive_errors_ns
        self.claims += other.claims
        for name, examples in other.examples.items():
            self.examples[name] = (self.examples[name] + examples)[:5]

    def text(self, name: str) -> str:
        return statistics_of.share_text(*self.counts[name])


class Judge:
    """Scores one cell."""

    def __init__(self, folder: pathlib.Path, scenario: dict, rows: list[dict]):
        clocks = {element["point"]: element.get("clock", {}) for element in scenario["path"] if "point" in element}
        self.truth = truths.Truth(folder, clocks)
        self.scenario = scenario
        self.traces = [row for row in rows if row["type"] == "trace"]
        self.windows = [row for row in rows if row["type"] == "verdict" and row["scope"] == "window"]
        self.usual = self.truth.usual_round_ns()
        self.gateway = any("gateway" in element for element in scenario["path"])
        self.score = Score()

    def run(self) -> Score:
        best: dict[str, tuple[int, dict]] = {}
        sightings = []
        for trace in self.traces:
            ids = [self.truth.id_of(hop) for hop in trace["hops"]]
            sightings += [baselines.Sighting(hop, one) for hop, one in zip(trace["hops"], ids)]
            known = collections.Counter(one for one in ids if one)
            if not known:
                continue
            owner, right = known.most_common(1)[0]
            links = sum(known.values()) - 1
            self.score.add("link precision", links - (sum(known.values()) - right), links)
            if right < sum(known.values()):
                self.note("link precision", trace, dict(known))
            if owner not in best or best[owner][0] < right:
                best[owner] = (right, trace)
        self.recall(best)
        for request in self.truth.requests.values():
            self.judge(request, best[request.id][1] if request.id in best else NOT_FOUND)
        self.judge_windows()
        self.judge_baselines(sightings)
        return self.score

    def note(self, name: str, trace: dict, what: object) -> None:
        if len(self.score.examples[name]) < 5:
            self.score.examples[name].append(f"{self.scenario['name']} {trace['id']}: {what}")

    def recall(self, best: dict) -> None:
        """Links between the points whose captures hold a message of the request whole."""
        for request in self.truth.requests.values():
            held = sum(request.held_by(point) for point in request.path)
            if held < 2:
                continue
            found = min(best[request.id][0], held) if request.id in best else 1
            self.score.add("link recall", found - 1, held - 1)
            if found < held and len(self.score.examples["link recall"]) < 5:
                self.score.examples["link recall"].append(f"{request.id}: {found} of {held} points")

    # ---- one trace ----------------------------------------------------------------------------

    def judge(self, request: truths.Request, trace: dict) -> None:
        self.segment_errors(request, trace)
        verdict = trace["verdict"]
        expected = self.expected(request)
        right = self.is_right(verdict, expected)
        label = f"{request.id} {verdict['kind']} {verdict.get('from', '')}..{verdict.get('to', verdict.get('at', ''))}"
        if expected and expected[0] in NETWORK_KINDS:
            self.score.count("top-1 segment", right, label)
            self.score.count("within interval", right or self.is_around(verdict, expected), label)
            self.score.count("abstained", verdict["kind"] in ("none", "cannot_tell", "dominant", "not found"))
        elif expected and expected[0] == "reset":
            self.score.count("reset origin", right, label)
        elif expected:
            self.score.count("server or client", right, label)
        if not self.is_network_hurt(request):
            blamed = verdict["kind"] in NETWORK_KINDS or (verdict["kind"] == "reset" and "from" in verdict)
            self.score.count("network blamed when innocent", blamed)
            if blamed:
                self.note("network blamed when innocent", trace, label)
        if "confidence" in verdict:
            self.score.claims.append((verdict["confidence"], bool(expected and right)))
        self.losses(request, trace)

    def expected(self, request: truths.Request) -> tuple | None:
        """(kind, place): what a verdict on this request must say; None where the fault did not hurt, or hurt little."""
        fault = request.fault
        if request.reset is not None:
            reset = request.reset
            at = {"server": request.path[-1], "client": request.path[0]}.get(reset["by"], "")
            return "reset", (reset["from"], reset["to"]) if reset["by"] == "middlebox" else (at,)
        if not request.status:
            return None
        if fault is None or fault["kind"] in truths.NETWORK_FAULTS:  # also one queued behind another's fault
            added, segment = self.worst_segment(request)
            return ("slow_segment", segment) if added >= truths.MATERIAL_NS else None
        if fault["kind"] == "server_slow":
            return "server_slow", (request.path[-1],)
        if fault["kind"] == "zero_window" and request.zero_window_ns >= truths.MATERIAL_NS:
            by_client = fault["by"] == "client"
            return ("client_slow" if by_client else "server_slow"), (request.path[0 if by_client else -1],)
        return None

    def worst_segment(self, request: truths.Request) -> tuple[int, tuple[str, str]]:
        """How much more than usual the slowest segment truly took, and which it is."""
        return max((request.round_ns(*segment) - self.usual[segment], segment)
                   for segment in zip(request.path, request.path[1:]))

    def is_right(self, verdict: dict, expected: tuple | None) -> bool:
        if expected is None:
            return False
        kind, place = expected
        same_kind = verdict["kind"] in NETWORK_KINDS if kind in NETWORK_KINDS else verdict["kind"] == kind
        said = (verdict["from"], verdict["to"]) if "from" in verdict else (verdict.get("at"),)
        return same_kind and said == place

    def is_around(self, verdict: dict, expected: tuple) -> bool:
        """An interval answer that has the segment inside."""
        place = self.truth.place
        if verdict["kind"] not in NETWORK_KINDS:
            return False
        return place[verdict["from"]] <= place[expected[1][0]] and place[expected[1][1]] <= place[verdict["to"]]

    def is_network_hurt(self, request: truths.Request) -> bool:
        """Did the network do this request any harm: a fault of its own, or being queued behind another's?"""
        if request.lost or (request.reset is not None and request.reset["by"] == "middlebox"):
            return True
        harm_ns = truths.MATERIAL_NS // 2
        return any(request.answered_at(near) and request.answered_at(far)
                   and request.round_ns(near, far) - self.usual[near, far] >= harm_ns
                   for near, far in zip(request.path, request.path[1:]))

    def segment_errors(self, request: truths.Request, trace: dict) -> None:
        for part in trace["parts"]:
            if part["kind"] not in ("segment", "gateway"):
                continue
            near, far = part["from"].split("/")[0], part["to"].split("/")[0]
            if all(point in request.at and request.answered_at(point) for point in (near, far)):
                self.score.segment_errors_ns.append(abs(part["time_ns"] - request.round_ns(near, far)))
        hops = {hop["point"]: hop for hop in trace["hops"] if hop["request_last_ns"]}
        for near, far in zip(request.path, request.path[1:]):
            if near in hops and far in hops:
                shown = hops[far]["request_last_ns"] - hops[near]["request_last_ns"]
                real = request.at[far]["request_last_ns"] - request.at[near]["request_last_ns"]
                self.score.naive_errors_ns.append(abs(shown - real))

    def losses(self, request: truths.Request, trace: dict) -> None:
        """Each lost data packet between two points that was sent again: is it found where it was lost?"""
        if not request.status:
            return
        found = collections.Counter((loss["what"], loss["from"], loss["to"]) for loss in trace["losses"])
        for lost in request.lost:
            if lost["message"] == "ack" or not lost["from"] or not lost["to"]:
                continue
            key = (lost["message"], lost["from"], lost["to"])
            hit = found[key] > 0
            found[key] -= hit
            self.score.count("loss located", hit, f"{request.id} {key}, found {trace['losses']}")

    # ---- many requests ------------------------------------------------------------------------

    def judge_windows(self) -> None:
        """Verdicts over about 50 requests each against the fault of the cell."""
        faults = self.scenario["faults"]
        fault = faults[0] if faults else None
        network = fault is not None and fault["kind"] in truths.NETWORK_FAULTS
        hurt = collections.Counter()
        for request in self.truth.requests.values():
            if network and self.expected(request):
                first = request.path[0]
                hurt[self.window_of(self.truth.stamp(first, request.at[first]["request_first_ns"]))] += 1
        for window in self.windows:
            if window["requests"] + window["unanswered"] < 40:
                continue
            said_network = window["kind"] in NETWORK_KINDS
            if network and hurt[window["start_ns"]] >= 5:
                right = said_network and [window["from"], window["to"]] == fault["segment"]
                self.score.count("segment over 50 requests", right, f"{self.scenario['name']} {window['text']}")
            elif not network and not (fault and fault.get("by") == "middlebox"):
                self.score.count("network blamed over 50 requests", said_network)
                if said_network:
                    self.note("network blamed over 50 requests", {"id": ""}, window["text"])

    def window_of(self, stamp_ns: int) -> int:
        length = self.windows[0]["end_ns"] - self.windows[0]["start_ns"] if self.windows else 1
        return stamp_ns // length * length

    def judge_baselines(self, sightings: list) -> None:
        held = {request.id: sum(request.held_by(point) for point in request.path)
                for request in self.truth.requests.values()}
        for name, rule in (("equal sequences, 60 ms", baselines.equal_sequences), ("5-tuple and time", baselines.five_tuple)):
            best: dict[str, tuple[int, list]] = {}
            for group in rule(sightings):
                known = collections.Counter(one.request for one in group if one.request)
                if not known:
                    continue
                owner, right = known.most_common(1)[0]
                self.score.add(f"{name}: link precision", right - 1, sum(known.values()) - 1)
                if right > best.get(owner, (0, []))[0]:
                    best[owner] = (right, group)
            if name.startswith("equal"):
                for request in self.truth.requests.values():
                    self.largest_drop(request, best.get(request.id, (0, None))[1])
            for request, points in held.items():
                if points >= 2:
                    self.score.add(f"{name}: link recall", max(min(best.get(request, (1, []))[0], points), 1) - 1, points - 1)

    def largest_drop(self, request: truths.Request, group: list | None) -> None:
        """On the request's largest group, with the same requests as hoptap's top-1."""
        expected = self.expected(request)
        if expected and expected[0] in NETWORK_KINDS:
            said = baselines.largest_drop(group, self.truth.place) if group else None
            self.score.count("largest drop: top-1 segment", said == expected[1])


def score(folder: pathlib.Path, scenario: dict, output: pathlib.Path) -> Score:
    with open(output, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return Judge(folder, scenario, rows).run()
