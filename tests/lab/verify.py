"""Checks that a scenario's folder is sound before the product is held against it.

Sound: every request was answered (lost ones are allowed where the wire loses, those that are to be reset must be),
tcpdump missed nothing, every checksum is right, each capture beside the wire holds exactly the frames the wire
logged, on a wire that loses nothing every frame is at every point, and a fault befell the requests it was meant for.
Calm: the machine did not stand still so often that its own delays are those of a scenario.
"""

import collections
import dataclasses
import json
import pathlib
import statistics

import fault_truth
import packets
import pcapfile
import wirelog

PHASE_EDGE_NS = 40_000_000  # after a change the wire still holds frames of the phase before
LONE_NS = 1_000_000         # a frame is alone when none came this way for so long
STALL_NS = 200_000          # a mirror's stamp so far from the wire's log is of a machine that stood still meanwhile
STALLED_SHARE_MAX = 0.01    # of a calm machine's stamps


@dataclasses.dataclass
class Report:
    """What `verify` found; the two lists hold one figure per frame, in ns."""
    name: str
    requests: int = 0
    answered: int = 0
    frames: int = 0             # frames the wire took
    kernel_drops: int = 0       # tcpdump: dropped by kernel, or received and never written
    bad_checksums: int = 0
    unlogged: int = 0           # frames beside the wire that its log does not have, and the reverse
    absent: int = 0             # frames missing at some point although the wire loses nothing
    unstruck: int = 0           # requests that the scenario's fault missed, or befell although not chosen
    loses: bool = False
    resets: int = 0             # requests that get a reset instead of an answer
    delay_error_ns: list[int] = dataclasses.field(default_factory=list)     # the wire, lone frames: real - asked
    stamp_error_ns: list[int] = dataclasses.field(default_factory=list)     # captures: seen - logged

    @property
    def sound(self) -> bool:
        answered = self.loses or self.answered + self.resets == self.requests
        faults = self.kernel_drops + self.bad_checksums + self.unlogged + self.absent + self.unstruck
        return answered and self.requests > 0 and faults == 0

    @property
    def calm(self) -> bool:
        stalled = sum(abs(error_ns) > STALL_NS for error_ns in self.stamp_error_ns)
        return stalled <= STALLED_SHARE_MAX * len(self.stamp_error_ns)

    def line(self) -> str:
        state = "NOT SOUND" if not self.sound else "sound" if self.calm else "sound, not calm"
        return (f"{self.name}: {state}  {self.answered}/{self.requests} answered, "
                f"{self.frames} frames, drops {self.kernel_drops}, bad checksums {self.bad_checksums}, "
                f"unlogged {self.unlogged}, absent {self.absent}, unstruck {self.unstruck}, "
                f"lone-frame delay {middle_and_tail(self.delay_error_ns)} us over, "
                f"mirrors {middle_and_tail(self.stamp_error_ns)} us from log")


def middle_and_tail(values_ns: list[int]) -> str:
    """`median/p99` in microseconds of the magnitudes."""
    if not values_ns:
        return "-/-"
    ordered = sorted(map(abs, values_ns))
    return f"{statistics.median(ordered) / 1000:.1f}/{ordered[int(len(ordered) * 0.99)] / 1000:.1f}"


def verify(folder: pathlib.Path) -> Report:
    """Reads one scenario's folder (not a clock-shifted one) and says what is wrong with it."""
    described = json.loads((folder / "scenario.json").read_text())
    requests = [json.loads(line) for line in (folder / "truth" / "requests.jsonl").read_text().splitlines()]
    log = wirelog.read(folder / "truth" / "wire.log")
    report = Report(described["name"], len(requests), sum(request["status"] == 200 for request in requests), len(log))
    for counters in described["tcpdump"].values():
        report.kernel_drops += counters["dropped_by_kernel"] + max(0, counters["received"] - counters["captured"])
    report.loses = any(frame.action == "dropped" for frame in log)
    seen = read_captures(folder)
    for taken in seen.values():
        report.bad_checksums += sum(not packet.checksum_good for packet in taken)
    check_against_log(report, seen, log)
    if not report.loses:
        check_all_points(report, seen)
    check_delays(report, described["phases"], log)
    if "fault" in described:
        report.unstruck = fault_truth.mistakes(folder, described, log)
        report.resets = len(described["fault"]["requests"]) if described["fault"]["kind"] == "reset" else 0
    return report


