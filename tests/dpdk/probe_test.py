#!/usr/bin/env python3
"""`hoptap probe` at ports of DPDK, as a person starts it: with small pages and with hugepages, from the command line and
from a file; the account says what is not known; every refusal names what to do.

    probe_test.py --hoptap PATH --pcaps FOLDER
"""

import argparse
import contextlib
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tracer"))
import daemons  # noqa: E402  (beside this folder)

HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
NULL = ("-i", "dpdk:net_null0=tor:switch", "--eal", "--vdev=net_null0")
CAP_NET_RAW = 1 << 13


def check(condition, what):
    if not condition:
        raise AssertionError(what)


class Listening:
    """A probe, listening; stop() gives what it said."""

    def __init__(self, options, folder, tracer, *words):
        self.log = folder / "probe.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([options.hoptap, "probe", "--tracer", tracer, "--wait", "20", "--spool",
                                             str(folder / "spool"), *words], stdout=log, stderr=log)
        try:
            daemons.wait_for(lambda: "listens at" in self.text() or self.process.poll() is not None, "the probe to listen", 30)
            check(self.process.poll() is None, self.text())
        except BaseException:
            self.process.kill()
            raise

    def text(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        check(code == 0, f"the probe ended with {code}: {self.text()[-800:]}")
        return self.text()


def refused(options, *words):
    done = subprocess.run([options.hoptap, "probe", "--tracer", "127.0.0.1:1", *words], capture_output=True, text=True,
                          timeout=30, check=False)
    check(done.returncode in (2, 3), f"{words} was not refused: {done.returncode}")
    return done.stderr


def hugepages_free():
    return int(re.search(r"HugePages_Free: *(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])


@contextlib.contextmanager
def hugepages(count):
    """So many free ones of 2 MiB, or why not; as before at the end."""
    before = HUGEPAGES.read_text()
    try:
        try:
            HUGEPAGES.write_text(str(int(before) + count))
        except OSError as error:
            yield f"{HUGEPAGES}: {error.strerror}"
            return
        yield "" if hugepages_free() >= count else f"{HUGEPAGES}: only {hugepages_free()} can be had"
    finally:
        with contextlib.suppress(OSError):
            HUGEPAGES.write_text(before)


def replay(options, folder, *more):
    """A capture by net_pcap: the tracer has every request, the account is whole. @return hugepages taken meanwhile"""
    capture = options.pcaps / "lab" / "demo" / "captures" / "04_switch-a.pcap"
    expected = daemons.offline(options.hoptap, [(capture, "tor")])["trace"]
    tracer = daemons.Tracer(options.hoptap, folder / "tracer")
    free = hugepages_free()
    with daemons.running(tracer):
        probe = Listening(options, folder, tracer.collector, "-i", "dpdk:net_pcap0=tor:switch", "--eal",
                          " ".join((f"--vdev=net_pcap0,rx_pcap={capture}", *more)))
        taken = free - hugepages_free()
        kept = [int(re.search(r"CapEff:\s*(\w+)", status.read_text())[1], 16)
                for status in pathlib.Path(f"/proc/{probe.process.pid}/task").glob("*/status")]
        daemons.wait_for(lambda: len(tracer.traces()) == len(expected), f"{len(expected)} traces", 30)
        text = probe.stop()
    check(len(kept) > 2 and all(one & ~CAP_NET_RAW == 0 for one in kept), f"threads kept privileges: {kept}")
    found = re.search(r"^tor: (\d+) packets processed, 0 dropped for want of room in the ring; the driver counted (\d+)$",
                      text, re.MULTILINE)
    check(found and found[1] == found[2] == "195", f"no sound account: {text}")
    return len(expected), taken


def pages(options, folder):
    requests, taken = replay(options, folder / "small", "--no-huge")
    check(taken == 0, "--no-huge took hugepages")
    print(f"net_pcap, small pages: {requests} requests of 195 packets, all accounted for")
    with hugepages(64) as why:
        if why:
            print(f"net_pcap, hugepages: SKIPPED, {why}")
            return
        requests, taken = replay(options, folder / "huge")
        check(taken >= 40, f"with 128 MiB of hugepages free, {taken} were taken")
        print(f"net_pcap, hugepages: {requests} requests, {taken} pages of 2 MiB in use")
    if hugepages_free() == 0:
        said = refused(options, *NULL, "--eal", "--in-memory")
        check("/proc/sys/vm/nr_hugepages" in said and "--no-huge" in said, said)


def unknown_loss(options, folder):
    """Two workers, from a file. What they lost nobody knows, and it is not said to be 0."""
    config = folder / "probe.yaml"
    config.write_text("interfaces:\n  - {interface: 'dpdk:net_null0', point: tor, workers: 2}\n"
                      "dpdk: {eal: [--vdev=net_null0], memory_mib: 128}\n")
    tracer = daemons.Tracer(options.hoptap, folder / "tracer")
    with daemons.running(tracer):
        probe = Listening(options, folder, tracer.collector, "-c", config, "--metrics-listen", "127.0.0.1:0")
        began = time.monotonic()
        url = re.search(r"serves (\S+)", probe.text())[1]
        time.sleep(1)
        metrics = subprocess.run(["curl", "-sS", url], capture_output=True, text=True, check=True).stdout
        text = probe.stop()
        seconds = time.monotonic() - began
    check("hoptap_probe_packets_total" in metrics, metrics[:300])
    for absent in ("dropped_by_ring", "dropped_by_interface", "hoptap_probe_received_packets_total{"):
        check(absent not in metrics, f"{absent} is not known, but served")
    found = re.search(r"^tor: (\d+) packets processed; what the driver dropped is not known$", text, re.MULTILINE)
    check(found and int(found[1]) > 100_000, text)
    print(f"net_null: {int(found[1]) / seconds / 1e6:.1f} Mpps of empty frames through two workers; loss is not known")


def refusals(options, folder):
    capture = options.pcaps / "http" / "keep_alive.pcap"
    config = folder / "refused.yaml"
    for text, words in (
            ("interfaces: [{interface: 'dpdk:net_pcap0', workers: 2}]\n"
             f"dpdk: {{eal: ['--vdev=net_pcap0,rx_pcap={capture}']}}\n", "has 1 receive queue; at most so many workers"),
            ("interfaces: [{interface: 'dpdk:net_tap0', capture: libpcap}]\n", "does not go with a port of DPDK"),
            ("interfaces: [{interface: eth0}]\ndpdk: {eal: [--vdev=net_tap0]}\n", "none of its ports to listen at"),
            ("interfaces: [{interface: 'dpdk:net_null0'}]\ndpdk: {eal: [--vdev=net_null0], memory_mib: 16}\n",
             "a larger `dpdk: memory_mib`")):
        config.write_text(text)
        said = refused(options, "-c", config)
        check(words in said, f"{text}: {said}")
    for words, fix in ((("-i", "dpdk:net_null1", *NULL[2:]), "there are net_null0"),
                       (("-i", "dpdk:0000:fe:1f.7"), "dpdk-devbind.py --bind=vfio-pci 0000:fe:1f.7"),
                       (("-i", "dpdk:net_nul0", "--eal", "--vdev=net_nul0"), "DPDK did not start")):
        said = refused(options, *words)
        check(fix in said, f"{words}: {said}")
    doctor = subprocess.run([options.hoptap, "doctor"], capture_output=True, text=True, check=False).stdout
    check(re.search(r"dpdk +\d+\.\d+\.\d+; \d+ MiB of hugepages", doctor), doctor)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--hoptap", required=True)
    words.add_argument("--pcaps", required=True, type=pathlib.Path)
    options = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="hoptap-dpdk-") as scratch:
        for one in (pages, unknown_loss, refusals):
            folder = pathlib.Path(scratch) / one.__name__
            for name in ("", "small", "huge"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            one(options, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
