#!/usr/bin/env python3
"""The command line as a person meets it: help, errors, exit codes, sources, stability.

usage: cli_test.py HOPTAP PCAPS
"""
import gzip
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

HOPTAP, PCAPS = sys.argv[1], pathlib.Path(sys.argv[2])
DEMO = sorted(str(path) for path in (PCAPS / "lab/demo/captures").glob("*.pcap"))


def hoptap(*words, **more):
    return subprocess.run((HOPTAP, *map(str, words)), capture_output=True, check=False, **more)


def rows(done):
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.scratch)

    def test_help_teaches(self):
        for words, word in ((["--help"], b"hoptap path"), (["path", "--help"], b"FILE"), (["records", "--help"], b"FILE"),
                            (["forge", "--help"], b"SCENARIO"), (["probe", "--help"], b"--replay"),
                            (["tracer", "--help"], b"--example"), (["traces", "--help"], b"--tracer"),
                            (["verdicts", "--help"], b"--tracer"), (["points", "--help"], b"--tracer"),
                            (["metrics", "--help"], b"--tracer")):
            done = hoptap(*words)
            self.assertEqual(done.returncode, 0)
            self.assertIn(word, done.stdout)

    def test_wrong_usage_is_2(self):
        for words in ([], ["path"], ["path", "--nonsense", DEMO[0]], ["nonsense"],
                      ["path", "--point", "x", DEMO[0]], ["path", "--point", "other.pcap=a:node", DEMO[0]],
                      ["path", "--point", DEMO[0] + "=a:nonsense", DEMO[0]], ["probe"],
                      ["probe", "--replay", DEMO[0] + "=a:nonsense"], ["probe", "--replay", DEMO[0] + "="],
                      ["probe", "--replay", DEMO[0] + "=a", "--replay", DEMO[1] + "=a"], ["tracer", "--http", "8717"]):
            done = hoptap(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertTrue(done.stderr or done.stdout, words)

    def test_what_is_no_capture_is_3_and_named(self):
        elf = self.scratch / "program"
        shutil.copyfile(HOPTAP, elf)
        text = self.scratch / "text.pcap"
        text.write_text("hello, this is no capture\n" * 10)
        empty = self.scratch / "empty.pcap"
        empty.touch()
        for path, word in ((elf, b"ELF"), (text, b"text"), (empty, b"empty"), (self.scratch, b"directory"),
                           (self.scratch / "absent", b"No such file")):
            done = hoptap("path", path)
            self.assertEqual(done.returncode, 3, path)
            self.assertIn(word, done.stderr)
            self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
            self.assertIn(str(path).encode(), done.stderr)

    def test_nothing_found_is_1(self):
        done = hoptap("path", "-f", "port 9", *DEMO)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"no request", done.stderr)

    def test_bad_filter_is_said(self):
        done = hoptap("path", "-f", "prt 80", DEMO[0])
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"syntax error", done.stderr)

    def test_filter_keeps_only_what_matches(self):
        done = hoptap("path", "--json", "-f", "udp port 53 or udp port 8472", *DEMO)
        self.assertTrue(rows(done))
        plain = hoptap("records", "-f", "udp port 53", DEMO[0])
        self.assertEqual({row["protocol"] for row in rows(plain)}, {"dns"})

    def test_order_of_files_does_not_change_the_answer(self):
        forth, back = (rows(hoptap("path", "--json", *files)) for files in (DEMO, DEMO[::-1]))
        self.assertEqual(sorted(row["id"] for row in forth if row["type"] == "trace"),
                         sorted(row["id"] for row in back if row["type"] == "trace"))
        paths = [{row["id"]: [hop["point"] for hop in row["hops"]] for row in each if row["type"] == "trace"}
                 for each in (forth, back)]
        self.assertEqual(*paths)

    def test_two_runs_are_byte_identical(self):
        for words in (["path", "--json", *DEMO], ["path", *DEMO], ["records", *DEMO]):
            self.assertEqual(hoptap(*words).stdout, hoptap(*words).stdout)

    def test_every_container_gives_the_same_records(self):
        plain = pathlib.Path(DEMO[0])
        packed = self.scratch / "packed.pcap.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        swapped = self.scratch / "swapped.pcap"
        swapped.write_bytes(swap_byte_order(plain.read_bytes()))
        expected = hoptap("records", plain).stdout
        self.assertEqual(hoptap("records", packed).stdout, expected)
        self.assertEqual(hoptap("records", swapped).stdout, expected)
        self.assertEqual(hoptap("records", "-", input=plain.read_bytes()).stdout, expected)
        if shutil.which("zstd"):
            subprocess.run(("zstd", "-q", str(plain), "-o", str(self.scratch / "packed.zst")), check=True)
            self.assertEqual(hoptap("records", self.scratch / "packed.zst").stdout, expected)

    def test_cut_off_capture_is_said_and_used(self):
        cut = self.scratch / "cut.pcap"
        cut.write_bytes(pathlib.Path(DEMO[0]).read_bytes()[:-7])
        done = hoptap("path", cut)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"cut", done.stdout)

    def test_forge_makes_what_path_reads(self):
        scenario, out = self.scratch / "try.yaml", self.scratch / "try"
        scenario.write_bytes(hoptap("forge", "--example").stdout)
        done = hoptap("forge", scenario, "--out", out)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        truth = [json.loads(line) for line in (out / "truth.jsonl").read_text().splitlines()]
        self.assertEqual(len(truth), 1 + 400)
        joined = rows(hoptap("path", "--json", *sorted((out / "captures").glob("*.pcap"))))
        self.assertEqual({row["resource"].split("id=")[1] for row in joined if "id=" in row.get("resource", "")},
                         {row["id"] for row in truth[1:]})

    def test_a_refused_forge_leaves_other_captures_alone(self):
        scenario, out = self.scratch / "try.yaml", self.scratch / "kept"
        example = hoptap("forge", "--example").stdout
        scenario.write_bytes(example)
        hoptap("forge", scenario, "--out", out)
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        scenario.write_bytes(example.replace(b"point: server-pod", b"point: another"))
        done = hoptap("forge", scenario, "--out", out)
        self.assertEqual(done.returncode, 4)
        self.assertIn(b"choose another folder", done.stderr)
        self.assertEqual(before, {path: path.read_bytes() for path in out.rglob("*") if path.is_file()})

    def test_a_verdict_for_each_window(self):
        lines = [json.loads(line) for line in hoptap("path", "--json", "--window", "1", *DEMO).stdout.splitlines()]
        windows = [line for line in lines if line["type"] == "verdict" and line["scope"] == "window"]
        run = next(line for line in lines if line["type"] == "verdict" and line["scope"] == "run")
        self.assertEqual(sum(window["requests"] for window in windows), run["requests"])
        self.assertIn("slow_segment", {window["kind"] for window in windows})
        for words in ("0", "nan", "x"):
            self.assertEqual(hoptap("path", "--window", words, *DEMO).returncode, 2, words)

    def test_forge_says_what_is_wrong(self):
        scenario = self.scratch / "try.yaml"
        scenario.write_text("name: t\ntraffic: {requests: 1}\npath:\n  - {point: a}\n  - segment: {delay_ms: 1}\n")
        for words, code, text in ((["forge"], 2, b"--example"), (["forge", scenario], 2, b"--out"),
                                  (["forge", scenario, "--out", self.scratch], 2, b"try.yaml:5: 'delay_ms'"),
                                  (["forge", self.scratch / "absent", "--out", self.scratch], 3, b"No such file"),
                                  (["forge", self.scratch, "--out", self.scratch], 3, b"directory")):
            done = hoptap(*words)
            self.assertEqual(done.returncode, code, words)
            self.assertIn(text, done.stderr)
            self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        scenario.write_text("name: t\ntraffic: {requests: 1}\npath:\n  - {point: a}\n")
        self.assertEqual(hoptap("forge", scenario, "--out", "/dev/null/x").returncode, 4)

    def test_points_are_named_and_hinted(self):
        done = hoptap("path", "--json", "--point", f"{DEMO[0]}=client:host", *DEMO)
        trace = next(row for row in rows(done) if row["type"] == "trace")
        self.assertEqual((trace["hops"][0]["point"], trace["hops"][0]["role"]), ("client", "host"))

    def test_parts_add_up(self):
        for row in rows(hoptap("path", "--json", *DEMO)):
            if row["type"] == "trace" and row["parts"]:
                self.assertEqual(sum(part["time_ns"] for part in row["parts"]), row["response_time_ns"], row["id"])

    def test_examples_of_configuration_are_right(self):
        for command, more in (("tracer", ()), ("probe", ("--replay", DEMO[0]))):
            example = self.scratch / f"{command}.yaml"
            example.write_bytes(hoptap(command, "--example").stdout)
            done = hoptap(command, "-c", example, "--check", *more)
            self.assertEqual((done.returncode, done.stderr), (0, b""), command)
            example.write_bytes(example.read_bytes().replace(b"listen:", b"listne:").replace(b"address:", b"adress:"))
            done = hoptap(command, "-c", example, "--check", *more)
            self.assertEqual(done.returncode, 2, command)
            self.assertRegex(done.stderr.decode(), rf"{command}.yaml:\d+: .*did you mean (listen|address)")
            self.assertEqual(hoptap(command, "-c", self.scratch / "missing.yaml").returncode, 2)

    def test_check_looks_at_addresses_and_tls_files(self):
        (self.scratch / "empty.pem").write_text("nothing\n")
        probe, replay = ("probe",), f"replay: [{{file: {DEMO[0]}}}]\n"
        for words, text, complaint in (
                (probe, "tracer: {address: 'tor:99999'}", b"is no address; write host:port"),
                (probe, "tracer: {address: 'tor:0'}", b"port 0"),
                (probe, "tracer: {tls: {ca: missing.pem}}", b"missing.pem: No such file"),
                (probe, f"tracer: {{tls: {{certificate: {self.scratch}/empty.pem, key: a.key}}}}", b"no PEM file"),
                (probe, "metrics: {listen: 'host:9464'}", b"no IP address"),
                (("tracer",), "collect: {listen: '127.0.0.1'}", b"is not ADDRESS:PORT"),
                (("tracer",), "collect: {tls: {certificate: missing.pem, key: a.key}}", b"missing.pem"),
                (("tracer",), "http: {tls: {certificate: missing.pem, key: a.key}}", b"missing.pem")):
            config = self.scratch / "checked.yaml"
            config.write_text((replay if words == probe else "") + text + "\n")
            done = hoptap(*words, "-c", config, "--check")
            self.assertEqual((done.returncode, complaint in done.stderr), (2, True), (text, done.stderr))
            if words == probe:
                findings = rows(hoptap("doctor", "--json", "-c", config))
                self.assertTrue(any(complaint.decode() in str(finding) for finding in findings), text)

    def test_check_and_doctor_refuse_what_a_probe_refuses_here(self):
        bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
        without_dpdk = any(one["topic"] == "dpdk" and "not built" in one["text"] for one in rows(hoptap("doctor", "--json")))
        config = self.scratch / "probe.yaml"
        waits = "interfaces: [{interface: 'no-such-interface*'}]"
        tried = [(waits, 0, b"is right"),
                 ("interfaces: [{interface: lo, capture: ebpf}]", 3, b"`capture: ring` does without"),
                 (waits + "\nprocesses: proc", 0, b"by /proc"),
                 (waits + "\nprocesses: auto", 0, b"by /proc"),
                 (waits + "\nprocesses: ebpf", 3, b"processes: ")]
        port = "interfaces: [{interface: 'dpdk:p'}]"
        tried.append((port, 3, b"dpdk:p: this program was built without DPDK") if without_dpdk else (port, 0, b"is right"))
        for text, code, words in tried:
            config.write_text(text + "\n")
            done = subprocess.run((*bare, HOPTAP, "probe", "-c", config, "--check"), capture_output=True, check=False)
            self.assertEqual((done.returncode, words in done.stdout + done.stderr), (code, True), (text, done))
            self.assertEqual(b"is right" in done.stdout, code == 0, text)
            found = rows(subprocess.run((*bare, HOPTAP, "doctor", "--json", "-c", config), capture_output=True, check=False))
            verdicts = [one["severity"] for one in found if one["topic"] == "config"]
            self.assertEqual(verdicts, ["good" if code == 0 else "trouble"], text)
        done = hoptap("doctor", "--json", "-i", "dpdk:p")
        self.assertEqual(any(one["topic"] == "dpdk:p" and one["severity"] == "trouble" for one in rows(done)), without_dpdk)

    def test_check_refuses_interfaces_that_cannot_be_listened_at(self):
        bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
        tried = [(bare, "lo", 3, b"CAP_NET_RAW")]
        if os.geteuid() == 0:
            tried += [((), "lo", 0, b"is right"),
                      ((), "loo", 3, b"loo: no such interface; there are lo"),
                      ((), "no-such-namespace/eth0", 3, b"cannot open the network namespace"),
                      (bare, "no-such-namespace/eth0", 3, b"cannot open the network namespace"),
                      ((), "no-such-interface*", 0, b"is right"),  # waited for
                      (bare, "*", 3 if len(os.listdir("/sys/class/net")) > 1 else 0, b"")]
        for before, interface, code, words in tried:
            done = subprocess.run((*before, HOPTAP, "probe", "-i", interface, "--check"), capture_output=True, check=False)
            self.assertEqual((done.returncode, words in done.stdout + done.stderr), (code, True), (before, interface, done))

    def test_no_tracer_is_5_and_says_how_to_start_one(self):
        for words in (["traces"], ["traces", "0123456789abcdef"], ["verdicts"], ["points"], ["metrics"]):
            done = hoptap(*words, "--tracer", "http://127.0.0.1:1")
            self.assertEqual(done.returncode, 5, words)
            self.assertIn(b"hoptap tracer", done.stderr)

    def test_a_probe_without_a_tracer_keeps_what_it_has_read(self):
        spool = self.scratch / "spool"
        words = ("probe", "--replay", f"{DEMO[0]}=pod-a", "--tracer", "127.0.0.1:1", "--wait", "0.5", "--spool", spool)
        done = hoptap(*words)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn(b"refused", done.stderr)
        self.assertIn(str(spool).encode(), done.stderr)
        again = hoptap(*words)
        self.assertRegex(again.stderr.decode(), r"\b69 records are in the spool")
        other = hoptap("probe", "--replay", f"{DEMO[1]}=pod-a", "--spool", spool)
        self.assertEqual(other.returncode, 3)
        self.assertIn(b"other captures", other.stderr)
        gone = hoptap("probe", "--replay", f"{DEMO[0]}=pod-a", "--tracer", "127.0.0.1:1", "--wait", "0.2")
        self.assertEqual(gone.returncode, 4)
        self.assertIn(b"--spool", gone.stderr)
        self.assertEqual(hoptap("probe", "--replay", "/nowhere.pcap").returncode, 3)

    def test_a_replay_keeps_pace_with_the_packets(self):
        words = ("probe", "--replay", f"{DEMO[0]}=pod-a", "--tracer", "127.0.0.1:1", "--wait", "0.2")
        seconds, began = 2.847, time.monotonic()  # of the capture
        done = hoptap(*words, "--speed", "4", "--spool", self.scratch / "paced")
        self.assertGreater(time.monotonic() - began, seconds / 4)
        self.assertRegex(done.stderr.decode(), r"\b69 records are in the spool")
        resumed = hoptap(*words, "--spool", self.scratch / "paced")
        self.assertIn(b"other captures", resumed.stderr)
        for kill_s in (0.15, 0.3, 0.45, 0.6):  # and goes on where it was killed
            spool = self.scratch / f"killed-{kill_s}"
            with subprocess.Popen((HOPTAP, *words, "--speed", "4", "--spool", str(spool)), stderr=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL) as killed:
                time.sleep(kill_s)
                killed.kill()
            self.assertRegex(hoptap(*words, "--speed", "8", "--spool", spool).stderr.decode(), r"\b69 records are in the spool")
        slow = hoptap(*words, "--speed", "1e-9")
        self.assertEqual(slow.returncode, 2)
        self.assertIn(b"the least is", slow.stderr)
        live = hoptap("probe", "-i", "lo", "--speed", "4")
        self.assertEqual(live.returncode, 2)
        self.assertIn(b"captures", live.stderr)

    def test_a_closed_pipe_and_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run((HOPTAP, "path", *DEMO), stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 4)


def swap_byte_order(pcap: bytes) -> bytes:
    """A little-endian pcap file as a big-endian machine would have written it."""
    out = [struct.pack(">IHHiIII", *struct.unpack_from("<IHHiIII", pcap))]
    at = 24
    while at < len(pcap):
        header = struct.unpack_from("<IIII", pcap, at)
        out += [struct.pack(">IIII", *header), pcap[at + 16:at + 16 + header[2]]]
        at += 16 + header[2]
    return b"".join(out)


unittest.main(argv=sys.argv[:1], verbosity=1)
