#!/usr/bin/env python3
"""usage: pattern_test.py --hoptap PATH    A probe that listens at "all interfaces that match, in all namespaces that match":
those that are there, those that come, those that go and come back. Each is a point, and what passes there is counted
there. Needs root; exits with 77 and a line without."""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tracer"))
import daemons  # noqa: E402

SKIPPED = 77
ME = f"ht{os.getpid()}"
CONFIG = """
metrics: {listen: "127.0.0.1:0"}
interfaces:
  - {interface: "%s-*/@veth", point: node-7, role: pod, ring_mib: 2, interfaces_max: 3}
"""


class Failed(Exception):
    """What should have held and did not."""


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def add_pod(name, net):
    """A namespace with a pair of veth, a bridge that must not match, and two addresses that talk over the pair."""
    # The other end of one before goes with its namespace, but not at once.
    subprocess.run(["ip", "-n", f"{ME}out", "link", "del", f"o{net}"], capture_output=True, check=False)
    run("ip", "netns", "add", f"{ME}-{name}")
    run("ip", "-n", f"{ME}-{name}", "link", "add", "eth0", "type", "veth", "peer", "name", "out", "netns", f"{ME}out")
    run("ip", "-n", f"{ME}-{name}", "link", "add", "br0", "type", "bridge")
    run("ip", "-n", f"{ME}-{name}", "addr", "add", f"198.18.{net}.1/24", "dev", "eth0")
    run("ip", "-n", f"{ME}-{name}", "link", "set", "dev", "eth0", "up")
    run("ip", "-n", f"{ME}out", "link", "set", "dev", "out", "name", f"o{net}")
    run("ip", "-n", f"{ME}out", "addr", "add", f"198.18.{net}.2/24", "dev", f"o{net}")
    run("ip", "-n", f"{ME}out", "link", "set", "dev", f"o{net}", "up")


def send(name, net, datagrams):
    sender = ("import socket, sys\none = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              f"for n in range({datagrams}): one.sendto(b'x', ('198.18.{net}.2', 9999))\n")
    run("nsenter", f"--net=/run/netns/{ME}-{name}", sys.executable, "-c", sender)


def points(log):
    """Of each point, is it up, and its packets."""
    url = re.search(r"serves (\S+)", log.read_text())[1]
    text = run("curl", "-sS", "--max-time", "10", url)
    up = dict(re.findall(r'^hoptap_probe_up\{point="([^"]+)"\} (\d)$', text, re.MULTILINE))
    packets = dict(re.findall(r'^hoptap_probe_packets_total\{point="([^"]+)",fate="processed"\} (\d+)$', text, re.MULTILINE))
    return {point: (up[point] == "1", int(packets[point])) for point in up}


def expect(log, wanted, what):
    """wanted: of each point, is it up, and at least so many packets."""
    def holds():
        now = points(log)
        return now.keys() == wanted.keys() and all(
            now[point][0] == up and now[point][1] >= packets for point, (up, packets) in wanted.items())
    try:
        daemons.wait_for(holds, what, 20)
    except TimeoutError:
        raise Failed(f"{what}: {points(log)}, not {wanted}") from None


def trial(options, folder):
    config, log = folder / "probe.yaml", folder / "probe.log"
    config.write_text(CONFIG % ME)
    one, two, three = (f"node-7/{ME}-{name}/eth0" for name in "abc")
    add_pod("a", 61)
    with open(log, "wb") as out:
        probe = subprocess.Popen([options.hoptap, "probe", "-c", str(config), "--tracer", "127.0.0.1:1", "--wait", "0.1"],
                                 stdout=out, stderr=out)
    try:
        daemons.wait_for(lambda: "listens at 1 point" in log.read_text(), "the probe to listen", 20)
        expect(log, {one: (True, 0)}, "what is there")
        add_pod("b", 62)
        expect(log, {one: (True, 0), two: (True, 0)}, "what comes")
        send("a", 61, 100)
        send("b", 62, 50)
        expect(log, {one: (True, 100), two: (True, 50)}, "each with its packets")
        run("ip", "netns", "del", f"{ME}-b")
        expect(log, {one: (True, 100), two: (False, 50)}, "what goes")
        add_pod("b", 62)
        expect(log, {one: (True, 100), two: (True, 50)}, "what comes back")
        send("b", 62, 30)
        expect(log, {one: (True, 100), two: (True, 80)}, "counts go on")
        add_pod("c", 63)
        expect(log, {one: (True, 100), two: (True, 80), three: (True, 0)}, "as many as may be")
        add_pod("d", 64)
        daemons.wait_for(lambda: f"{ME}-d/eth0 is not listened at" in log.read_text(), "one too many", 20)
        expect(log, {one: (True, 100), two: (True, 80), three: (True, 0)}, "and no more")
        for change in (("down",), ("name", "web"), ("up",)):
            run("ip", "-n", f"{ME}-c", "link", "set", "dev", "web" if change == ("up",) else "eth0", *change)
        expect(log, {one: (True, 100), two: (True, 80), three: (False, 0)}, "what has another name is another")
    finally:
        probe.send_signal(signal.SIGINT)
        probe.wait(timeout=60)
    accounts = re.findall(r"^node-7/\S+: \d+ packets processed, .*$", log.read_text(), re.MULTILINE)
    if len(accounts) != 3 or any("UNACCOUNTED" in line for line in accounts):
        raise Failed(f"the accounts are not sound: {accounts}")
    print("\n".join(accounts))


def doctor(options):
    done = subprocess.run([options.hoptap, "doctor", "-i", f"{ME}-[ab]/eth*", "-i", f"{ME}-none*/eth0", "--json"],
                          capture_output=True, text=True, check=False)
    topics = [json.loads(line)["topic"] for line in done.stdout.splitlines()]
    for wanted in (f"{ME}-a/eth0", f"{ME}-b/eth0", f"{ME}-none*/eth0"):
        if topics.count(wanted) != 1:
            raise Failed(f"doctor says nothing of {wanted}: {topics}")


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--hoptap", required=True)
    options = words.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if os.geteuid() != 0:
        print("skipped: needs root")
        return SKIPPED
    try:
        run("ip", "netns", "add", f"{ME}out")
        with tempfile.TemporaryDirectory(prefix="hoptap-pattern-") as scratch:
            trial(options, pathlib.Path(scratch))
            doctor(options)
    except (Failed, TimeoutError) as error:
        print(f"failed: {error}")
        return 1
    finally:
        for name in ("out", "-a", "-b", "-c", "-d"):
            subprocess.run(["ip", "netns", "del", ME + name], capture_output=True, check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
