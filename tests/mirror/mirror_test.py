#!/usr/bin/env python3
"""Mirrored feeds: one capture at a collector must say what the captures at the mirrored ports say.

usage: mirror_test.py HOPTAP PCAPS [CORPUS]
"""

import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

import mirrored
from mirrored import Session

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tracer"))
import daemons  # noqa: E402  (beside this folder)

HOPTAP, PCAPS = sys.argv[1], pathlib.Path(sys.argv[2])
CORPUS = pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else "absent")
CAPTURES = PCAPS / "lab/demo/captures"
SWITCH_A, SWITCH_B = CAPTURES / "04_switch-a.pcap", CAPTURES / "05_switch-b.pcap"
POINTS = [(SWITCH_A, "switch-a:switch"), (SWITCH_B, "switch-b:switch")]


def path(*words):
    done = subprocess.run((HOPTAP, "path", "--json", "--progress", "never", *map(str, words)), capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    lines = {"trace": [], "verdict": [], "summary": []}
    for line in done.stdout.decode().splitlines():
        row = json.loads(line)
        lines[row["type"]].append(row)
    return lines


def counters(lines):
    return lines["summary"][0]["counters"]


class RealCaptures(unittest.TestCase):
    """Public captures with ERSPAN, against what tshark says of them (in the oracle beside each)."""

    def test_sessions_and_packets(self):
        oracles = [(path, json.loads(path.read_text())) for path in sorted(CORPUS.glob("*/*.oracle.json"))]
        found = [(path, oracle) for path, oracle in oracles if "erspan.spanid" in oracle.get("encap", {})]
        if not found:
            self.skipTest(f"no captures with ERSPAN in {CORPUS}")
        for path, oracle in found:
            capture = path.with_name(path.name.removesuffix(".oracle.json"))
            done = subprocess.run((HOPTAP, "path", "--json", capture), capture_output=True, check=False)
            summary = json.loads(done.stdout.decode().splitlines()[-1])
            with self.subTest(capture.name):
                self.assertEqual(summary["counters"]["mirrored_packets"], oracle["protocols"]["erspan"])
                sessions = {int(point["name"].rpartition("/erspan-")[2].partition("-")[0])
                            for point in summary["points"] if "/erspan-" in point["name"]}
                # Type I has no session, and is 0 here.
                self.assertEqual(sessions - {0}, {int(one, 0) for one in oracle["encap"]["erspan.spanid"]} - {0})
        print(f"{len(found)} public captures with ERSPAN sessions: packets and sessions are those of tshark")


class Mirrors(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.scratch)
        self.feed = self.scratch / "collector.pcap"

    def named(self, one, other):
        return ("--point", f"{self.feed}/{one}=switch-a:switch", "--point", f"{self.feed}/{other}=switch-b:switch",
                self.feed)

    def assert_is_as_at_the_ports(self, lines):
        direct = daemons.offline(HOPTAP, POINTS)
        self.assertTrue(direct["trace"])
        self.assertEqual(daemons.differences(direct["trace"], lines["trace"]), [])
        self.assertEqual(direct["verdict"], lines["verdict"])

    def test_sessions_of_every_kind_are_points(self):
        for kind, name, one, other in (("erspan2", "erspan", 7, 8), ("erspan3", "erspan", 1, 1023),
                                       ("teb", "gre", 5, 6), ("vxlan", "vxlan", 900, 0xffffff)):
            mirrored.feed(self.feed, ((Session(kind, one), SWITCH_A), (Session(kind, other), SWITCH_B)))
            lines = path(*self.named(f"{name}-{one}", f"{name}-{other}"))
            with self.subTest(kind):
                self.assert_is_as_at_the_ports(lines)
                self.assertEqual(counters(lines).get("mirrored_packets_lost"), None if kind == "vxlan" else 0)
                self.assertEqual(counters(lines)["mirrored_packets"], counters(lines)["packets"])

    def test_erspan_needs_no_words(self):
        mirrored.feed(self.feed, ((Session("erspan2", 7), SWITCH_A), (Session("erspan2", 7, "198.18.255.2"), SWITCH_B)))
        lines = path(self.feed)
        names = {hop["point"] for trace in lines["trace"] for hop in trace["hops"]}
        self.assertEqual(names, {"collector/erspan-7", "collector/erspan-7-198.18.255.2"})
        self.assertEqual(counters(lines)["virtual_points_split"], 0)

    def test_type_one_has_no_session_but_a_switch(self):
        mirrored.feed(self.feed, ((Session("erspan1"), SWITCH_A), (Session("erspan1", 0, "198.18.255.2"), SWITCH_B)))
        lines = path(self.feed)
        names = {hop["point"] for trace in lines["trace"] for hop in trace["hops"]}
        self.assertEqual(names, {"collector/erspan-0", "collector/erspan-0-198.18.255.2"})

    def test_overlays_are_no_mirrors_unless_it_is_said(self):
        for kind, layer in (("vxlan", "vxlan"), ("teb", "teb")):
            mirrored.feed(self.feed, ((Session(kind, 900), SWITCH_A),))
            lines = path(self.feed)
            self.assertEqual(counters(lines)["mirrored_packets"], 0)
            for trace in lines["trace"]:
                for hop in trace["hops"]:
                    self.assertEqual(hop["point"], "collector")
                    self.assertEqual(hop["tunnels"][0], f"{layer}:900")

    def test_what_the_mirror_lost_is_counted_exactly(self):
        dice = random.Random(7)
        for kind, name in (("erspan2", "erspan"), ("erspan3", "erspan"), ("teb", "gre")):
            for share in (0.01, 0.1, 0.4):
                sessions = ((Session(kind, 7, sequence=2**32 - 40), SWITCH_A), (Session(kind, 8), SWITCH_B))
                total = sum(len(mirrored.pcapfile.read(capture)) for _, capture in sessions)
                # The first and the last of a session leave no gap.
                lost = mirrored.feed(self.feed, sessions,
                                     lambda at: not 4 <= at < total - 4 or dice.random() >= share)
                lines = path(*self.named(f"{name}-7", f"{name}-8"))
                with self.subTest(kind=kind, share=share, lost=lost):
                    self.assertGreater(lost, 0)
                    self.assertEqual(counters(lines)["mirrored_packets_lost"], lost)
                    self.assertTrue([note for note in lines["summary"][0]["notes"] if "lost on the way" in note])

    def test_what_cannot_be_known_is_not_said(self):
        """Type I has no numbers, and a capture of one packet has no gaps."""
        mirrored.feed(self.feed, ((Session("erspan1"), SWITCH_A),), lambda at: at % 3 > 0)
        lines = path(self.feed)
        self.assertEqual([note for note in lines["summary"][0]["notes"] if "lost on the way" in note], [])

    def test_more_points_than_may_be(self):
        """Those beyond stay with the capture, in their tunnel."""
        mirrored.feed(self.feed, [(Session("erspan2", number, f"198.18.{number >> 8}.{number & 255}"), SWITCH_A)
                                  for number in range(1, 81)])
        lines = path(self.feed)
        names = {point["name"] for point in lines["summary"][0]["points"]}
        self.assertEqual(len(names), 65)
        one = len(mirrored.pcapfile.read(SWITCH_A))
        note = f"{16 * one} mirrored packets belong to more points than there may be"
        self.assertTrue([text for text in lines["summary"][0]["notes"] if note in text], lines["summary"][0]["notes"])
        self.assertEqual(counters(lines)["mirrored_packets"], 80 * one)

    def config(self, mirrors):
        config = self.scratch / "probe.yaml"
        config.write_text(f"replay:\n  - file: {self.feed}\n    point: collector\n    mirrors:\n{mirrors}")
        return config

    def test_through_a_probe_and_a_tracer(self):
        lost = mirrored.feed(self.feed, ((Session("erspan2", 7, port=12), SWITCH_A), (Session("teb", 5), SWITCH_B)),
                             lambda at: at not in (50, 51, 200))
        config = self.config("      - {erspan: 7, from: 198.18.255.1, port: 12, point: switch-a, role: switch}\n"
                             "      - {gre: 5, point: switch-b, role: switch}\n")
        with daemons.running(daemons.Tracer(HOPTAP, self.scratch / "tracer")) as tracer:
            probe = daemons.Probe(HOPTAP, tracer.collector, self.scratch / "probe", "probe", [], "-c", config)
            probe.start().wait()
            tracer.wait_until_settled()
            points = {point["name"]: point for point in tracer.get("points")["points"]}
            traces = tracer.traces()
        said = path(*("--point", f"{self.feed}/erspan-7=switch-a:switch", "--point",
                      f"{self.feed}/gre-5=switch-b:switch", self.feed))
        self.assertEqual(daemons.differences(said["trace"], traces), [])
        self.assertEqual({name: points[name]["role"] for name in ("switch-a", "switch-b")},
                         {"switch-a": "switch", "switch-b": "switch"})
        self.assertEqual(points["switch-a"]["lost_packets"] + points["switch-b"]["lost_packets"], lost)
        read = points["switch-a"]["packets"] + points["switch-b"]["packets"]
        self.assertEqual(read, len(mirrored.pcapfile.read(self.feed)))

    def test_two_sessions_may_be_one_point(self):
        """Some switches have a session for each direction."""
        direct = path("--point", f"{SWITCH_A}=tor:switch", SWITCH_A)
        records = mirrored.pcapfile.read(SWITCH_A)
        sessions = {True: Session("erspan2", 7), False: Session("erspan2", 8)}
        first = records[0].frame[6:12]
        mirrored.pcapfile.write(self.feed, [
            mirrored.pcapfile.Record(one.time_ns, wrapped := sessions[one.frame[6:12] == first].wrap(one.frame),
                                     len(wrapped)) for one in records])
        lines = path("--point", f"{self.feed}/erspan-7=tor:switch", "--point", f"{self.feed}/erspan-8=tor:switch",
                     self.feed)
        self.assertEqual(daemons.differences(direct["trace"], lines["trace"]), [])

    def test_ports_of_a_session_are_told_apart(self):
        mirrored.feed(self.feed, ((Session("erspan3", 7, port=1), SWITCH_A), (Session("erspan3", 7, port=2), SWITCH_B)))
        config = self.config("      - {erspan: 7, port: 1, point: switch-a}\n"
                             "      - {erspan: 7, port: 2, point: switch-b}\n")
        with daemons.running(daemons.Tracer(HOPTAP, self.scratch / "tracer")) as tracer:
            daemons.Probe(HOPTAP, tracer.collector, self.scratch / "probe", "probe", [], "-c", config).start().wait()
            tracer.wait_until_settled()
            points = {point["name"]: point for point in tracer.get("points")["points"]}
            traces = tracer.traces()
        self.assertEqual(daemons.differences(daemons.offline(HOPTAP, POINTS)["trace"], traces), [])
        self.assertIsNone(points["switch-a"]["lost_packets"])  # of which of the two it would be, nobody knows

    def assert_has_the_time_of_the_switch(self, source, *points):
        direct = path("--point", f"{SWITCH_A}=tor:switch", SWITCH_A)["trace"]
        lines = path("--time", source, *points, self.feed)
        self.assertEqual(daemons.differences(direct, lines["trace"]), [])
        self.assertNotEqual(daemons.differences(direct, path(*points, self.feed)["trace"]), [])
        return lines["summary"][0]

    def test_stamps_in_frames(self):
        for kind in ("arista-64-tai", "arista-64-utc", "arista-48-tai", "arista-48-utc", "metamako", "metamako-fcs",
                     "cisco_ie", "cisco_hpt", "cisco_hpt-fcs"):
            records = [one._replace(frame=(frame := mirrored.stamped(kind, one.frame, one.time_ns)), wire_bytes=len(frame))
                       for one in mirrored.pcapfile.read(SWITCH_A)]
            mirrored.pcapfile.write(self.feed, mirrored.later(records, random.Random(7)))
            with self.subTest(kind):
                summary = self.assert_has_the_time_of_the_switch(kind.split("-")[0], "--point",
                                                                 f"{self.feed}=tor:switch")
                self.assertEqual([note for note in summary["notes"] if "stamp" in note], [])

    def test_who_stamped_is_told(self):
        """All of one, some of two; and by the tracer as by the captures."""
        records = list(mirrored.pcapfile.read(SWITCH_A))
        stamped = [one._replace(frame=(frame := mirrored.stamped("arista-64-utc", one.frame, one.time_ns)),
                                wire_bytes=len(frame)) for one in records]
        mirrored.pcapfile.write(self.feed, stamped[:-10] + records[-10:])
        mixed = [{"by": "arista", "unit_ns": 1, "packets": len(records) - 10},
                 {"by": "file", "unit_ns": 1, "packets": 10}]
        for words, wanted in (((), [{"by": "file", "unit_ns": 1, "packets": len(records)}]),
                              (("--time", "arista"), mixed)):
            points = path(*words, "--point", f"{self.feed}=tor", self.feed)["summary"][0]["points"]
            self.assertEqual([point["stamps"] for point in points], [wanted])
        config = self.config("      []\n    time: arista\n")
        with daemons.running(daemons.Tracer(HOPTAP, self.scratch / "tracer")) as tracer:
            daemons.Probe(HOPTAP, tracer.collector, self.scratch / "probe", "probe", [], "-c", config).start().wait()
            tracer.wait_until_settled()
            self.assertEqual([point["stamps"] for point in tracer.get("points")["points"]], [mixed])

    def test_who_stamped_is_told_for_each_mirror(self):
        """Whole stamps in one session, none in the other, and packets of no mirror."""
        mirrored.feed(self.feed, ((Session("erspan3", 7, port=3), SWITCH_A), (Session("erspan2", 8), SWITCH_B)))
        counts = [len(mirrored.pcapfile.read(one)) for one in (SWITCH_A, SWITCH_B)]
        lines = path("--time", "erspan", "--point", f"{self.feed}/erspan-7=a", "--point", f"{self.feed}/erspan-8=b",
                     self.feed)
        points = {point["name"]: point.get("stamps") for point in lines["summary"][0]["points"]}
        self.assertEqual(points["a"], [{"by": "erspan", "unit_ns": 1, "packets": counts[0]}])
        self.assertEqual(points["b"], [{"by": "file", "unit_ns": 1, "packets": counts[1]}])
        self.assertIsNone(points["collector"])  # none of its own

    def test_stamps_in_erspan(self):
        for session in (Session("erspan3", 7, port=3), Session("erspan3", 7, seconds=True)):
            mirrored.feed(self.feed, ((session, SWITCH_A),), delay=lambda kept: mirrored.later(kept, random.Random(7)))
            self.assert_has_the_time_of_the_switch("erspan", "--point", f"{self.feed}/erspan-7=tor:switch")

    def test_packets_without_a_stamp_are_counted(self):
        """And keep the capture's time: 32 bits of ERSPAN say too little, and a clock from 1970 is not set."""
        direct = path("--point", f"{SWITCH_A}=tor:switch", SWITCH_A)["trace"]
        whole = len(mirrored.pcapfile.read(SWITCH_A))
        mirrored.feed(self.feed, ((Session("erspan3", 7), SWITCH_A),))
        lines = path("--time", "erspan", "--point", f"{self.feed}/erspan-7=tor:switch", self.feed)
        self.assertEqual(daemons.differences(direct, lines["trace"]), [])
        self.assertIn(f"{whole} of {whole} packets have no stamp", " ".join(lines["summary"][0]["notes"]))
        records = [one._replace(frame=(frame := mirrored.stamped("arista-64-utc", one.frame, 5 * 10**9)),
                                wire_bytes=len(frame)) for one in mirrored.pcapfile.read(SWITCH_A)]
        mirrored.pcapfile.write(self.feed, records)
        lines = path("--time", "arista", "--point", f"{self.feed}=tor:switch", self.feed)
        self.assertEqual(daemons.differences(direct, lines["trace"]), [])
        self.assertIn(f"{whole} one that is too far from when", " ".join(lines["summary"][0]["notes"]))

    def ticks(self, mode, **of_switch):
        """A feed of an Arista 7150: every frame with its counter, a keyframe each second, all up to 2 ms late."""
        switch = mirrored.TickSwitch(mode, **of_switch)
        records = list(switch.send(mirrored.pcapfile.read(SWITCH_A)))
        mirrored.pcapfile.write(self.feed, mirrored.later(records, random.Random(7)))
        return switch

    def assert_times_are_near(self, direct, found, most_ns):
        """The same exchanges, but for times that are so far off at most (and ids, where they come from times)."""
        def times(traces):
            return sorted((hop["source"], hop["target"], hop["resource"], key, value) for trace in traces
                          for hop in trace["hops"] for key, value in hop.items() if key.endswith("_ns"))
        ours, theirs = times(direct), times(found)
        self.assertEqual([row[:-1] for row in ours], [row[:-1] for row in theirs])
        self.assertGreater(len(ours), 100)
        worst = max(abs(one[-1] - other[-1]) for one, other in zip(ours, theirs))
        self.assertLessEqual(worst, most_ns)

    def test_counters_and_keyframes(self):
        direct = path("--point", f"{SWITCH_A}=tor:switch", SWITCH_A)["trace"]
        for mode, of_switch in (("append", {}), ("append-fcs", {}), ("replace", {}), ("append", {"has_skew": True}),
                                ("append", {"ppm": 80}), ("replace", {"ppm": -80, "ticks": 2**31 - 1000}),
                                ("append-fcs", {"ticks": 2**64 - 10**6})):
            switch = self.ticks(mode, **of_switch)
            lines = path("--time", "arista_7150", "--point", f"{self.feed}=tor:switch", self.feed)
            with self.subTest(mode, **of_switch):
                notes = [note for note in lines["summary"][0]["notes"] if "stamp" in note or "keyframe" in note]
                self.assertEqual(notes, [])
                # Half a tick each of frame and keyframe, and what the last second tells of the next.
                self.assert_times_are_near(direct, lines["trace"], 10)

    def test_without_keyframes_the_capture_counts(self):
        direct = path("--point", f"{SWITCH_A}=tor:switch", SWITCH_A)["trace"]
        records = list(mirrored.TickSwitch("append", every_ns=0).send(mirrored.pcapfile.read(SWITCH_A)))
        mirrored.pcapfile.write(self.feed, records)
        lines = path("--time", "arista_7150", "--point", f"{self.feed}=tor:switch", self.feed)
        self.assertEqual(daemons.differences(direct, lines["trace"]), [])
        notes = " ".join(lines["summary"][0]["notes"])
        self.assertIn(f"{len(records)} for want of a keyframe", notes)
        self.assertIn("none came", notes)

    def test_mirrors_that_never_match_are_told(self):
        mirrored.feed(self.feed, ((Session("erspan2", 7), SWITCH_A),))
        lines = path("--point", f"{self.feed}/erspan-7=tor:switch", "--point", f"{self.feed}/erspan-8=leaf:switch",
                     "--point", f"{self.feed}/vxlan-900=spine", self.feed)
        notes = [note for note in lines["summary"][0]["notes"] if "no packet was of the mirror" in note]
        self.assertEqual(len(notes), 2, notes)
        self.assertIn("'erspan 8' (leaf): what came is ERSPAN II session 7 from 198.18.255.1", notes[0])
        self.assertIn("'vxlan 900' (spine)", notes[1])

    def test_a_probe_tells_of_mirrors_that_never_match(self):
        mirrored.feed(self.feed, ((Session("erspan3", 7, port=1), SWITCH_A),))
        config = self.config("      - {erspan: 7, from: 198.18.255.2, point: other-switch}\n"
                             "      - {erspan: 7, port: 2, point: other-port}\n"
                             "      - {erspan: 7, port: 1, direction: out, point: other-way}\n"
                             "      - {erspan: 7, port: 1, point: tor}\n")
        with daemons.running(daemons.Tracer(HOPTAP, self.scratch / "tracer")) as tracer:
            done = subprocess.run((HOPTAP, "probe", "-c", config, "--tracer", tracer.collector), capture_output=True,
                                  text=True, check=True, timeout=60)
        told = [line for line in done.stderr.splitlines() if "no packet was of the mirror" in line]
        self.assertEqual([word in line for word, line in zip(("other-switch", "other-port", "other-way"), told)],
                         [True] * 3, done.stderr)
        self.assertIn("what came is ERSPAN III session 7 from 198.18.255.1", told[0])
        self.assertIn("direction", told[2])

    def test_time_through_a_probe(self):
        mirrored.feed(self.feed, ((Session("erspan3", 7, port=3), SWITCH_A),),
                      delay=lambda kept: mirrored.later(kept, random.Random(7)))
        config = self.config("      - {erspan: 7, point: tor, role: switch}\n    time: erspan\n")
        with daemons.running(daemons.Tracer(HOPTAP, self.scratch / "tracer")) as tracer:
            daemons.Probe(HOPTAP, tracer.collector, self.scratch / "probe", "probe", [], "-c", config).start().wait()
            tracer.wait_until_settled()
            traces = tracer.traces()
        direct = path("--point", f"{SWITCH_A}=tor:switch", SWITCH_A)["trace"]
        self.assertEqual(daemons.differences(direct, traces), [])

    def test_wrong_configuration_is_explained(self):
        self.feed.touch()
        for mirrors, word in (("      - {point: a}\n", "begins with"), ("      - {erspan: 1024}\n", "1023"),
                              ("      - {erspan: 1, vxlan: 2}\n", "one too many"),
                              ("      - {vxlan: 1, port: 2}\n", "ERSPAN only"),
                              ("      - {gre: 1, direction: in}\n", "type III"),
                              ("      - {erspan: 1, from: tor}\n", "address"),
                              ("      - {erspan: 1, rol: pod}\n", "role"), ("      []\n    time: ttag\n", "metamako"),
                              ("      - {erspan: 1, point: collector}\n", "name of its own")):
            done = subprocess.run((HOPTAP, "probe", "-c", self.config(mirrors), "--check"), capture_output=True,
                                  check=False)
            with self.subTest(mirrors):
                self.assertEqual(done.returncode, 2)
                self.assertIn(word.encode(), done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
