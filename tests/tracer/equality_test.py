#!/usr/bin/env python3
"""Captures through probes and a tracer, separate processes: the answer is that of `hoptap path` on the same captures.

    equality_test.py --hoptap PATH --pcaps FOLDER

For the lab's captures and some of the forge's: all probes at once; one after the other in a random order, so that the
first has ended long before the last begins; probes and tracer killed and started again in the middle; one point up to
60 s of traffic behind the others.
"""

import argparse
import pathlib
import random
import sys
import tempfile
import time

import daemons
import forging

SLOW = "collect: {bytes_per_second_max: 60000}\n"



class Trial:
    """One way for the records to arrive."""

    def __init__(self, hoptap, folder, captures, config=""):
        self.hoptap, self.folder, self.captures = hoptap, folder, captures
        self.tracer = daemons.Tracer(hoptap, folder, config)

    def probe(self, at, *options):
        capture, point = self.captures[at]
        return daemons.Probe(self.hoptap, self.tracer.collector, self.folder / point, point, [(capture, point)], *options)

    def all_at_once(self, dice):
        probes = [self.probe(at).start() for at in range(len(self.captures))]
        for probe in probes:
            probe.wait()

    def one_after_the_other(self, dice):
        for at in dice.sample(range(len(self.captures)), len(self.captures)):
            self.probe(at).start().wait()
            if dice.random() < 0.3:
                self.tracer.wait_until_settled()

    def two_probes_of_several_points(self, dice):
        half = len(self.captures) // 2
        for name, captures in (("left", self.captures[:half]), ("right", self.captures[half:])):
            daemons.Probe(self.hoptap, self.tracer.collector, self.folder / name, name, captures).start().wait()

    def with_restarts(self, dice):
        """Probes are killed and started again twice each, the tracer three times."""
        probes = [self.probe(at).start() for at in range(len(self.captures))]
        for turn in range(2 * len(probes)):
            time.sleep(dice.uniform(0.02, 0.1))
            probe = probes[turn % len(probes)]
            if probe.process.poll() is None:
                probe.kill()
                probe.start()
            if turn % 5 == 2:
                self.tracer.kill()
                self.tracer.start()
        for probe in probes:
            probe.wait()

    def one_far_behind(self, dice):
        late = dice.randrange(len(self.captures))
        for at in range(len(self.captures)):
            if at != late:
                self.probe(at).start().wait()
        self.tracer.wait_until_settled()
        self.probe(late).start().wait()

    def judge(self, expected):
        """Differences to the offline answer, in words."""
        self.tracer.wait_until_settled()
        found = daemons.differences(expected["trace"], self.tracer.traces())
        verdicts = self.tracer.get("verdicts", limit=1000)["verdicts"]
        for scope in ("run", "window"):
            ours = sorted((one for one in expected["verdict"] if one["scope"] == scope), key=start_of)
            theirs = sorted((one for one in verdicts if one["scope"] == scope), key=start_of)
            if not ours or ours != theirs:
                found.append(f"the verdicts of scope {scope} differ: {theirs} and {ours}"[:400])
        found += segment_differences(expected["trace"], self.tracer.get("segments", limit=1000)["segments"])
        status = self.tracer.get("status")
        if status["late_records"]:
            found.append(f"{status['late_records']} records were late")
        return found


def start_of(verdict):
    return verdict.get("start_ns", 0)


def segment_differences(traces, rows):
    """Counts and lost copies of each part of the paths, summed over time."""
    def sums(parts):
        total = {}
        for key, count, request, response in parts:
            one = total.setdefault(key, [0, 0, 0])
            one[0], one[1], one[2] = one[0] + count, one[1] + request, one[2] + response
        return total

    expected = sums(((part["kind"], part.get("from", part.get("sender", part.get("at"))), part.get("to", part.get("at"))),
                     1, part.get("request_copies_lost", 0), part.get("response_copies_lost", 0))
                    for trace in traces for part in trace["parts"])
    api = sums(((row["kind"], row["from"], row["to"]), row["requests"], row["request_copies_lost"],
                row["response_copies_lost"]) for row in rows)
    api = {key: value for key, value in api.items() if value[0]}
    return [] if api == expected else [f"segments differ: {sorted(set(map(str, api.items())) ^ set(map(str, expected.items())))[:4]}"]


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--hoptap", required=True)
    words.add_argument("--pcaps", required=True, type=pathlib.Path)
    words.add_argument("--seed", type=int, default=1)
    options = words.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory(prefix="hoptap-equality-") as scratch:
        folder = pathlib.Path(scratch)
        sets = {
            "lab": daemons.points_of(options.pcaps / "lab" / "demo" / "captures"),
            "forge": forging.forge(options.hoptap, folder, "quick", requests=600, rate_per_s=200),
            "forge, 60 s": forging.forge(options.hoptap, folder, "long", requests=900, rate_per_s=15),
        }
        for name, captures in sets.items():
            expected = daemons.offline(options.hoptap, captures, "--window", "60")
            for way, config in (("all_at_once", ""), ("one_after_the_other", ""),
                                ("two_probes_of_several_points", ""), ("with_restarts", SLOW),
                                ("one_far_behind", "")):
                dice = random.Random(f"{options.seed} {name} {way}")
                trial = Trial(options.hoptap, folder / f"{name}-{way}", captures, config)
                began = time.monotonic()
                with daemons.running(trial.tracer):
                    getattr(trial, way)(dice)
                    found = trial.judge(expected)
                records = sum(len(trace["hops"]) for trace in expected["trace"])
                print(f"{name}: {way.replace('_', ' ')}: {len(expected['trace'])} traces of {records} records: "
                      f"{'equal' if not found else 'DIFFERENT'} ({time.monotonic() - began:.1f} s)", flush=True)
                for line in found:
                    print("  " + line)
                failures += bool(found)
    print("every answer is that of hoptap path" if not failures else f"{failures} answers differ")
    return 1 if failures else 0


sys.exit(main())
