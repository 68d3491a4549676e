"""What the forge says really happened (docs/forge.md), and which request a sighting belongs to."""

import bisect
import collections
import json
import pathlib
import re

BASE_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z, when every scenario begins
ID = re.compile(r"id=([a-z][a-z0-9-]*-\d{6})")
NETWORK_FAULTS = ("delay", "lose_request", "lose_response")
MATERIAL_NS = 500_000  # a fault that adds less to a request's time is not asked about


class Request:
    """One request's truth."""

    def __init__(self, line: dict):
        self.id: str = line["id"]
        self.fault: dict | None = line["fault"]
        self.status: int = line["status"]
        self.lost: list[dict] = line["lost"]
        self.reset: dict | None = line["reset"]
        self.zero_window_ns: int = line["zero_window_ns"]
        self.at = {point["point"]: point for point in line["points"]}
        self.path = [point["point"] for point in line["points"]]

    def held_by(self, point: str) -> bool:
        """Does this point's capture hold one of the two messages whole?"""
        at = self.at[point]
        return at["request_whole"] or at["response_whole"]

    def rest_ns(self, point: str) -> int:
        return self.at[point]["response_last_ns"] - self.at[point]["request_last_ns"]

    def round_ns(self, near: str, far: str) -> int:
        """The true round trip between two points."""
        return self.rest_ns(near) - self.rest_ns(far)

    def answered_at(self, point: str) -> bool:
        return bool(self.at[point]["response_last_ns"] and self.at[point]["request_last_ns"])


class Truth:
    def __init__(self, folder: pathlib.Path, clocks: dict[str, dict]):
        with open(folder / "truth.jsonl", encoding="utf-8") as lines:
            self.run = json.loads(next(lines))
            self.requests = {line["id"]: Request(line) for line in map(json.loads, lines)}
        self.points = [point["name"] for point in self.run["points"]]
        self.place = {point: at for at, point in enumerate(self.points)}
        self.clocks = clocks
        self._responses = {point: self._response_times(point) for point in self.points}

    def stamp(self, point: str, perfect_ns: int) -> int:
        """What a point's clock shows."""
        clock, since_ns = self.clocks[point], perfect_ns - BASE_NS
        shown = perfect_ns + round(clock.get("offset_ms", 0) * 1e6) + round(since_ns * clock.get("drift_ppm", 0) * 1e-6)
        for step in clock.get("steps", []):
            if since_ns >= step["at_s"] * 1e9:
                shown += round(step["by_us"] * 1000)
        return shown

    def _response_times(self, point: str) -> list[tuple[int, str]]:
        times = [(self.stamp(point, request.at[point][key]), request.id) for request in self.requests.values()
                 if point in request.at for key in ("response_first_ns", "response_last_ns") if request.at[point][key]]
        return sorted(times)

    def id_of(self, hop: dict) -> str:
        """The request a sighting belongs to: by its target, else by when its response passed; "" if unknown."""
        match = ID.search(hop["resource"])
        if match:
            return match[1]
        times = self._responses[hop["point"]]
        for key in ("response_first_ns", "response_last_ns"):
            at = bisect.bisect_left(times, (hop[key] - 1000, ""))
            near = [(abs(stamp - hop[key]), found) for stamp, found in times[at:at + 8] if abs(stamp - hop[key]) <= 1000]
            if near:
                return min(near)[1]
        return ""

    def usual_round_ns(self) -> dict[tuple[str, str], int]:
        """Median round trip of each segment in requests without a fault."""
        times = collections.defaultdict(list)
        for request in self.requests.values():
            if request.fault is None and request.status:
                for near, far in zip(request.path, request.path[1:]):
                    times[near, far].append(request.round_ns(near, far))
        return {segment: sorted(values)[len(values) // 2] for segment, values in times.items()}
