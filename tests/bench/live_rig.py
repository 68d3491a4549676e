"""What the live benchmark runs on and with: two namespaces with a veth pair between them, senders at one end, listeners
at the other, each pinned to a core, and what the kernel counts of them."""
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import time
import urllib.request

from measuring import ROOT, Failed
from traffic import TOOLS

HOPTAP = pathlib.Path(os.environ.get("HOPTAP", ROOT / "build/appliance/hoptap"))
RING_MIB = 16             # of every listener: a tenth of a second of small packets, so that no step is carried by it
NEAR, FAR = "198.18.103.1", "198.18.103.2"
PROBE = """
metrics: {listen: "127.0.0.1:0"}
limits: {messages: %(messages)s}
spool: {size_mib: 64}
interfaces:
  - {interface: %(interface)s, point: far, role: host, ring_mib: %(ring)d, workers: %(workers)d, %(more)s}
"""


@dataclasses.dataclass
class Count:
    """What a listener and the kernel say of one step. received: by the kernel for the listener, dropped ones included."""
    received: int
    processed: int
    dropped: int
    cpu_s: float                # of the whole process
    worker_cpu_s: float = 0.0   # of the threads that read the ring
    records_dropped: int = 0
    rest_unknown: bool = False  # it may be stopped with packets unread and does not say so


