#!/usr/bin/python3
"""Stands in for hoptap to test the lab and the evaluator: joins the lab's own captures by their ids.

usage: stand_in.py path --json CAPTURE...
It cheats: it reads the lab's request ids out of the payload and knows nothing of NAT, lost captures
or clocks, and it gives no verdict. What it prints follows the contract of `hoptap path --json`. The
product must do without such help. Try: evaluate.py DIR --hoptap stand_in.py --without-verdict
"""

import json
import pathlib
import re
import sys

import packets
import pcapfile

ID = re.compile(rb"id=([a-z0-9-]+-\d{6})[ &]|([a-z][a-z0-9-]*-\d{6})\x03lab\x06hoptap")
SYN = 0x02


def found_id(packet: packets.Packet) -> str:
    match = ID.search(packet.payload[:256])
    return (match[1] or match[2]).decode() if match else ""


def messages(path: pathlib.Path) -> dict[str, dict]:
    """id -> {request: (first, last ns), response: (first, last ns)} of one capture, per connection in order."""
    legs, found = {}, {}
    for record in pcapfile.read(path):
        packet = packets.decode(record.time_ns, record.frame)
        if packet is None or not (packet.payload or packet.flags & SYN):
            continue
        opened = packet.transport == "tcp" and packet.flags & SYN
        if opened and not packet.flags & 0x10:
            legs[packet.source, packet.target] = {"id": "", "seen": set()}
        forward = (packet.source, packet.target)
        leg = legs.get(forward) or legs.get(forward[::-1])
        if packet.transport == "udp" and leg is None:
            leg = legs[forward] = {"id": "", "seen": set()}
        copy = (forward, packet.sequence, len(packet.payload), packet.payload[:2] if packet.transport == "udp" else b"")
        if leg is None or not packet.payload or copy in leg["seen"]:
            continue
        leg["seen"].add(copy)
        is_request = forward in legs
        if is_request and found_id(packet):
            leg["id"] = found_id(packet)
            found.setdefault(leg["id"], {})
        if leg["id"]:
            times = found[leg["id"]].setdefault("request" if is_request else "response", [packet.time_ns, 0])
            times[1] = packet.time_ns
    return {unique: message for unique, message in found.items() if "response" in message}


def traces(captures: list[pathlib.Path]) -> list[dict]:
    by_point = {path.stem.lstrip("0123456789_"): messages(path) for path in sorted(captures)}
    ids = sorted(set().union(*by_point.values()))
    return [make_trace(unique, by_point) for unique in ids]


def make_trace(unique: str, by_point: dict) -> dict:
    hops, spans = [], []
    for point, found in by_point.items():
        if unique not in found:
            continue
        request, response = found[unique]["request"], found[unique]["response"]
        hops.append({"point": point, "resource": f"?id={unique}", "request_first_ns": request[0],
                     "request_last_ns": request[1], "response_first_ns": response[0],
                     "response_last_ns": response[1]})
        spans.append(response[1] - request[1])
    parts = [{"kind": "segment", "from": one["point"], "to": two["point"], "time_ns": outer - inner}
             for one, two, outer, inner in zip(hops, hops[1:], spans, spans[1:])]
    return {"type": "trace", "protocol": "http", "resource": f"?id={unique}", "hops": hops, "parts": parts,
            "response_time_ns": spans[0]}


def main() -> None:
    captures = [pathlib.Path(argument) for argument in sys.argv[1:] if argument.endswith(".pcap")]
    found = traces(captures)
    for row in [*found, {"type": "summary", "traces": len(found)}]:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
