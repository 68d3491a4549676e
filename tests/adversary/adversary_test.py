#!/usr/bin/env python3
"""What an attacker's packet costs, in instructions: not more when there are twice as many of them.

usage: adversary_test.py PROGRAM    needs valgrind, else skipped. Instructions do not depend on the machine's load.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
PACKETS = 12000
GROWTH_MAX = 1.3  # of a packet's cost when there are twice as many: pools grow, trees are a level deeper

# Instructions that a packet may cost: what it does now, and a third more.
BOUNDS = {
    "tiny-forward": 6000, "tiny-reverse": 3500, "tiny-random": 5500, "overlapping": 2000, "same-again": 1600,
    "head-by-byte": 1700, "fields-by-byte": 1400, "unknown-by-byte": 1700, "pipelined": 4200, "ids-unanswered": 3200,
    "syn-flood": 3100, "udp-flood": 5600, "tunnels": 6200, "time-leaps": 3100,
}


def instructions(program: str, case: str, packets: int) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(("valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch}/out", program, case, str(packets)),
                              capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def cost(program: str, case: str) -> tuple[float, float]:
    """Of one packet, among the first PACKETS more and among twice as many."""
    least, middle, most = (instructions(program, case, n) for n in (PACKETS, 2 * PACKETS, 4 * PACKETS))
    return (middle - least) / PACKETS, (most - middle) / (2 * PACKETS)


def main() -> int:
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        return SKIPPED
    program = str(pathlib.Path(sys.argv[1]).resolve())
    failed = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for case, (first, then) in zip(BOUNDS, pool.map(lambda one: cost(program, one), BOUNDS)):
            fits = max(first, then) <= BOUNDS[case] and then <= GROWTH_MAX * first
            failed += [] if fits else [case]
            print(f"{case:18} {first:8.0f} {then:8.0f} of {BOUNDS[case]} instructions a packet{'' if fits else '  TOO MUCH'}")
    print(f"{len(BOUNDS) - len(failed)} of {len(BOUNDS)} cases fit")
    return 1 if failed else 0


sys.exit(main())
