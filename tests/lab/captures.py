"""tcpdump at all points of a path at once, with proof that nothing was missed."""

import pathlib
import re
import signal
import subprocess
import time

import topology

BUFFER_KIB = 16384
SNAP_BYTES = 2048          # more than any frame of the lab; keeps the kernel ring's slots small
QUIET_S = 0.25             # files that have not grown for this long hold all there is
SETTLE_MAX_S = 10.0
START_MAX_S = 10.0

PATHS = {
    "cluster": ("pod-a", "node-a-veth", "node-a-eth0", "switch-a", "switch-b", "node-b-eth0", "node-b-veth", "pod-b"),
    "nodeport": ("client", "switch-a", "switch-b", "node-b-eth0", "node-b-veth", "pod-b"),
}
PATHS["ipip"] = PATHS["cluster"]
NUMBER = {"client": 1, "pod-a": 1, "node-a-veth": 2, "node-a-eth0": 3, "switch-a": 4, "switch-b": 5,
          "node-b-eth0": 6, "node-b-veth": 7, "pod-b": 8}


def file_name(point: str) -> str:
    return f"{NUMBER[point]:02d}_{point}.pcap"


class Captures:
    """Running captures of one scenario: `start()`, traffic, `stop()`."""

    def __init__(self, lab: topology.Lab, folder: pathlib.Path, points: tuple[str, ...]):
        self.lab, self.folder, self.points = lab, folder, points
        self.running: dict[str, subprocess.Popen] = {}

    def _log(self, point: str) -> pathlib.Path:
        return self.lab.folder / f"tcpdump-{point}.log"

    def start(self) -> None:
        """Returns when every tcpdump listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for point in self.points:
            role, interface = topology.POINTS[point]
            target = self.folder / file_name(point)
            target.unlink(missing_ok=True)
            with open(self._log(point), "wb") as log:
                self.running[point] = self.lab.start(
                    role, "tcpdump", "-n", "-U", "-Z", "root", "--immediate-mode", "-B", BUFFER_KIB, "-s", SNAP_BYTES,
                    "--time-stamp-precision=nano", "-i", interface, "-w", target, stderr=log, stdout=log)
        deadline = time.monotonic() + START_MAX_S
        for point in self.points:
            while "listening on" not in self._log(point).read_text():
                if time.monotonic() > deadline or self.running[point].poll() is not None:
                    raise topology.LabError(f"tcpdump did not start at {point}: {self._log(point).read_text()}")
                time.sleep(0.01)

    def _sizes(self) -> list[int]:
        return [(self.folder / file_name(point)).stat().st_size for point in self.points]

    def stop(self) -> dict[str, dict[str, int]]:
        """Waits until the files rest, stops, and returns tcpdump's own counters for each point."""
        deadline = time.monotonic() + SETTLE_MAX_S
        sizes, since = self._sizes(), time.monotonic()
        while time.monotonic() - since < QUIET_S and time.monotonic() < deadline:
            time.sleep(0.05)
            fresh = self._sizes()
            if fresh != sizes:
                sizes, since = fresh, time.monotonic()
        for child in self.running.values():
            child.send_signal(signal.SIGINT)
        for child in self.running.values():
            child.wait(10)
        return {point: self._counters(point) for point in self.points}

    def _counters(self, point: str) -> dict[str, int]:
        text = self._log(point).read_text()
        counters = {}
        for name, words in (("captured", "packets? captured"), ("received", "packets? received by filter"),
                            ("dropped_by_kernel", "packets? dropped by kernel")):
            found = re.search(rf"(\d+) {words}", text)
            if not found:
                raise topology.LabError(f"no counters from tcpdump at {point}: {text}")
            counters[name] = int(found[1])
        return counters
