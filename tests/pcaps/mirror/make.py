#!/usr/bin/env python3
"""Makes the captures of this folder out of others: python3 tests/pcaps/mirror/make.py. Needs no root."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "mirror"))
import mirrored  # noqa: E402  (tests/mirror)
from mirrored import Session  # noqa: E402

KEEP_ALIVE, QUERY = HERE.parent / "http/keep_alive.pcap", HERE.parent / "http/pipelined.pcap"

CASES = {
    "erspan1": [(Session("erspan1"), KEEP_ALIVE)],
    "erspan2_two_sessions": [(Session("erspan2", 7, port=12), KEEP_ALIVE), (Session("erspan2", 8), QUERY)],
    "erspan2_two_switches": [(Session("erspan2", 7), KEEP_ALIVE), (Session("erspan2", 7, "198.18.255.2"), KEEP_ALIVE)],
    "erspan3": [(Session("erspan3", 1023, port=3, hardware_id=5, egress=True), KEEP_ALIVE)],
    "teb_is_no_mirror": [(Session("teb", 5), KEEP_ALIVE)],
}


def write(name, records):
    mirrored.pcapfile.write(HERE / f"{name}.pcap", list(records))


if __name__ == "__main__":
    for name, sessions in CASES.items():
        mirrored.feed(HERE / f"{name}.pcap", sessions)
    frames = mirrored.pcapfile.read(KEEP_ALIVE)
    write("cisco_ttag", (one._replace(frame=(frame := mirrored.stamped("cisco_ttag", one.frame, one.time_ns)),
                                      wire_bytes=len(frame)) for one in frames))
    write("arista_7150", mirrored.TickSwitch("append").send(frames))