def run(*words) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{words[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def cpu_seconds(pid: int) -> float:
    """Of all threads that live."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def net_rx_by_core() -> dict[int, int]:
    """How often the kernel's receive softirq ran on each core."""
    head, *lines = pathlib.Path("/proc/softirqs").read_text().splitlines()
    counts = next(line for line in lines if "NET_RX" in line).split()[1:]
    return {int(core[3:]): int(count) for core, count in zip(head.split(), counts)}


def wait_until(is_so, what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise Failed(f"waited in vain for {what}")
        time.sleep(0.02)


class Rig:
    """The namespaces, their cable and the cores; gone when it is left."""

    def __init__(self, folder: pathlib.Path, ahead: bool):
        self.folder, self.ahead = folder, ahead
        self.near, self.far = f"hlb{os.getpid()}-near", f"hlb{os.getpid()}-far"
        self.sender_core, self.listener_core = sorted(os.sched_getaffinity(0))[:2]

    def __enter__(self):
        try:
            for name in (self.near, self.far):
                run("ip", "netns", "add", name)
            run("ip", "link", "add", "near", "netns", self.near, "type", "veth", "peer", "name", "far", "netns", self.far)
            for name, interface, address in ((self.near, "near", NEAR), (self.far, "far", FAR)):
                for words in (("link", "set", "dev", interface, "mtu", "1508"),          # two VLAN tags fit
                              ("link", "set", "dev", interface, "addrgenmode", "none"),  # no IPv6 of its own, so silent
                              ("addr", "add", f"{address}/24", "dev", interface), ("link", "set", "dev", interface, "up")):
                    run(*self.inside(name), "ip", *words)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in (self.near, self.far):
            subprocess.run(("ip", "netns", "del", name), capture_output=True, check=False)

    def inside(self, name: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{name}"]

    def start(self, words, cores, **more) -> subprocess.Popen:
        def pin():
            os.sched_setaffinity(0, cores)
            if not self.ahead:
                return
            os.setsid()
            os.setpriority(os.PRIO_PROCESS, 0, -10)
            with contextlib.suppress(OSError):  # where sessions share the processor before their processes do
                pathlib.Path("/proc/self/autogroup").write_text("-10")

        return subprocess.Popen([str(word) for word in words], preexec_fn=pin, text=True, **more)

    def link(self) -> dict:
        """Packets so far: sent from near, lost on the way into far, arrived at far, sent from far."""
        sums = {}
        for name, interface in ((self.near, "near"), (self.far, "far")):
            sums[interface] = json.loads(run(*self.inside(name), "ip", "-j", "-s", "link", "show", "dev", interface))[0]["stats64"]
        return {"sent": sums["near"]["tx"]["packets"], "lost": sums["near"]["tx"]["dropped"],
                "arrived": sums["far"]["rx"]["packets"], "answered": sums["far"]["tx"]["packets"]}

    def send(self, capture: pathlib.Path, seconds: float, pace: float) -> dict:
        """pace 0: as fast as it goes."""
        words = (*self.inside(self.near), TOOLS / "hoptap-replay-frames", "near", capture, seconds, *([int(pace)] if pace else []))
        sender = self.start(words, {self.sender_core}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = sender.communicate()
        if sender.returncode != 0:
            raise Failed(f"the sender: {err.strip()}")
        return json.loads(out)


class Listener:
    """A program that listens at far. Each is a context: it listens when that is entered."""

    name, what, workers = "", "", 1

    def __init__(self, rig: Rig):
        self.rig, self.process = rig, None
        self.log = rig.folder / "listener.log"

    def words(self) -> list:
        raise NotImplementedError

    def ready(self) -> bool:
        raise NotImplementedError

    def count(self) -> Count:
        """Once all that was sent has arrived. It may end the listener."""
        raise NotImplementedError

    def cores(self) -> set[int]:
        return {self.rig.listener_core}

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = self.rig.start(self.words(), self.cores(), stdout=log, stderr=log)
        try:
            wait_until(lambda: self.ready() or self.process.poll() is not None, f"{self.name} to listen")
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended: {self.text()[-300:]}")
        except BaseException:
            self.__exit__()
            raise
        self.begin_cpu_s = cpu_seconds(self.process.pid)
        return self

    def __exit__(self, *_):
        self.end(signal.SIGINT)

    def cpu_s(self) -> float:
        return cpu_seconds(self.process.pid) - self.begin_cpu_s

    def end(self, sign) -> None:
        if self.process.poll() is None:
            self.process.send_signal(sign)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class RingCount(Listener):
    name = "a bare ring"
    what = "`ring_count.cpp`: a TPACKET_V3 ring, packets counted"

    def words(self):
        return [*self.rig.inside(self.rig.far), TOOLS / "hoptap-ring-count", "far", RING_MIB]

    def ready(self):
        return "listens" in self.text()

    def count(self):
        self.end(signal.SIGINT)
        found = json.loads(self.text().splitlines()[-1])
        return Count(found["received"], found["packets"], found["dropped"], found["cpu_s"], found["cpu_s"])


class Tcpdump(Listener):
    name = "tcpdump -w /dev/null"
    what = "with a ring as large (`-B`)"

    def words(self):
        return [*self.rig.inside(self.rig.far), "tcpdump", "-i", "far", "-n", "-B", RING_MIB * 1024, "-Z", "root", "-w", "/dev/null"]

    def ready(self):
        return "listening on" in self.text()

    def count(self):
        time.sleep(1.2)  # it takes a block that is not full after a second
        used = self.cpu_s()
        self.end(signal.SIGINT)
        numbers = {what: int(number) for number, what in re.findall(r"(\d+) packets? (captured|received by filter|dropped by kernel)",
                                                                    self.text())}
        if len(numbers) != 3:
            raise Failed(f"tcpdump said {self.text()[-300:]}")
        return Count(numbers["received by filter"], numbers["captured"], numbers["dropped by kernel"], used, used, rest_unknown=True)


class Probe(Listener):
    def __init__(self, rig: Rig, messages: bool, workers: int = 1, more: str = "snap_bytes: 262144", at: str = "far"):
        super().__init__(rig)
        self.log = rig.folder / f"probe-{at}.log"
        self.messages, self.workers, self.more, self.at = messages, workers, more, at
        self.name = "hoptap probe, " + ("messages" if messages else "metrics only") + (f", {workers} workers" if workers > 1 else "")
        self.what = "`messages: true`" if messages else "`limits: {messages: false}`"

    def cores(self):
        return {self.rig.listener_core} if self.workers == 1 else {self.rig.sender_core, self.rig.listener_core}

    def words(self):
        config = self.rig.folder / f"probe-{self.at}.yaml"
        config.write_text(PROBE % {"messages": "true" if self.messages else "false", "interface": f"{self.rig.far}/{self.at}",
                                   "ring": RING_MIB, "workers": self.workers, "more": self.more})
        # No tracer is there: records are encoded, compressed and put into the spool, and the oldest leave it.
        return [HOPTAP, "probe", "-c", config, "--name", "bench", "--tracer", "127.0.0.1:9", "--wait", "0", "--progress", "never"]

    def ready(self):
        return "listens at" in self.text()

    def sums(self) -> dict[str, float]:
        with urllib.request.urlopen(re.search(r"serves (\S+)", self.text())[1], timeout=10) as answer:
            text = answer.read().decode()
        found = {fate: float(value) for fate, value in
                 re.findall(r'^hoptap_probe_packets_total\{point="far",fate="(\w+)"\} (\S+)', text, re.MULTILINE)}
        for key, family in (("received", "received_packets"), ("cpu_s", "cpu_seconds"), ("untaken", "untaken_records")):
            found[key] = float(re.search(rf'^hoptap_probe_{family}_total\{{point="far"\}} (\S+)', text, re.MULTILINE)[1])
        return found

    def count(self):
        before = None
        wait_until(lambda: self.process.poll() is not None or self.sums()["received"] > 0, "the probe's sums")
        while True:  # until nothing comes any more
            found = self.sums()
            now = {key: value for key, value in found.items() if key != "cpu_s"}
            if now == before:
                break
            before = now
            time.sleep(0.25)
        return Count(int(found["received"]), int(found["processed"] + found["filtered"] + found["unreadable"]),
                     int(found["dropped_by_ring"]), self.cpu_s(), found["cpu_s"], int(found["untaken"]))


def write_small_frames(path: pathlib.Path, connections: int = 1000, exchanges: int = 7) -> None:
    """A capture of frames of 60 bytes, which are 64 on the wire with their checksum: of each exchange eight segments of 6 bytes
    from the client, four acknowledgements, an answer of 6 bytes and its acknowledgement."""
    def frame(number: int, to_server: bool, flags: int, seq: int, ack: int, payload: bytes) -> bytes:
        client, server = (struct.pack("!4B", 10, 1, number >> 8, number & 255), 20000 + number), (bytes((10, 100, 0, 1 + number % 16)), 7000)
        source, target = (client, server) if to_server else (server, client)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), seq & 0xffff, 0x4000, 64, 6, 0, source[0], target[0])
        tcp = struct.pack("!HHIIBBHHH", source[1], target[1], seq, ack, 0x50, flags, 65000, 0, 0)
        return (b"\x02\0\0\0\x67\2\x02\0\0\0\x67\1\x08\0" + ip + tcp + payload).ljust(60, b"\0")

    def connection(number: int):
        client, server = 1000 * number + 1, 7000 * number + 9
        yield frame(number, True, 0x02, client - 1, 0, b"")
        yield frame(number, False, 0x12, server - 1, client, b"")
        yield frame(number, True, 0x10, client, server, b"")
        for _ in range(exchanges):
            for at in range(8):
                yield frame(number, True, 0x18, client, server, b"SET 1 ")
                client += 6
                if at % 2:
                    yield frame(number, False, 0x10, server, client, b"")
            yield frame(number, False, 0x18, server, client, b"DONE\r\n")
            server += 6
            yield frame(number, True, 0x10, client, server, b"")
        yield frame(number, True, 0x11, client, server, b"")
        yield frame(number, False, 0x11, server, client + 1, b"")
        yield frame(number, True, 0x10, client + 1, server + 1, b"")

    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for turn in zip(*map(connection, range(connections))):
            for one in turn:
                out.write(struct.pack("<IIII", 0, 0, len(one), len(one)) + one)
