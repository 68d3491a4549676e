#!/usr/bin/env python3
"""The network to the tracer is cut for ten minutes of traffic; the tracer's disk is full: said, survived, nothing lost.

    outage_test.py --hoptap PATH      needs root: two network namespaces, a tmpfs
"""

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import daemons
import forging

SPOOL_MIB = 8
CUT_TRACER = "collect: {batches_per_second_max: 20, batches_in_flight_max: 2}\nwindow: {kept_s: 700}\n"


def run(*words):
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def two_hosts():
    """Two namespaces with a cable between them: the words that enter each, and how the cable is pulled and put back."""
    names = [f"hoptap-{os.getpid()}-{end}" for end in ("probe", "tracer")]
    inside = [("nsenter", f"--net=/run/netns/{name}") for name in names]
    try:
        for name in names:
            run("ip", "netns", "add", name)
        run(*inside[0], "ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", names[1])
        for end, words in enumerate(inside):
            run(*words, "ip", "addr", "add", f"198.18.77.{end + 1}/24", "dev", "cable")
            run(*words, "ip", "link", "set", "cable", "up")
            run(*words, "ip", "link", "set", "lo", "up")
        yield inside[0], inside[1], lambda state: run(*inside[1], "ip", "link", "set", "cable", state)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


def folder_bytes(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())


def network_cut(hoptap, folder):
    """@return what went wrong, in words"""
    captures = forging.forge(hoptap, folder, "cut", requests=6500, rate_per_s=10)  # 650 s
    expected = daemons.offline(hoptap, captures)
    config = folder / "probe.yaml"
    config.write_text(f"tracer: {{retry_max_s: 1}}\nspool: {{size_mib: {SPOOL_MIB}}}\nbatch_records_max: 100\n")
    with two_hosts() as (probe_side, tracer_side, cable):
        tracer = daemons.Tracer(hoptap, folder / "cut-tracer", CUT_TRACER,
                                tracer_side, "198.18.77.2")
        with daemons.running(tracer):
            probes = [daemons.Probe(hoptap, tracer.collector, folder / f"cut-{point}", point, [(capture, point)], "-c",
                                    config, inside=probe_side).start() for capture, point in captures]
            daemons.wait_for(lambda: tracer.get("status")["records"] > 200, "the first records")
            cable("down")
            before = tracer.get("status")["records"]
            cut_at = time.monotonic()
            daemons.wait_for(lambda: all("cannot" in probe.log() or "no answer" in probe.log() or "reach" in probe.log()
                                         for probe in probes) or time.monotonic() - cut_at > 40, "complaints")
            during = tracer.get("status")["records"]
            spooled = max(folder_bytes(probe.folder / "spool") for probe in probes)
            cable("up")
            for probe in probes:
                probe.wait()
            tracer.wait_until_settled()
            traces, metrics = tracer.traces(), tracer.metrics()
            seconds = time.monotonic() - cut_at
    records = sum(len(trace["hops"]) for trace in expected["trace"])
    print(f"cut for {seconds:.0f} s after {before} of {records} hop records and their legs ({during} when it was mended), "
          f"650 s of traffic: largest spool {spooled / 1e6:.2f} MB of {SPOOL_MIB} MiB; "
          f"{sum(len(trace['hops']) for trace in traces)} hop records arrived")
    print("a probe said: " + (probes[0].log().splitlines() or ["nothing"])[0])
    found = daemons.differences(expected["trace"], traces)
    found += ["no probe says that the tracer is away"] * (not any("tracer" in probe.log() or "connection" in probe.log()
                                                                  for probe in probes))
    found += ["more came while the cable was out"] * (during > before + 1500)  # what was on its way
    found += ["a spool grew over its ceiling"] * (spooled > SPOOL_MIB * 1.2 * 2**20)
    for name in ("hoptap_tracer_batch_gaps_total", 'hoptap_tracer_streams_ended_total{reason="bad_sequence"}'):
        found += [f"{name} is {metrics[name]}"] * (metrics[name] != 0)
    return found


@contextlib.contextmanager
def small_disk(folder, mib):
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "hoptap-test", folder)
    try:
        yield folder
    finally:
        run("umount", "-l", folder)


def disk_full(hoptap, folder):
    """@return what went wrong, in words"""
    captures = forging.forge(hoptap, folder, "full", requests=1500, rate_per_s=100)
    expected = daemons.offline(hoptap, captures)
    (folder / "probe.yaml").write_text("tracer: {retry_max_s: 1}\nbatch_records_max: 200\n")
    with small_disk(folder / "disk", 24) as disk:
        tracer = daemons.Tracer(hoptap, folder / "full-tracer")
        tracer.data = disk / "data"
        with daemons.running(tracer):
            (disk / "ballast").write_bytes(b"x" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 300_000))
            probes = [daemons.Probe(hoptap, tracer.collector, folder / f"full-{point}", point, [(capture, point)], "-c",
                                    folder / "probe.yaml").start() for capture, point in captures]
            answers = []  # the next may be that it is well: a smaller write has found room
            daemons.wait_for(lambda: answers.append(health(tracer)) or answers[-1].endswith("503"), "the tracer to say that it is not well")
            words = answers[-1]
            daemons.wait_for(lambda: any("tracer" in probe.log() for probe in probes), "a probe to say so")
            (disk / "ballast").unlink()
            for probe in probes:
                probe.wait()
            tracer.wait_until_settled()
            traces, well = tracer.traces(), health(tracer)
    said = next((line for probe in probes for line in probe.log().splitlines() if "tracer" in line), "nothing")
    print(f"disk full: the tracer says: {words}\na probe says: {said}\nwith room again: {len(traces)} traces, health {well}")
    found = daemons.differences(expected["trace"], traces)
    found += ["the tracer does not say that the disk is full"] * ("full" not in words)
    found += ["the tracer is not well again"] * (not well.endswith("200"))
    return found


def health(tracer):
    """What /healthz says, and behind it the status."""
    done = subprocess.run(["curl", "-sS", "-w", " %{http_code}", f"{tracer.url}/healthz"],
                          stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--hoptap", required=True)
    options = words.parse_args()
    if os.geteuid() != 0:
        print("skipped: network namespaces and mounts need root")
        return 77
    failures = 0
    with tempfile.TemporaryDirectory(prefix="hoptap-outage-") as scratch:
        for trial in (network_cut, disk_full):
            found = trial(os.path.abspath(options.hoptap), pathlib.Path(scratch))
            for line in found:
                print("  " + line)
            failures += bool(found)
    return 1 if failures else 0


sys.exit(main())
