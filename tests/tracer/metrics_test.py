#!/usr/bin/env python3
"""Metrics from captures through probes to a tracer: their sums are those of the hop records, whatever is killed.

    metrics_test.py --hoptap PATH --pcaps FOLDER [--kills 12] [--seed N]

1. Without disturbance: the API's sums equal those made here from `hoptap records`; /metrics of the tracer equals
   /metrics of a probe that read the same captures.
2. Probes and tracer killed with SIGKILL at random: every row is that of the first run.
"""

import argparse
import collections
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

import daemons
import forging

COUNTS = ("requests", "responses", "client_errors", "server_errors", "timeouts", "resets")
OWN_FAMILIES = ("hoptap_probe_", "hoptap_tracer_", "hoptap_http_", "hoptap_store_", "hoptap_metrics_")
KEEP = "keep: {age_days: 36500}\nmetrics: {seconds_kept_s: 1000000000}\n"  # the captures are years apart
SLOW = KEEP + "collect: {batches_per_second_max: 4}\n"
PROBE = "batch_records_max: 20\ntracer: {retry_max_s: 0.5}\n"


def error_of(hop):
    """As docs/autometrics.md says."""
    status, flags, closing = hop.get("status"), hop.get("flags", []), hop.get("closing", [])
    if hop.get("response") and status is not None:
        if hop["protocol"] == "dns":
            if status:
                return "client_errors" if status in (1, 3) else "server_errors"
        elif status >= 400:
            return "client_errors" if status < 500 else "server_errors"
    missing = "response_missing" in flags
    if any("reset" in word for word in closing) and (missing or "incomplete" in flags):
        return "resets"
    quiet = hop["protocol"] == "opaque" or "encrypted" in flags or "one_direction" in flags
    return "timeouts" if missing and not quiet else None


def sums_of_records(hoptap, captures):
    """By (point, client, server, port, protocol): counts, and the number and sum of latencies."""
    sums = collections.defaultdict(collections.Counter)
    for capture, point in captures:
        lines = subprocess.run([hoptap, "records", capture], stdout=subprocess.PIPE, text=True, check=True).stdout
        for hop in map(json.loads, lines.splitlines()):
            if hop["type"] != "hop" or "handshake" in hop.get("flags", []):
                continue
            server, port = hop["server"].rsplit(":", 1)
            row = sums[point, hop["client"].rsplit(":", 1)[0], server, int(port), hop["protocol"]]
            row["responses"] += bool(hop.get("response"))
            if not hop.get("request"):
                continue
            row["requests"] += 1
            if error := error_of(hop):
                row[error] += 1
            if hop.get("response"):
                row["latencies"] += 1
                row["latency_ns"] += max(hop["response"]["first_ns"] - hop["request"]["first_ns"], 0)
    return {key: +row for key, row in sums.items() if +row}


def sums_of_api(rows):
    sums = collections.defaultdict(collections.Counter)
    for row in rows:
        counts = sums[row["point"], row["client"], row["server"], row["server_port"], row["protocol"]]
        counts.update({name: row[name] for name in COUNTS})
        latency = row["times"].get("latency", {"count": 0, "sum_ns": 0})
        counts.update({"latencies": latency["count"], "latency_ns": latency["sum_ns"]})
    return {key: +row for key, row in sums.items() if +row}


def rows_of(tracer):
    """Minutes, then seconds."""
    answers = [tracer.get("metrics", limit=10000), tracer.get("metrics", limit=10000, step="1s")]
    if any(answer["more"] for answer in answers):
        raise RuntimeError("the API has more rows than it gives")
    return [answer["metrics"] for answer in answers]


def traffic_lines(text):
    return {line for line in text.splitlines() if line[0] != "#" and not line.startswith(OWN_FAMILIES)}


def lines_of_a_probe(hoptap, folder, captures):
    """/metrics of a probe whose tracer is away, when it has read all."""
    probe = daemons.Probe(hoptap, "127.0.0.1:1", folder / "alone", "alone", captures, "--metrics-listen", "127.0.0.1:0")
    probe.start()
    try:
        daemons.wait_for(lambda: re.search(r"serves (http:\S+)", probe.log()), "the probe to serve")
        url = re.search(r"serves (http:\S+)", probe.log())[1]
        before, lines = None, set()
        while before != lines or not lines:
            time.sleep(0.7)
            before, lines = lines, traffic_lines(urllib.request.urlopen(url).read().decode())
        return lines
    finally:
        probe.kill()


