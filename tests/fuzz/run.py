#!/usr/bin/env python3
"""Runs every fuzz target for some seconds, from the captures in tests/pcaps as seeds.

usage: run.py BUILD_FOLDER SECONDS [TARGET...]    a crash leaves its input in BUILD_FOLDER and ends with 1
"""
import pathlib
import shutil
import subprocess
import sys

SEED_BYTES_MAX = 65536


def seeds(target: str, folder: pathlib.Path) -> None:
    """Whole small captures for the file reader; their raw packets serve the others well enough as bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    pcaps = pathlib.Path(__file__).resolve().parent.parent / "pcaps"
    for path in sorted(pcaps.rglob("*.pcap*")):
        if path.stat().st_size <= SEED_BYTES_MAX:
            shutil.copyfile(path, folder / path.relative_to(pcaps).as_posix().replace("/", "_"))


def main() -> int:
    build, seconds, wanted = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    targets = sorted(path for path in build.glob("*_fuzz") if not wanted or path.name in wanted)
    if not targets:
        print(f"run.py: no fuzz target in {build}; build with -Dfuzz=true and clang", file=sys.stderr)
        return 2
    failed = []
    for target in targets:
        corpus = build / "corpus" / target.name
        seeds(target.name, corpus)
        done = subprocess.run((str(target), str(corpus), f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=10",
                               "-print_final_stats=1", f"-artifact_prefix={build}/{target.name}-"),
                              stderr=subprocess.PIPE, text=True, check=False)
        runs = next((line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line), "?")
        print(f"{target.name}: {runs} runs in {seconds} s, {'clean' if done.returncode == 0 else 'FAILED'}", flush=True)
        if done.returncode != 0:
            failed.append(target.name)
            print(done.stderr[-4000:])
    return 1 if failed else 0


sys.exit(main())
