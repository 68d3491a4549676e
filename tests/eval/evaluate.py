#!/usr/bin/env python3
"""How often hoptap is right: forged captures of many faults against their exact truth.

    evaluate.py [--short] [--first-seed N] [--cells A,B] [--write FILE] [--hoptap PATH]

Makes each cell's captures with `hoptap forge`, lets `hoptap path` judge them, and prints tables with 95 % Wilson
intervals. Exits with 1 when a bound is broken. Seeds below 1000 are for tuning, 1000 and up for the report.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import factors
import report
import score

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WINDOW_S = 50 / factors.RATE_PER_S


def run_cell(cell: factors.Cell, hoptap: str) -> tuple[factors.Cell, score.Score]:
    """Forges, judges and scores one cell."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        scenario = factors.scenario(cell)
        (folder / "scenario.yaml").write_text(json.dumps(scenario))
        run(hoptap, "forge", folder / "scenario.yaml", "--out", folder / "out")
        output = folder / "path.jsonl"
        captures = sorted((folder / "out" / "captures").glob("*.pcap"))
        with open(output, "wb") as target:
            run(hoptap, "path", "--json", "--progress", "never", "--window", WINDOW_S, *captures, stdout=target)
        return cell, score.score(folder / "out", scenario, output)


def run(*words, stdout=subprocess.DEVNULL) -> None:
    done = subprocess.run([str(word) for word in words], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words[:3]))} ended with {done.returncode}: {done.stderr.strip()[-400:]}")


def join_speed(cell: factors.Cell, hoptap: str) -> str:
    """What `hoptap-join-speed` says of one cell's records; best of three."""
    program = pathlib.Path(hoptap).parent.parent / "tests/bench/hoptap-join-speed"
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "scenario.yaml").write_text(json.dumps(factors.scenario(dataclasses.replace(cell, requests=10_000))))
        run(hoptap, "forge", folder / "scenario.yaml", "--out", folder / "out")
        captures = sorted((folder / "out" / "captures").glob("*.pcap"))
        lines = [subprocess.run([program, *captures], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                check=True).stdout.strip() for _ in range(3)]
    return max(lines, key=lambda line: int(line.split(", ")[1].split()[0]))


def chosen_cells(chosen: argparse.Namespace) -> list[factors.Cell]:
    if chosen.short:
        cells = factors.covering_cells(chosen.first_seed, min(chosen.requests, 1000))
    else:
        cells = factors.covering_cells(chosen.first_seed, chosen.requests)
        cells += factors.open_cells(chosen.first_seed + 500, chosen.requests)
    if chosen.cells:
        cells = [cell for cell in cells if any(word in f"{cell.name} {cell.box} {cell.fault}" for word in chosen.cells.split(","))]
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hoptap", default=str(ROOT / "build/appliance/hoptap"))
    parser.add_argument("--short", action="store_true", help="half the requests and no cells without bounds, for CI")
    parser.add_argument("--requests", type=int, default=2000, help="per cell")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--cells", help="only cells whose name, box or fault contains one of these words")
    parser.add_argument("--write", type=pathlib.Path, help="write the report there, as Markdown")
    parser.add_argument("--examples", action="store_true", help="show what went wrong")
    chosen = parser.parse_args()
    cells = chosen_cells(chosen)
    results = []
    with concurrent.futures.ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(run_cell, cell, chosen.hoptap) for cell in cells]
        for done in concurrent.futures.as_completed(waiting):
            results.append(done.result())
            if sys.stderr.isatty():
                print(f"\r{len(results)} of {len(cells)} cells", end="", file=sys.stderr, flush=True)
    results.sort(key=lambda result: result[0].seed)
    text, broken = report.report(results)
    print(text)
    if chosen.examples:
        print(json.dumps(collect_examples(results), indent=1))
    if chosen.write:
        chosen.write.write_text(report.page(text, join_speed(cells[0], chosen.hoptap)))
    for line in broken:
        print(f"BROKEN: {line}")
    print(f"evaluation: {len(cells)} cells, {len(broken)} bounds broken")
    sys.exit(1 if broken and not chosen.cells else 0)  # some cells alone may have nothing for a bound


def collect_examples(results: list) -> dict:
    examples = collections.defaultdict(list)
    for _, one in results:
        for name, texts in one.examples.items():
            examples[name] += texts[:2]
    return {name: texts[:24] for name, texts in examples.items()}


if __name__ == "__main__":
    main()
