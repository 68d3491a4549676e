"""A small decoder of the lab's own frames, to check captures against the wire's log. Not the product's."""

import typing

VXLAN_PORTS = (8472, 4789)


class Packet(typing.NamedTuple):
    """The innermost packet of a frame."""
    time_ns: int
    tunnel: str
    transport: str      # tcp, udp
    source: str
    target: str
    ip_id: int
    ttl: int
    sequence: int
    ack: int
    flags: int
    payload: bytes
    checksum_good: bool

    @property
    def key(self) -> tuple:
        """What stays the same at all points of a path, through NAT and tunnels."""
        if self.transport == "tcp":
            return ("tcp", self.ip_id, self.sequence, self.ack, self.flags, len(self.payload))
        return ("udp", self.ip_id, int.from_bytes(self.payload[:2], "big"), len(self.payload))


def load(data: bytes, at: int, count: int = 2) -> int:
    return int.from_bytes(data[at:at + count], "big")


def decode(time_ns: int, frame: bytes) -> Packet | None:
    """The innermost TCP or UDP packet of an Ethernet frame, or None."""
    return ethernet(time_ns, frame, "none")


def ethernet(time_ns: int, frame: bytes, tunnel: str) -> Packet | None:
    return ipv4(time_ns, frame[14:], tunnel) if load(frame, 12) == 0x0800 else None


def ipv4(time_ns: int, packet: bytes, tunnel: str) -> Packet | None:
    if len(packet) < 20:
        return None
    header_bytes = (packet[0] & 15) * 4
    inner = packet[header_bytes:load(packet, 2)]
    protocol = packet[9]
    if protocol == 4:
        return ipv4(time_ns, inner, "ipip")
    if protocol == 17 and load(inner, 2) in VXLAN_PORTS:
        return ethernet(time_ns, inner[16:], "vxlan")
    if protocol not in (6, 17):
        return None
    ports = load(inner, 0), load(inner, 2)
    source, target = (".".join(map(str, packet[at:at + 4])) + f":{port}" for at, port in zip((12, 16), ports))
    good = checksum_good(packet, protocol, inner)
    common = (time_ns, tunnel, "tcp" if protocol == 6 else "udp", source, target, load(packet, 4), packet[8])
    if protocol == 17:
        return Packet(*common, 0, 0, 0, inner[8:], good)
    payload = inner[(inner[12] >> 4) * 4:]
    return Packet(*common, load(inner, 4, 4), load(inner, 8, 4), inner[13], payload, good)


def checksum_good(packet: bytes, protocol: int, segment: bytes) -> bool:
    """RFC 1071 over pseudo header and segment. UDP may leave it out (zero)."""
    if protocol == 17 and load(segment, 6) == 0:
        return True
    data = packet[12:20] + bytes((0, protocol)) + len(segment).to_bytes(2, "big") + segment
    data += b"\0" * (len(data) % 2)
    return sum(memoryview(data).cast("H")) % 0xFFFF == 0
