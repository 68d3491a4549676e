#!/usr/bin/env python3
"""Speed and memory of hoptap beside a floor and a peer, in one run, as ratios.

usage: bench.py [http] [--megabytes N] [--keep FOLDER]
       bench.py engine [--short] [--generated] [--workload NAME...] [--json FILE] [--write DOCUMENT] [--keep FOLDER]
       bench.py tracer [--records N] [--full] [--keep FOLDER]
       bench.py live [--short] [--ahead] [--write DOCUMENT]
Prints Markdown tables. Never fails on a time. http and live need root (they make their own traffic), and so does engine
without --generated. engine ends with 1 when it counted wrongly, live when packets are unaccounted for.
"""
import argparse
import contextlib
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile

import engine
import live
import tracer
import traffic
import workload
from measuring import Failed, head_of, instructions, measure

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HOPTAP, FLOOR = ROOT / "build/appliance/hoptap", ROOT / "build/tests/bench/hoptap-floor"


def bench_http(folder: pathlib.Path, megabytes: int) -> None:
    server, client = folder / "server.pcap", folder / "client.pcap"
    if not server.exists():
        print(f"making the workload, about {megabytes} MB at each of two points", file=sys.stderr)
        workload.make(folder, megabytes)
    truth = len((folder / "access.log").read_text().splitlines())
    packets = int(measure(FLOOR, "walk", server)[2].split()[0])
    half, quarter = folder / "half.pcap", folder / "quarter.pcap"
    head_of(server, half, megabytes // 2)
    head_of(server, quarter, megabytes // 4)
    rows = [("floor: walk", (FLOOR, "walk", server), packets), ("floor: walk + flow", (FLOOR, "flow", server), packets)]
    if shutil.which("softflowd"):
        rows.append(("softflowd (flows only)", ("softflowd", "-r", server, "-n", "127.0.0.1:9995", "-d"), packets))
    if shutil.which("tshark"):
        rows.append(("tshark -Y http.request (first quarter)",
                     ("tshark", "-n", "-r", quarter, "-Y", "http.request", "-T", "fields", "-e", "frame.number"), packets // 4))
    rows += [("hoptap records", (HOPTAP, "records", server), packets), ("hoptap path, 1 point", (HOPTAP, "path", server), packets),
             ("hoptap path, 2 points", (HOPTAP, "path", client, server), packets * 2)]
    print(f"\nHTTP keep-alive: {server.stat().st_size / 1e6:.0f} MB, {packets} packets, {truth} requests in nginx's log\n")
    print("| what | CPU s | packets/s/core | x floor (flow) | peak MiB |\n| --- | --- | --- | --- | --- |")
    floor = None
    for name, words, count in rows:
        seconds, peak, _ = measure(*words)
        per_packet = seconds / count
        floor = per_packet if name.endswith("+ flow") else floor
        ratio = f"{per_packet / floor:.1f}" if floor else "-"
        print(f"| {name} | {seconds:.2f} | {count / seconds:,.0f} | {ratio} | {peak:.0f} |", flush=True)
    report_truth(server, truth)
    report_memory(((quarter, "quarter"), (half, "half"), (server, "whole")))
    few = folder / "few.pcap"
    head_of(server, few, 20)
    report_instructions(few, folder / "more.pcap", server)


def report_truth(server: pathlib.Path, truth: int) -> None:
    """Requests found against the server's log, as multisets of (port, target, status)."""
    lines = subprocess.run((HOPTAP, "records", server), stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    found = sum('"type":"hop"' in line and '"protocol":"http"' in line and '"response":{"first_ns"' in line for line in lines)
    print(f"\nrequests: nginx logged {truth}, hoptap found {found} answered "
          f"({found - truth:+d}: answers under way when wrk stopped are seen, and logged only if they were whole)")


def report_memory(files) -> None:
    print("\n| capture | MB | peak MiB of hoptap path | with --pending-max 20000 |\n| --- | ---: | ---: | ---: |")
    for path, name in files:
        peaks = [measure(HOPTAP, "path", *more, path)[1] for more in ((), ("--pending-max", "20000"))]
        print(f"| {name} | {path.stat().st_size / 1e6:.0f} | {peaks[0]:.0f} | {peaks[1]:.0f} |", flush=True)


def report_instructions(few: pathlib.Path, more: pathlib.Path, server: pathlib.Path) -> None:
    """Instructions per packet: the difference of two run lengths, so that start-up is out."""
    head_of(server, more, 60)
    counts = [int(measure(FLOOR, "walk", path)[2].split()[0]) for path in (few, more)]
    print("\n| what | instructions/packet |\n| --- | --- |")
    for name, words in (("floor: walk", (FLOOR, "walk")), ("floor: walk + flow", (FLOOR, "flow")),
                        ("hoptap records", (HOPTAP, "records")), ("hoptap path", (HOPTAP, "path"))):
        totals = [instructions(*words, path) for path in (few, more)]
        if None not in totals:
            print(f"| {name} | {(totals[1] - totals[0]) / (counts[1] - counts[0]):.0f} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["http", "engine", "live", "tracer"], default="http")
    parser.add_argument("--megabytes", type=int, default=500, help="http: size of the capture at each point")
    parser.add_argument("--records", type=int, default=200_000, help="tracer: hop records from probes")
    parser.add_argument("--full", action="store_true", help="tracer: look up among 10 million hop records, not 1 million")
    parser.add_argument("--short", action="store_true", help="engine: workloads of a tenth of the size; live: two rates, no search")
    parser.add_argument("--ahead", action="store_true", help="live: at a higher priority than others on the machine")
    parser.add_argument("--generated", action="store_true", help="engine: no server, no peers, one run each: for CI, needs no root")
    parser.add_argument("--workload", nargs="+", choices=traffic.NAMES, help="engine: only these")
    parser.add_argument("--json", type=pathlib.Path, help="engine: the figures, into a file")
    parser.add_argument("--write", type=pathlib.Path, help="engine, live: the tables, into a document, between two marks")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the workload, used again when it is there")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = chosen.keep.resolve() if chosen.keep else stack.enter_context(tempfile.TemporaryDirectory())
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if chosen.what == "http":
            bench_http(folder, chosen.megabytes)
        elif chosen.what == "engine":
            return engine.bench_engine(folder, chosen)
        elif chosen.what == "live":
            return live.bench_live(folder, chosen)
        else:
            tracer.bench_tracer(folder, chosen.records, tracer.STORED_FULL if chosen.full else tracer.STORED_FULL // 10)
    return 0


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
try:
    sys.exit(main())
except Failed as failure:
    sys.exit(f"bench: {failure}")
