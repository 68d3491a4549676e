"""The workloads of the engine's benchmark and what is truly in them."""
import dataclasses
import json
import os
import pathlib
import sys

import measuring
import workload

TOOLS = pathlib.Path(os.environ.get("HOPTAP_BENCH_TOOLS", measuring.ROOT / "build/tests/bench"))
PROTOCOLS = ("http", "dns", "opaque", "tls")
NAMES = ("http", "small", "vxlan", "mixed", "syn")


@dataclasses.dataclass
class Workload:
    name: str
    path: pathlib.Path
    what: str
    packets: int
    truth: dict          # protocol -> requests, and flows; what is not known is left out
    exact: bool = True   # false: requests by a server's log, which lacks those under way at the end
    syns: int = 0

    @property
    def requests(self) -> int:
        return sum(self.truth.get(protocol, 0) for protocol in PROTOCOLS)


@dataclasses.dataclass
class Sizes:
    http_megabytes: int
    small_packets: int
    mixed_packets: int
    syns: int


FULL = Sizes(http_megabytes=500, small_packets=3_000_000, mixed_packets=1_000_000, syns=2_000_000)
SHORT = Sizes(http_megabytes=40, small_packets=200_000, mixed_packets=100_000, syns=100_000)


class Maker:
    """Makes workloads in a folder; what is there already is used again."""

    def __init__(self, folder: pathlib.Path, sizes: Sizes, generated: bool):
        self.folder, self.sizes, self.generated = folder, sizes, generated
        self.made: dict[str, Workload] = {}

    def make(self, name: str) -> Workload:
        if name not in self.made:
            self.made[name] = getattr(self, name)()
        return self.made[name]

    def run(self, name: str, tool: str, *words) -> tuple[pathlib.Path, dict]:
        """Runs a tool of ours unless it has been run; `words` with OUT for the capture. What it prints is kept beside it."""
        path, facts = self.folder / f"{name}.pcap", self.folder / f"{name}.json"
        if not facts.exists():
            print(f"making the workload {name}", file=sys.stderr)
            facts.write_text(json.dumps(measuring.json_of(TOOLS / tool, *(path if word == "OUT" else word for word in words))))
        return path, json.loads(facts.read_text())

    def generate(self, name: str, what: str, packets: int) -> Workload:
        path, facts = self.run(name, "hoptap-make-traffic", name, "OUT", packets)
        truth = {key: facts[key] for key in ("flows", "http", "dns", "opaque", "tls", "reordered", "copies")}
        return Workload(name, path, what, facts["packets"], truth)

    def http(self) -> Workload:
        what = "HTTP/1.1 keep-alive, bodies of 200 B to 50 kB"
        if self.generated:
            return self.generate("http", what + ", generated", self.sizes.http_megabytes * 1200)
        folder, made = self.folder / "http", self.folder / "http" / "made"
        if not made.exists():
            print(f"making the workload http, about {self.sizes.http_megabytes} MB", file=sys.stderr)
            folder.mkdir(parents=True, exist_ok=True)
            workload.make(folder, self.sizes.http_megabytes)
            made.touch()
        logged = len((folder / "access.log").read_text().splitlines())
        packets = measuring.json_of(TOOLS / "hoptap-engine-speed", "walk", folder / "server.pcap")["packets"]
        return Workload("http", folder / "server.pcap", what + ", nginx and wrk", packets, {"http": logged}, exact=False)

    def small(self) -> Workload:
        return self.generate("small", "a key-value protocol in packets of about 100 bytes", self.sizes.small_packets)

    def mixed(self) -> Workload:
        return self.generate("mixed", "HTTP, TLS, key-value, DNS, datagrams, ICMP; some IPv6, VLAN, copies, disorder",
                             self.sizes.mixed_packets)

    def vxlan(self) -> Workload:
        plain = self.make("http")
        path, facts = self.run("vxlan", "hoptap-reshape", "vxlan", plain.path, "OUT")
        return dataclasses.replace(plain, name="vxlan", path=path, what="the packets of http in VXLAN", packets=facts["packets"])

    def syn(self) -> Workload:
        plain = self.make("http")
        path, facts = self.run("syn", "hoptap-reshape", "flood", plain.path, "OUT", self.sizes.syns)
        truth = dict(plain.truth)
        if "flows" in truth:
            truth["flows"] += facts["syns"]
        return dataclasses.replace(plain, name="syn", path=path, what=f"http with {facts['syns']:,} SYNs of as many sources among it",
                                   packets=facts["packets"], truth=truth, syns=facts["syns"])
