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

# Instructions that a packet may cost: those that begin or close a flow or an exchange, those of a known one, and those of
# 1,000 bytes that look like many messages.
BOUND, SMALL, LARGE = 6000, 2500, 40_000
BOUNDS = dict.fromkeys(
    """hole_forward hole_random overlaps duplicate_acks retransmissions http_heads http_endless_line http_endless_fields
    http_short_lines http_blank_lines http_blanks http_status_bytes http_trailer http_chunk_lines tls_hello tls_records
    dns_tcp_bytes dns_tcp_endless opaque_turns opaque_bytes ordinary pipelined pipelined_answer_bytes vnis twins
    fragments_forward fragments_reverse fragments_random fragments_overlapping fragments_endless fragments_last
    extensions tags options""".split(), SMALL) | {"http_false_responses": LARGE, "dns_tcp_resync": LARGE}


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
