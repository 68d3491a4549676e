#!/usr/bin/env python3
"""Live capture by the static probe under the policy: a capture is played into one end of a veth, the probe listens at the
other (AF_PACKET), and the tracer has the exchanges.

    live_test.py --probe hoptap-probe --hoptap hoptap --k310 k310 --pcaps FOLDER      needs root
"""

import argparse
import contextlib
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tracer"))
import daemons  # noqa: E402  pylint: disable=wrong-import-position

SKIPPED = 77


def frames(capture):
    """Of a pcap file, in order."""
    data = pathlib.Path(capture).read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at < len(data):
        held, = struct.unpack_from(order + "I", data, at + 8)
        yield data[at + 16:at + 16 + held]
        at += 16 + held


@contextlib.contextmanager
def cable():
    """A veth pair named after this process: the end that is played into, the end that is listened at."""
    ends = f"hl{os.getpid()}a", f"hl{os.getpid()}b"
    subprocess.run(["ip", "link", "add", ends[0], "mtu", "9000", "type", "veth", "peer", "name", ends[1], "mtu", "9000"], check=True)
    try:
        for end in ends:
            # no neighbour discovery of our own among the frames
            pathlib.Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
            subprocess.run(["ip", "link", "set", "dev", end, "up"], check=True)
        yield ends
    finally:
        subprocess.run(["ip", "link", "del", ends[0]], check=False)


def listen(options, folder):
    """@return what went wrong, in words"""
    capture = options.pcaps / "lab" / "demo" / "captures" / "01_pod-a.pcap"
    expected = len(daemons.offline(options.hoptap, [(capture, "pod-a")])["trace"])
    tracer = daemons.Tracer(options.hoptap, folder / "tracer")
    with cable() as (play, listen_at), daemons.running(tracer), open(folder / "log", "w+b") as log:
        probe = subprocess.Popen([options.k310, options.probe, "-i", listen_at, "--tracer", tracer.collector, "--wait", "30"],
                                 stdout=log, stderr=log)
        try:
            time.sleep(2)  # until its ring is open; what is played before is lost
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
                raw.bind((play, 0))
                for frame in frames(capture):
                    raw.send(frame)
                    time.sleep(0.0005)
            # what rests is judged as packet time goes on, or at the end of the probe
            time.sleep(3)
            probe.send_signal(signal.SIGTERM)
            code = probe.wait(timeout=60)
        finally:
            if probe.poll() is None:
                probe.kill()
                probe.wait()
        log.seek(0)
        said = log.read().decode(errors="replace")[-600:]
        if code != 0:
            return [f"the probe ended with {code}: {said}"]
        tracer.wait_until_settled()
        found = len(tracer.traces())
    print(f"{found} traces of {expected} by AF_PACKET under the policy")
    return [] if found == expected else [f"{found} traces instead of {expected}: {said}"]


def main():
    parser = argparse.ArgumentParser()
    for name in ("probe", "hoptap", "k310", "pcaps"):
        parser.add_argument("--" + name, type=lambda text: pathlib.Path(text).resolve(), required=True)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("skipped: needs root")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="hoptap-legacy-") as folder:
        wrong = listen(options, pathlib.Path(folder))
    for one in wrong:
        print(f"WRONG {one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
