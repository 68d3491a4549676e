"""Reads the wire's own log (written by wire.cpp) and works out each request's true time on the wire.

The truth needs no capture: the wire saw which frame carried a request's id, and on a connection
without pipelining request i owns the client's bytes from its first frame to that of request i+1, and
the server's bytes between the acknowledgement numbers of the same two frames.
"""

import dataclasses
import pathlib
import typing

HALF = 1 << 31
FIN = 0x01
SYN = 0x02


class Frame(typing.NamedTuple):
    """One line of the log: a frame, or one copy of it."""
    ingress_ns: int
    egress_ns: int      # 0: dropped
    direction: str      # ab, ba
    action: str         # forwarded, duplicated, dropped, failed, injected (the wire's own: a reset)
    frame_bytes: int
    tunnel: str
    transport: str
    source: str
    target: str
    ip_id: int
    sequence: int
    ack: int
    payload_bytes: int
    tcp_flags: int
    dns_id: int
    label: str          # the request's id if it is in the frame or the wire struck the frame because of it; else "-"


@dataclasses.dataclass
class Span:
    """What the wire did to one request: first arrival and first departure of the last byte, both ways."""
    id: str
    forward_ns: int
    backward_ns: int
    copies_dropped: int     # frames with bytes of this request or its answer that the wire dropped
    resent: bool            # the last byte, either way, arrived at the wire more than once
    single: bool            # request and response came in one frame each
    frames: list[Frame] = dataclasses.field(default_factory=list)  # all of the connection while its bytes passed

    @property
    def round_ns(self) -> int:
        return self.forward_ns + self.backward_ns


def read(path: pathlib.Path) -> list[Frame]:
    """All frames, by arrival. Raises ValueError when the wire had to leave some out."""
    frames = []
    for line in path.read_text().splitlines():
        fields = line.split("\t")
        if fields[0] == "#refused":
            raise ValueError(f"{path}: the wire's log was full, {fields[1]} frames are missing")
        if not line.startswith("#"):
            numbers = [int(field) for field in fields[9:15]]
            frames.append(Frame(int(fields[0]), int(fields[1]), fields[2], fields[3], int(fields[4]), *fields[5:9],
                                *numbers, fields[15]))
    return sorted(frames, key=lambda frame: frame.ingress_ns)


def spans(frames: list[Frame]) -> dict[str, Span]:
    """The span of every request whose whole way the log shows, by id."""
    found: dict[str, Span] = {}
    connections: dict[tuple[str, str], list[Frame]] = {}
    queries: dict[str, list[Frame]] = {}
    for frame in frames:
        if frame.transport == "tcp":
            key = (frame.source, frame.target) if frame.direction == "ab" else (frame.target, frame.source)
            connections.setdefault(key, []).append(frame)
        elif frame.transport == "dns" and frame.label != "-":
            queries.setdefault(frame.label, []).append(frame)
    for of_connection in connections.values():
        for of_one in split_reused_port(of_connection):
            found |= connection_spans(of_one)
    for label, of_query in queries.items():
        span = make_span(label, [frame for frame in of_query if frame.direction == "ab"],
                         [frame for frame in of_query if frame.direction == "ba"], of_query, True)
        if span:
            span.frames = of_query
            found[label] = span
    return found


def split_reused_port(frames: list[Frame]) -> list[list[Frame]]:
    """One list per connection: a client SYN with another sequence number begins a new one."""
    parts: list[list[Frame]] = [[]]
    opened = None
    for frame in frames:
        if frame.direction == "ab" and frame.tcp_flags & SYN:
            if opened is not None and frame.sequence != opened:
                parts.append([])
            opened = frame.sequence
        parts[-1].append(frame)
    return parts


def connection_spans(frames: list[Frame]) -> dict[str, Span]:
    """Spans of the requests of one connection, in their order."""
    base = {side: next((frame.sequence for frame in frames if frame.direction == side), 0) for side in ("ab", "ba")}

    def position(number: int, side: str) -> int:
        """A sequence number as a distance from the connection's first one; right across a wrap."""
        return (number - base[side] + HALF) % (2 * HALF) - HALF

    starts: dict[str, tuple[int, int]] = {}
    for frame in frames:
        if frame.direction == "ab" and frame.label != "-":
            here = (position(frame.sequence, "ab"), position(frame.ack, "ba"))
            starts[frame.label] = min(starts.get(frame.label, here), here)
    ends = {}
    for side in ("ab", "ba"):
        ends[side] = max((position(frame.sequence, side) + frame.payload_bytes for frame in frames
                          if frame.direction == side and frame.payload_bytes), default=0)
    ordered = sorted(starts.items(), key=lambda item: item[1])
    found = {}
    for (label, (sequence, ack)), following in zip(ordered, ordered[1:] + [("", (None, None))]):
        request_end = ends["ab"] if following[1][0] is None else following[1][0]
        response_end = ends["ba"] if following[1][1] is None else following[1][1]

        def touching(side: str, first: int, end: int) -> list[Frame]:
            return [frame for frame in frames if frame.direction == side and frame.payload_bytes
                    and position(frame.sequence, side) < end
                    and position(frame.sequence, side) + frame.payload_bytes > first]

        mine = touching("ab", sequence, request_end) + touching("ba", ack, response_end)
        last = touching("ab", request_end - 1, request_end), touching("ba", response_end - 1, response_end)
        single = all(position(frame.sequence, frame.direction) == {"ab": sequence, "ba": ack}[frame.direction]
                     for frame in last[0] + last[1])
        span = make_span(label, *last, mine, single)
        if span and response_end > ack:
            first, last = min(frame.ingress_ns for frame in mine), max(frame.egress_ns for frame in mine)
            span.frames = [frame for frame in frames if first <= frame.ingress_ns <= last]
            found[label] = span
    return found


def make_span(label: str, forward: list[Frame], backward: list[Frame], all_frames: list[Frame],
              single: bool) -> Span | None:
    """From the frames that carry the last byte each way; None unless one got through both ways."""
    times = []
    for frames in (forward, backward):
        left = [frame.egress_ns for frame in frames if frame.egress_ns]
        if not left:
            return None
        times.append(min(left) - min(frame.ingress_ns for frame in frames))
    arrivals = [len({frame.ingress_ns for frame in frames}) for frames in (forward, backward)]
    return Span(label, times[0], times[1], sum(frame.action == "dropped" for frame in all_frames), max(arrivals) > 1,
                single)
