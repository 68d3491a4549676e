"""The way from probe to tracer: bytes on the wire, records a second of each step beside its floor, and end to end."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/tracer"))
import daemons  # noqa: E402
import forging  # noqa: E402

HOPTAP, SPEEDS = ROOT / "build/appliance/hoptap", ROOT / "build/tests/bench"
UNIQUE = {"header_ids": ["x-request-id", "traceparent"]}
POINTS, STORED_FULL = 5, 10_000_000


def say(text: str) -> None:
    print(text, flush=True)


def run(program: str, *words) -> None:
    """Prints what it prints."""
    say(subprocess.run((SPEEDS / program, *map(str, words)), stdout=subprocess.PIPE, text=True, check=True).stdout)


def captures_of(folder: pathlib.Path, name: str, records: int, **traffic) -> list:
    """(capture, point) of each; made unless they are there."""
    if (folder / name / "captures").exists():
        return daemons.points_of(folder / name / "captures")
    print(f"forging {records} hop records: {name}", file=sys.stderr)
    return forging.forge(HOPTAP, folder, name, requests=records // POINTS, rate_per_s=2000, connections=100, **traffic)


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def offline(captures: list) -> tuple[float, float, float]:
    """CPU seconds, seconds and peak MiB of `hoptap path` on the same captures: no network, no database."""
    words = [HOPTAP, "path", "--json", "--progress", "never", *(capture for capture, _ in captures)]
    began = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, code, use = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode != 0:
        raise SystemExit(f"bench: hoptap path ended with {process.returncode}")
    return use.ru_utime + use.ru_stime, time.monotonic() - began, use.ru_maxrss / 1024


def end_to_end(captures: list, folder: pathlib.Path) -> None:
    tracer = daemons.Tracer(HOPTAP, folder / "tracer")
    with daemons.running(tracer):
        pid = tracer.process.pid
        began = time.monotonic()
        probes = [daemons.Probe(HOPTAP, tracer.collector, folder / point, point, [(capture, point)]).start()
                  for capture, point in captures]
        probes_cpu = 0.0
        for probe in probes:  # a probe ends when all it has sent is acknowledged
            _, code, use = os.wait4(probe.process.pid, 0)
            probe.process.returncode = os.waitstatus_to_exitcode(code)
            if probe.process.returncode != 0:
                raise SystemExit(f"bench: a probe ended with {probe.process.returncode}: {probe.log()[-300:]}")
            probes_cpu += use.ru_utime + use.ru_stime
        acknowledged = time.monotonic() - began
        tracer.wait_until_settled()
        settled = time.monotonic() - began
        tracer_cpu, tracer_mib = cpu_seconds(pid), peak_mib(pid)
        records = sum(point["hops"] for point in tracer.get("points")["points"])
        rounds = tracer.metrics().get("hoptap_tracer_rounds_total")
        tracer.stop()
    floor_cpu, floor_s, floor_mib = offline(captures)
    say(f"{len(probes)} probes at once, {records} hop records; rounds of judging: {rounds:.0f}\n" if rounds else
        f"{len(probes)} probes at once, {records} hop records\n")
    say("| what | seconds | records/s | CPU s | records per CPU s | peak MiB |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    say(f"| all acknowledged (CPU: of the probes) | {acknowledged:.1f} | {records / acknowledged:,.0f} | {probes_cpu:.1f} "
        f"| {records / probes_cpu:,.0f} | |")
    say(f"| all settled (CPU: of the tracer) | {settled:.1f} | {records / settled:,.0f} | {tracer_cpu:.1f} "
        f"| {records / tracer_cpu:,.0f} | {tracer_mib:.0f} |")
    say(f"| peer: `hoptap path` on the same captures | {floor_s:.1f} | {records / floor_s:,.0f} | {floor_cpu:.1f} "
        f"| {records / floor_cpu:,.0f} | {floor_mib:.0f} |\n")


def bench_tracer(folder: pathlib.Path, records: int, stored: int) -> None:
    """@param stored  hop records in the database while traces are looked up"""
    plain = captures_of(folder, "plain", records)
    unique = captures_of(folder, "unique", records, **UNIQUE)
    say(f"\nLoad of the machine at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    lab = sorted((ROOT / "tests/pcaps/lab/demo/captures").glob("*.pcap"))
    for name, files in (("the lab's HTTP traffic, each point a probe", lab),
                        ("forged, every target different", [capture for capture, _ in plain]),
                        ("forged, also a unique x-request-id and traceparent", [capture for capture, _ in unique])):
        say(f"**On the wire: {name}**\n")
        run("hoptap-wire-speed", *files)
    say("**The tracer's steps**\n")
    run("hoptap-tracer-speed", *(capture for capture, _ in plain))
    say(f"**Looking up traces among {stored:,} hop records**\n\n```")
    run("hoptap-store-speed", stored // 8)
    say("```\n\n**End to end**\n")
    with tempfile.TemporaryDirectory(prefix="hoptap-bench-") as scratch:
        end_to_end(plain, pathlib.Path(scratch))
    say(f"Load at the end: {os.getloadavg()[0]:.1f}")