def probes_of(options, folder, captures, tracer):
    (folder / "probe.yaml").write_text(PROBE)
    return [daemons.Probe(options.hoptap, tracer.collector, folder / point, point, [(capture, point)], "-c",
                          folder / "probe.yaml").start() for capture, point in captures]


def undisturbed(options, folder, captures):
    """@return the API's rows, and complaints"""
    tracer = daemons.Tracer(options.hoptap, folder / "tracer", KEEP)
    with daemons.running(tracer):
        for probe in probes_of(options, folder, captures, tracer):
            probe.wait()
        rows = rows_of(tracer)
        lines = traffic_lines(tracer.fetch("/metrics"))
    expected, sums = sums_of_records(options.hoptap, captures), sums_of_api(rows[0])
    found = [f"{key}: {expected.get(key)} by records, {sums.get(key)} by the API"
             for key in sorted(expected.keys() | sums.keys()) if expected.get(key) != sums.get(key)]
    found += ["the seconds do not add up to the minutes"] * (sums_of_api(rows[1]) != sums)
    alone = lines_of_a_probe(options.hoptap, folder, captures)
    found += [f"/metrics of {whose} alone has {line}" for whose, more in (("the probe", alone - lines), ("the tracer", lines - alone))
              for line in sorted(more)[:3]]
    total = sum(sums.values(), collections.Counter())
    print(f"{len(rows[0])} minutes, {len(rows[1])} seconds, {len(lines)} lines of /metrics: " + ", ".join(f"{total[name]} {name}" for name in COUNTS))
    return rows, found + ["there are no errors to count"] * (total["timeouts"] + total["server_errors"] + total["client_errors"] == 0)


def killed(options, folder, captures, expected, dice):
    tracer = daemons.Tracer(options.hoptap, folder / "tracer", SLOW)
    kills = collections.Counter()
    with daemons.running(tracer):
        probes = probes_of(options, folder, captures, tracer)
        for _ in range(options.kills):
            time.sleep(dice.uniform(0.0, 0.4))
            running = [probe for probe in probes if probe.process.poll() is None]
            victim = dice.choice([tracer, *running])
            kills["tracer" if victim is tracer else "probe"] += bool(running)
            victim.kill()
            victim.start()
        for probe in probes:
            probe.wait()
        rows = rows_of(tracer)
    print(f"killed under load: {dict(kills)}")
    key = lambda row: json.dumps(row, sort_keys=True)
    there, wanted = set(map(key, sum(rows, []))), set(map(key, sum(expected, [])))
    found = [f"not expected: {row[:300]}" for row in sorted(there - wanted)[:3]]
    found += [f"missing: {row[:300]}" for row in sorted(wanted - there)[:3]]
    found += ["a row is there twice"] * (len(there) != sum(map(len, rows)))
    return found + ["too few were killed"] * (kills["tracer"] < 1 or kills["probe"] < 1)


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--hoptap", required=True)
    words.add_argument("--pcaps", required=True)
    words.add_argument("--kills", type=int, default=12)
    words.add_argument("--seed", type=int, default=1)
    options = words.parse_args()
    dice = random.Random(options.seed)
    found = []
    with tempfile.TemporaryDirectory(prefix="hoptap-metrics-") as scratch:
        folder = pathlib.Path(scratch)
        lab = daemons.points_of(pathlib.Path(options.pcaps) / "lab" / "demo" / "captures")
        forged = forging.forge(options.hoptap, folder, "load", requests=1500, rate_per_s=15)
        forged = [(capture, f"forged-{point}") for capture, point in forged]
        captures = [*lab[:3], *forged]
        (folder / "quiet").mkdir()
        (folder / "killed").mkdir()
        rows, complaints = undisturbed(options, folder / "quiet", captures)
        found += complaints
        found += killed(options, folder / "killed", captures, rows, dice)
    for line in found[:12]:
        print(line)
    return 1 if found else 0


sys.exit(main())
