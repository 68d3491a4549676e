#!/usr/bin/env python3
"""What an attacker's packet costs, in instructions: not more when there are twice as many and all limits are twice as wide.

usage: adversary_test.py PROGRAM [CASE...]    needs valgrind, else skipped. Instructions do not depend on the machine's load.
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
PACKETS = 4096
GROWTH_MAX = 1.15  # trees are a level deeper when there are twice as many
SECRET_SEED = 0xD6E8FEB86659FD93  # any 64 random bits

# Instructions that a packet may cost.
BOUNDS = {"http_false_responses": 40_000, "dns_tcp_resync": 40_000, "http_false_requests": 5000}  # of 1,000 bytes
BOUND = 6000  # of the others, which are small: what closing one flow and beginning another costs


def instructions(program: str, case: str, packets: int, seed: int) -> int:
    """Within the engine: making the packets does not count."""
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(("valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch}/out",
                               "--toggle-collect=hoptap_adversary_measured", program, case, str(packets), "--seed", str(seed)),
                              capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{case}: ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def cost(program: str, case: str, seed: int = SECRET_SEED) -> tuple[float, float]:
    """Of one packet: among the first PACKETS, and among as many more when there are twice as many."""
    first, both = (instructions(program, case, packets, seed) for packets in (PACKETS, 2 * PACKETS))
    return first / PACKETS, (both - first) / PACKETS


def main() -> int:
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        return SKIPPED
    program = str(pathlib.Path(sys.argv[1]).resolve())
    known = subprocess.run((program,), capture_output=True, text=True, check=True).stdout.split()
    cases = sys.argv[2:] or known
    failed = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        open_seed = pool.submit(cost, program, "colliding_keys", 0)
        for case, (first, then) in zip(cases, pool.map(lambda one: cost(program, one), cases)):
            bound = BOUNDS.get(case, BOUND)
            fits = max(first, then) <= bound and then <= GROWTH_MAX * first
            failed += [] if fits else [case]
            print(f"{case:24} {first:8.0f} {then:8.0f} of {bound} instructions a packet{'' if fits else '  TOO MUCH'}", flush=True)
        first, then = open_seed.result()
    # The keys do collide: whoever knows the seed makes every packet search as many flows as there are.
    collides = then > 1.5 * first
    print(f"{'colliding_keys, seed known':24} {first:6.0f} {then:8.0f}, as expected{'' if collides else '  NOT: they do not collide'}")
    print(f"{len(cases) - len(failed)} of {len(cases)} cases fit")
    return 1 if failed or not collides else 0


sys.exit(main())