def read_captures(folder: pathlib.Path) -> dict[str, list[packets.Packet]]:
    """The packets of a scenario's captures by point, in the path's order."""
    seen = {}
    for path in sorted((folder / "captures").glob("*.pcap")):
        decoded = [packets.decode(record.time_ns, record.frame) for record in pcapfile.read(path)]
        seen[path.stem.split("_", 1)[1]] = [packet for packet in decoded if packet]
    return seen


def log_key(frame: wirelog.Frame) -> tuple:
    if frame.transport == "tcp":
        return ("tcp", frame.ip_id, frame.sequence, frame.ack, frame.tcp_flags, frame.payload_bytes)
    return ("udp", frame.ip_id, frame.dns_id, frame.payload_bytes)


def check_against_log(report: Report, seen: dict, log: list[wirelog.Frame]) -> None:
    """Both mirrors against the log: the same frames, the same number of times, and when."""
    entered, left = collections.defaultdict(list), collections.defaultdict(list)
    for frame in log:
        if frame.transport == "other":
            continue
        if frame.action not in ("duplicated", "injected"):
            entered[frame.direction, log_key(frame)].append(frame.ingress_ns)
        if frame.egress_ns:
            left[frame.direction, log_key(frame)].append(frame.egress_ns)
    directions = {key: side for side, key in [*entered, *left]}
    times = {point: collections.defaultdict(list) for point in ("switch-a", "switch-b") if point in seen}
    for point, at in times.items():
        for packet in seen[point]:
            at[directions.get(packet.key), packet.key].append(packet.time_ns)
        near = ("ab", entered) if point == "switch-a" else ("ab", left)
        far = ("ba", left) if point == "switch-a" else ("ba", entered)
        for side, logged in (near, far):
            wanted = {key: stamps for key, stamps in logged.items() if key[0] == side}
            report.unlogged += sum(len(at.get(key, [])) != len(stamps) for key, stamps in wanted.items())
        report.unlogged += sum(key not in entered and key not in left for key in at)
    if len(times) < 2:
        return
    for key, ins in entered.items():
        outs, at_a, at_b = left.get(key, []), times["switch-a"].get(key, []), times["switch-b"].get(key, [])
        if len(ins) == len(outs) == len(at_a) == len(at_b) == 1:
            between = at_b[0] - at_a[0] if key[0] == "ab" else at_a[0] - at_b[0]
            report.stamp_error_ns.append(between - (outs[0] - ins[0]))


def check_all_points(report: Report, seen: dict) -> None:
    """Counts packets that some capture of the path does not have."""
    counts = {point: collections.Counter(packet.key for packet in taken) for point, taken in seen.items()}
    everything = set().union(*counts.values())
    report.absent = sum(any(not count[key] for count in counts.values()) for key in everything)


def check_delays(report: Report, phases: list[dict], log: list[wirelog.Frame]) -> None:
    """How exactly the wire delays lone frames (some faults delay more). In a burst, sending itself takes time: the log says so."""
    last_ns = {"ab": 0, "ba": 0}
    for frame in log:
        lone = frame.ingress_ns - last_ns[frame.direction] >= LONE_NS
        last_ns[frame.direction] = frame.ingress_ns
        for index, phase in enumerate(phases):
            begin_ns = phase["start_ns"] + (PHASE_EDGE_NS if index else 0)
            if lone and frame.egress_ns and begin_ns <= frame.ingress_ns < phase["end_ns"]:
                asked_ns = phase[frame.direction]["delay_us"] * 1000
                report.delay_error_ns.append(frame.egress_ns - frame.ingress_ns - asked_ns)


def keep_data_frames(path: pathlib.Path) -> None:
    """Cuts a wire log to the frames that carry data: what the truth of requests needs."""
    lines = path.read_text().splitlines()
    kept = [line for line in lines if line.startswith("#") or int(line.split("\t")[12]) > 0]
    path.write_text("\n".join(kept) + "\n")
