#!/usr/bin/env python3
"""The demonstration: one slow request's path from the lab's captures, checked against the wire that was slow; then the same
from eight probes and a tracer, each a process of its own.

usage: demo.py HOPTAP FOLDER    FOLDER holds captures/, truth/wire.log and scenario.json as the lab writes them
"""
import json
import pathlib
import shlex
import shutil
import subprocess
import sys

import wirelog

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tracer"))
import daemons  # noqa: E402  pylint: disable=wrong-import-position

TOLERANCE_NS = 100_000


def wire_time_ns(log: pathlib.Path, request_id: str) -> int:
    """What the wire itself did to the last byte of this request and of its response, there and back, ns."""
    return wirelog.spans(wirelog.read(log))[request_id].round_ns


def through_probes(hoptap: str, captures: list[str], verdict: dict) -> bool:
    """The captures' records, not their packets, go to a tracer, from one probe a point. True when it says the same."""
    folder = pathlib.Path(hoptap).parent.parent / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    tracer = daemons.Tracer(hoptap, folder)
    points = daemons.points_of(pathlib.Path(captures[0]).parent)
    print("The same where the captures lie on different hosts: a probe at each point, records instead of packets.\n")
    with daemons.running(tracer):
        print(f"$ hoptap tracer --data {tracer.data} &")
        for capture, point in points:
            print(f"$ hoptap probe --tracer {tracer.collector} --replay {capture}={point}")
        probes = [daemons.Probe(hoptap, tracer.collector, folder / point, point, [(capture, point)]).start()
                  for capture, point in points]
        for probe in probes:
            probe.wait()
        tracer.wait_until_settled()
        print("  " + probes[0].log().strip() + " ...\n\n$ hoptap verdicts", flush=True)
        subprocess.run([hoptap, "verdicts", "--tracer", tracer.url], check=True)
        said = next(one for one in tracer.get("verdicts")["verdicts"] if one["scope"] == "run")
        same = said == verdict
        print(f"\n{'The verdict is the same.' if same else 'THE VERDICT DIFFERS.'}", flush=True)
        if same and sys.stdin.isatty() and sys.stdout.isatty():
            linger(hoptap, tracer)
        tracer.stop()
    return same


def linger(hoptap: str, tracer: daemons.Tracer) -> None:
    """The tracer stays up for the person to try it."""
    print(f"The tracer goes on until you press Enter. Try in another terminal:\n"
          f"  {hoptap} traces --tracer {tracer.url}\n  curl '{tracer.url}/api/v1/traces?min_duration=20ms'", flush=True)
    try:
        input()
    except (EOFError, KeyboardInterrupt):
        pass


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
    same = through_probes(hoptap, captures, verdict)
    quoted = shlex.quote(hoptap)
    print(f"\nNext: these requests in the tracer, at http://127.0.0.1:8717 (docs/api.md):\n"
          f"  {quoted} tracer --data build/demo/data &\n  {quoted} traces --verdict slow_segment; {quoted} points\n"
          f"or your own captures, one for each point of the path:\n  {quoted} path --help")
    return 0 if right and same else 1


sys.exit(main())
