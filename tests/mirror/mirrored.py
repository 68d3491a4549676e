"""Wraps the frames of captures as switches wrap what they mirror: ERSPAN types I, II and III (draft-foschiano-erspan-03
section 4), GRE with Ethernet frames and numbers (RFC 2784, RFC 2890), VXLAN (RFC 7348). For the tests beside and
tests/pcaps/mirror.
"""

import dataclasses
import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
import pcapfile  # noqa: E402  (beside this folder)

COLLECTOR = "198.18.255.9"
TAI_NS = 37 * 10**9  # ahead of UTC


@dataclasses.dataclass
class Session:
    """One mirror session of one switch; counts its packets as the switch does."""
    kind: str                      # erspan1, erspan2, erspan3, teb, vxlan
    number: int = 0                # session, key or VNI
    switch: str = "198.18.255.1"
    sequence: int = 0              # of the next packet
    port: int = 0                  # type II: index; type III: in a subheader of platform 3, if not 0
    egress: bool = False
    hardware_id: int = 0
    seconds: bool = False          # type III: a subheader of platform 5, seconds of TAI beside nanoseconds

    def wrap(self, frame: bytes, time_ns: int = 0) -> bytes:
        """The whole outer frame."""
        number, self.sequence = self.sequence, (self.sequence + 1) % 2**32
        if self.kind == "vxlan":
            inner = struct.pack("!II", 0x08000000, self.number << 8) + frame
            return outer(self.switch, 17, struct.pack("!HHHH", 50000, 4789, 8 + len(inner), 0) + inner)
        if self.kind == "teb":
            header = struct.pack("!HHII", 0x3000, 0x6558, self.number, number)
        elif self.kind == "erspan1":
            header = struct.pack("!HH", 0, 0x88BE)
        elif self.kind == "erspan2":
            header = struct.pack("!HHI", 0x1000, 0x88BE, number)
            header += struct.pack("!HHI", 0x1000, self.number, self.port)
        else:
            subheader = b""
            seconds, rest_ns = divmod(time_ns + TAI_NS, 10**9)
            if self.seconds:
                subheader = struct.pack("!II", 5 << 26 | self.port, seconds)
            elif self.port:
                subheader = struct.pack("!II", 3 << 26 | self.port, time_ns >> 32)
            flags = self.hardware_id << 4 | (8 if self.egress else 0) | 2 << 1 | (1 if subheader else 0)
            header = struct.pack("!HHI", 0x1000, 0x22EB, number)
            header += struct.pack("!HHIHH", 0x2000, self.number, rest_ns if self.seconds else time_ns % 2**32, 0, flags)
            header += subheader
        return outer(self.switch, 47, header + frame)


