#!/usr/bin/env python3
"""Speed and memory of hoptap beside a floor and a peer, in one run, as ratios.

usage: bench.py [http] [--megabytes N] [--keep FOLDER]
       bench.py tracer [--records N] [--full] [--keep FOLDER]
Prints Markdown tables. Never fails on a time. http needs root (it makes its own traffic).
"""
import argparse
import contextlib
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import tracer
import workload

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HOPTAP, FLOOR = ROOT / "build/appliance/hoptap", ROOT / "build/tests/bench/hoptap-floor"


def measure(*words) -> tuple[float, float, str]:
    """CPU seconds and peak resident MiB of a command, and its standard output's last 4 kB."""
    wrapped = ("/usr/bin/env", "python3", "-c",
               "import os,resource,subprocess,sys\n"
               "code=subprocess.call(sys.argv[1:])\n"
               "use=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
               "print('\\nUSED',use.ru_utime+use.ru_stime,use.ru_maxrss,code,file=sys.stderr)", *map(str, words))
    with tempfile.TemporaryFile("w+") as out:
        done = subprocess.run(wrapped, stdout=out, stderr=subprocess.PIPE, text=True, check=True)
        out.seek(max(0, out.seek(0, 2) - 4096))
        seconds, kilobytes, code = re.search(r"USED (\S+) (\S+) (\S+)", done.stderr).groups()
        if int(code) != 0:
            raise SystemExit(f"bench: {words[0]} ended with {code}: {done.stderr[-300:]}")
        return float(seconds), int(kilobytes) / 1024, out.read()


def instructions(*words) -> int | None:
    """By callgrind; None where it is not installed."""
    if not shutil.which("valgrind"):
        return None
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(("valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch}/out", *map(str, words)),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def head_of(pcap: pathlib.Path, target: pathlib.Path, megabytes: int) -> None:
    """The first megabytes of a capture (as tcpdump writes it here: little endian), whole records only."""
    with open(pcap, "rb") as source:
        head = source.read(megabytes * 1_000_000)
    end = 24
    while end + 16 <= len(head):
        record_bytes = 16 + int.from_bytes(head[end + 8:end + 12], "little")
        if end + record_bytes > len(head):
            break
        end += record_bytes
    target.write_bytes(head[:end])


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["http", "tracer"], default="http")
    parser.add_argument("--megabytes", type=int, default=500, help="http: size of the capture at each point")
    parser.add_argument("--records", type=int, default=200_000, help="tracer: hop records from probes")
    parser.add_argument("--full", action="store_true", help="tracer: look up among 10 million hop records, not 1 million")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the workload, used again when it is there")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = chosen.keep.resolve() if chosen.keep else stack.enter_context(tempfile.TemporaryDirectory())
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if chosen.what == "http":
            bench_http(folder, chosen.megabytes)
        else:
            tracer.bench_tracer(folder, chosen.records, tracer.STORED_FULL if chosen.full else tracer.STORED_FULL // 10)


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
main()
