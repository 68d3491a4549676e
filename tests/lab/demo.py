#!/usr/bin/env python3
"""The demonstration: one slow request's path from the lab's captures, checked against the wire that was slow.

usage: demo.py HOPTAP FOLDER    FOLDER holds captures/, truth/wire.log and scenario.json as the lab writes them
"""
import json
import pathlib
import shlex
import subprocess
import sys

import wirelog

TOLERANCE_NS = 100_000


def wire_time_ns(log: pathlib.Path, request_id: str) -> int:
    """What the wire itself did to the last byte of this request and of its response, there and back, ns."""
    return wirelog.spans(wirelog.read(log))[request_id].round_ns


def main() -> int:
    hoptap, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    captures = sorted(str(path) for path in (folder / "captures").glob("*.pcap"))
    pattern = f"{folder}/captures/*.pcap"
    print(f"$ hoptap path {pattern}\n", flush=True)
    drawn = subprocess.run([hoptap, "path", *captures], stdout=subprocess.PIPE, text=True, check=True).stdout
    print(drawn)
    lines = subprocess.run([hoptap, "path", "--json", *captures], stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [json.loads(line) for line in lines.splitlines()]
    verdict = next(row for row in rows if row["type"] == "verdict")
    trace = next(row for row in rows if row["type"] == "trace" and row["id"] == verdict["evidence"][0])
    expected = json.loads((folder / "scenario.json").read_text())["expected"]
    part = next(part for part in trace["parts"] if part["kind"] == "segment" and part["from"] == expected["from"])
    request_id = trace["resource"].partition("id=")[2] or trace["resource"].partition(".")[0]
    truth_ns = wire_time_ns(folder / "truth" / "wire.log", request_id)
    off_ns = part["time_ns"] - truth_ns
    named = verdict["kind"] in expected["kinds"] and (verdict["from"], verdict["to"]) == (expected["from"], expected["to"])
    right = named and abs(off_ns) <= TOLERANCE_NS
    print(f"These captures were made in the lab, where the wire between {expected['from']} and {expected['to']} was slow.\n"
          f"For the request above its own log says {truth_ns / 1e6:.3f} ms, hoptap {part['time_ns'] / 1e6:.3f} ms: "
          f"{off_ns / 1e3:+.0f} us. {'The verdict is right.' if right else 'THE VERDICT IS WRONG.'}\n")
    print(f"Next: your own captures, one for each point of the path:\n  {shlex.quote(hoptap)} path --help")
    return 0 if right else 1


sys.exit(main())
