#!/usr/bin/env python3
"""Tracer and probes killed with SIGKILL at random under load: no acknowledged record is lost, none counts twice.

    kill_test.py --hoptap PATH [--kills 100] [--probe-kills 20] [--seed N]
"""

import argparse
import collections
import pathlib
import random
import sys
import tempfile
import time

import daemons
import forging

# So slow that the load lasts as long as the killing: batches of 20 records, some of them a second for each probe.
TRACER = "collect: {batches_per_second_max: %d}\nwindow: {records_max: 4000}\n"
PROBE = "batch_records_max: 20\ntracer: {retry_max_s: 0.5}\n"


def kill_at_random(tracer, probes, options, dice):
    """@return how many kills of the tracer fell into the load, and of probes."""
    under_load = probe_kills = 0
    order = ["tracer"] * options.kills + ["probe"] * options.probe_kills
    dice.shuffle(order)
    for whom in order:
        time.sleep(dice.uniform(0.0, 0.5))
        running = [probe for probe in probes if probe.process.poll() is None]
        if whom == "tracer":
            under_load += bool(running)
            tracer.kill()
            tracer.start()
        elif running:
            probe = dice.choice(running)
            probe.kill()
            probe.start()
            probe_kills += 1
    return under_load, probe_kills


def messages_of(traces):
    """Every request and response as a point saw it. Two halves of an exchange are one hop where they were joined."""
    return collections.Counter(
        (hop["point"], way, hop[f"{way}_first_ns"], hop["source"], hop["target"])
        for trace in traces for hop in trace["hops"] for way in ("request", "response") if hop[f"{way}_first_ns"])


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--hoptap", required=True)
    words.add_argument("--kills", type=int, default=100)
    words.add_argument("--probe-kills", type=int, default=20)
    words.add_argument("--requests", type=int, default=6000)
    words.add_argument("--batches-per-second", type=int, default=3)
    words.add_argument("--seed", type=int, default=1)
    options = words.parse_args()
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="hoptap-kill-") as scratch:
        folder = pathlib.Path(scratch)
        captures = forging.forge(options.hoptap, folder, "load", requests=options.requests, rate_per_s=200)
        expected = daemons.offline(options.hoptap, captures)
        records = sum(len(trace["hops"]) for trace in expected["trace"])
        (folder / "probe.yaml").write_text(PROBE)
        tracer = daemons.Tracer(options.hoptap, folder / "tracer", TRACER % options.batches_per_second)
        with daemons.running(tracer):
            probes = [daemons.Probe(options.hoptap, tracer.collector, folder / point, point, [(capture, point)], "-c",
                                    folder / "probe.yaml").start() for capture, point in captures]
            began = time.monotonic()
            under_load, probe_kills = kill_at_random(tracer, probes, options, dice)
            lasted = time.monotonic() - began
            for probe in probes:
                probe.wait()
            tracer.wait_until_settled()
            traces = tracer.traces()
            status = tracer.get("status")
        expected_messages, messages = messages_of(expected["trace"]), messages_of(traces)
        lost = expected_messages - messages
        twice = messages - expected_messages
        print(f"{options.kills} kills of the tracer in {lasted:.0f} s, {under_load} of them while probes were sending, "
              f"{probe_kills} of probes; {status['open_traces']} of {status['traces']} traces still open")
        print(f"{records} hop records of {expected_messages.total()} messages sent and acknowledged, {messages.total()} messages "
              f"in traces: {lost.total()} lost, {twice.total()} counted twice; {len(expected['trace'])} traces expected, "
              f"{len(traces)} there")
        failed = [f"{lost.total()} messages are lost"] * bool(lost) + [f"{twice.total()} count twice"] * bool(twice)
        failed += ["the load ended before most of the killing"] * (under_load < options.kills * 0.8)
        failed += ["too few probes were killed"] * (probe_kills < options.probe_kills * 0.8)
        for line in failed:
            print(line)
        return 1 if failed else 0


sys.exit(main())
