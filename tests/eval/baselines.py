"""Other rules to join and to localise by, coded from public descriptions. They get the sightings that hoptap found.

- `equal_sequences`: both TCP sequence numbers equal, start and end within 60 ms (the rule of the best-known open tracer).
- `five_tuple`: same addresses and ports, start within 60 ms.
- `largest_drop`: the segment behind which the response time falls most is to blame; joins by `equal_sequences`.
- `clock_difference`: a segment's one-way time is the difference of two points' stamps.
"""

import collections

GATE_NS = 60_000_000


class Sighting:
    """One exchange at one point, and the request that it truly is of."""

    def __init__(self, hop: dict, request: str):
        self.point, self.request = hop["point"], request
        self.sequences = hop.get("request_sequence", 0), hop.get("response_sequence", 0)
        self.tuple = hop["source"], hop["target"]
        self.start, self.end = hop["request_first_ns"], hop["response_last_ns"]
        self.complete = bool(self.start and hop["response_first_ns"])


def joined(sightings: list[Sighting], key, gate_end: bool) -> list[list[Sighting]]:
    """Groups of sightings with equal keys in which each is within the gate of another one."""
    by_key = collections.defaultdict(list)
    for one in sightings:
        if one.complete:
            by_key[key(one)].append(one)
    groups = []
    for alike in by_key.values():
        alike.sort(key=lambda one: one.start)
        open_groups: list[list[Sighting]] = []
        for one in alike:
            home = next((group for group in open_groups if any(
                one.start - other.start <= GATE_NS and (not gate_end or abs(one.end - other.end) <= GATE_NS)
                and other.point != one.point for other in group) and all(other.point != one.point for other in group)), None)
            if home is None:
                open_groups.append([one])
            else:
                home.append(one)
        groups += open_groups
    return groups


def equal_sequences(sightings: list[Sighting]) -> list[list[Sighting]]:
    return joined(sightings, lambda one: one.sequences, True)


def five_tuple(sightings: list[Sighting]) -> list[list[Sighting]]:
    return joined(sightings, lambda one: one.tuple, False)


def largest_drop(group: list[Sighting], place: dict[str, int]) -> tuple[str, str]:
    """The blamed segment, or (last point, "") for the server."""
    ordered = sorted(group, key=lambda one: place[one.point])
    waits = [(one.end - one.start, one.point) for one in ordered] + [(0, "")]
    drops = [(near[0] - far[0], near[1], far[1]) for near, far in zip(waits, waits[1:])]
    return max(drops)[1:]