def stamped(kind: str, frame: bytes, time_ns: int) -> bytes:
    """The frame with a switch's time in it: Arista's header (48 or 64 bits, TAI or UTC), Metamako's trailer (with a frame
    check sequence behind or not), that of Cisco's IE 5000, that of Nexus 3550 HPT, Cisco's TTAG."""
    seconds, rest_ns = divmod(time_ns, 10**9)
    if kind.startswith("arista"):
        _, bits, scale = kind.split("-")
        seconds += 37 if scale == "tai" else 0
        version = (0 if scale == "tai" else 0x100) | (0x10 if bits == "64" else 0x20)
        stamp = struct.pack("!II", seconds, rest_ns) if bits == "64" else struct.pack("!HI", seconds % 2**16, rest_ns)
        return frame[:12] + struct.pack("!HHH", 0xD28B, 1, version) + stamp + frame[12:]
    if kind.startswith("metamako"):
        trailer = struct.pack("!IIIBHB", 0x01020304, seconds, rest_ns, 1, 900, 17)
        return frame + trailer + (b"\x05\x06\x07\x08" if kind.endswith("fcs") else b"")
    seconds, rest_ns = divmod(time_ns + TAI_NS, 10**9)
    if kind == "cisco_ttag":  # what the six bytes count nobody says
        return frame[:12] + struct.pack("!H", 0x8905) + time_ns.to_bytes(8, "big")[2:] + frame[12:]
    if kind.startswith("cisco_hpt"):
        parts = -(-(rest_ns << 40) // 10**9)  # the next that is not below: as exact as 2^-40 s are
        trailer = b"\x0a\x0b\x0c\x0d" + struct.pack("!BBI", 32, 46, seconds) + parts.to_bytes(5, "big") + b"\0"
        return frame + trailer + (b"\x05\x06\x07\x08" if kind.endswith("fcs") else b"")
    return frame + struct.pack("!HI", 0x9D8D, 0) + seconds.to_bytes(6, "big") + struct.pack("!IH", rest_ns, 0x1234)


@dataclasses.dataclass
class TickSwitch:
    """An Arista 7150: a counter of 350 MHz, which may be wrong, in each frame, and keyframes that say its time."""
    mode: str                      # append, append-fcs (the capture kept the check sequence), replace
    ticks: int = 5_000_000_000     # of the counter at the first frame
    ppm: int = 0                   # the counter is so much too fast
    every_ns: int = 10**9          # between keyframes; 0: none
    has_skew: bool = False         # the longer keyframe
    device: int = 7
    first_ns: int = 0

    def ticks_at(self, time_ns: int) -> int:
        return (self.ticks + (time_ns - self.first_ns) * 7 * (10**6 + self.ppm) // (20 * 10**6)) % 2**64

    def keyframe(self, time_ns: int) -> bytes:
        payload = struct.pack("!QQQ", self.ticks_at(time_ns), time_ns, time_ns - 10**8)
        payload += struct.pack("!QQ", 1, 1) if self.has_skew else b""
        payload += struct.pack("!QQHHBB", self.ticks_at(time_ns), 0, self.device, 44, 2 if self.mode == "replace" else 1, 0)
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, 253, 0) + bytes(4) + b"\xff" * 4
        return b"\xff" * 6 + bytes.fromhex("020000000001" "0800") + header + payload

    def stamp(self, frame: bytes, time_ns: int) -> bytes:
        ticks = self.ticks_at(time_ns) % 2**31
        raw = struct.pack("!I", (ticks >> 7) << 8 | ticks & 0x7F)
        return frame.ljust(60, b"\0") + raw + (b"\x05\x06\x07\x08" if self.mode == "append-fcs" else b"")

    def send(self, records):
        """What comes to the collector: keyframes from before the first frame on, as many as tell the skew."""
        due_ns = None
        for record in records:
            if due_ns is None:
                self.first_ns = record.time_ns
                due_ns = record.time_ns - self.every_ns
            while self.every_ns and due_ns <= record.time_ns:
                frame = self.keyframe(due_ns)
                yield pcapfile.Record(due_ns, frame, len(frame))
                due_ns += self.every_ns
            frame = self.stamp(record.frame, record.time_ns)
            yield record._replace(frame=frame, wire_bytes=len(frame))


def later(records, dice):
    """Each up to 2 ms late, in the same order: what aggregation does to a capture's stamps."""
    last = 0
    for record in records:
        last = max(last, record.time_ns + dice.randrange(2_000_000))
        yield record._replace(time_ns=last)


def outer(switch: str, protocol: int, payload: bytes) -> bytes:
    addresses = socket.inet_aton(switch) + socket.inet_aton(COLLECTOR)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 62, protocol, 0) + addresses
    return bytes.fromhex("020000000009" "020000000001" "0800") + header + payload


def feed(target: pathlib.Path, sessions, keep=lambda at: True, delay=lambda records: records) -> int:
    """Writes what the sessions of (Session, capture) send to a collector, by time, all stamped as in the captures. Of
    the n-th packet of all `keep` says whether it arrives; `delay` may stamp them anew. @return how many did not
    arrive"""
    packets = []
    for at, (session, capture) in enumerate(sessions):
        packets += [(record.time_ns, at, session, record.frame) for record in pcapfile.read(capture)]
    packets.sort(key=lambda packet: packet[:2])
    wrapped = [pcapfile.Record(time_ns, frame := session.wrap(inner, time_ns), len(frame))
               for time_ns, _, session, inner in packets]
    kept = [record for at, record in enumerate(wrapped) if keep(at)]
    pcapfile.write(target, delay(kept))
    return len(wrapped) - len(kept)
