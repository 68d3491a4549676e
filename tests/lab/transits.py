"""How long each frame took between two points: over the wire by its own log, else by the lab's decoder in the captures."""

import collections
import pathlib
import statistics

import scenarios
import verify
import wirelog

WIRE = set(scenarios.WIRE.values())


class Transits:
    """What one scenario knows of when each frame passed each point."""

    def __init__(self, folder: pathlib.Path, log: list[wirelog.Frame]):
        self.over_wire: dict[tuple, list[tuple[int, int]]] = collections.defaultdict(list)
        for frame in log:
            self.over_wire[verify.log_key(frame)].append((frame.ingress_ns, frame.egress_ns))
        self.times: dict[str, dict[tuple, list[int]]] = {}
        for point, taken in verify.read_captures(folder).items():
            at = self.times[point] = collections.defaultdict(list)
            for packet in taken:
                at[packet.key].append(packet.time_ns)
        self.usual: dict[tuple[str, str], int] = {}

    def passed(self, key: tuple, near: str, far: str) -> tuple[int, int] | None:
        """When a frame was at the two points, whichever way it went; None of one not seen exactly once at both."""
        if {near, far} == WIRE:
            logged = self.over_wire.get(key, [])
            return logged[0] if len(logged) == 1 and logged[0][1] else None
        stamps = self.times[near].get(key, []), self.times[far].get(key, [])
        return (min(*stamps)[0], max(*stamps)[0]) if len(stamps[0]) == len(stamps[1]) == 1 else None

    def usual_ns(self, near: str, far: str) -> int:
        if (near, far) not in self.usual:
            taken = [self.passed(key, near, far) for key in self.times[near]]
            self.usual[near, far] = round(statistics.median([end - begin for begin, end in filter(None, taken)] or [0]))
        return self.usual[near, far]

    def late_ns(self, frames: list[wirelog.Frame], near: str, far: str) -> int:
        """For how long some frame was between the points that usually would have arrived."""
        late, until = 0, 0
        for begin, end in sorted(filter(None, (self.passed(verify.log_key(frame), near, far) for frame in frames))):
            begin = max(begin + self.usual_ns(near, far), until)
            if end > begin:
                late, until = late + end - begin, end
        return late
