"""The factor table: what is varied, and the cells that cover every pair of values of two factors."""

import dataclasses
import itertools
import random

BOXES = ("route", "dnat", "snat+dnat", "vxlan", "ipip", "tso")
FAULTS = ("none", "delay 1 ms", "delay 50 ms", "delay 300 ms", "request copy lost", "response copy lost", "server slow",
          "zero window", "reset by server", "reset by middlebox")
MIRRORS = (0.0, 0.01, 0.05)
CLOCKS = ("exact", "100 ms off", "2 s off", "50 ppm drift", "150 us step")

# Measured and printed without a bound.
OPEN_BOXES = ("fullnat", "firewall", "synproxy", "gateway")
OPEN_FAULTS = ("none", "delay 50 ms", "request copy lost", "server slow")

POINTS = ("pod-a", "node-a-veth", "node-a-eth0", "switch-a", "switch-b", "node-b-eth0", "node-b-veth", "pod-b")
ROLES = ("pod", "node", "node", "switch", "switch", "node", "node", "pod")
MIDDLES_US = (16, 20, 14, 30, 14, 20, 16)  # mean one-way delay of each segment, half of it jitter


@dataclasses.dataclass(frozen=True)
class Cell:
    """One scenario of the evaluation."""
    seed: int
    box: str
    fault: str
    mirror_loss: float
    clock: str
    requests: int
    open: bool = False  # no bound holds for it

    @property
    def name(self) -> str:
        return f"e{self.seed}"

    @property
    def segment(self) -> int:
        """Which segment has the fault: any of the seven, by seed."""
        return random.Random(self.seed).randrange(len(POINTS) - 1)


def covering_cells(first_seed: int, requests: int, rounds: int = 2) -> list[Cell]:
    """Every box with every fault, `rounds` times, with mirrors and clocks so chosen that all pairs occur."""
    plan = list(itertools.product(range(rounds), BOXES, FAULTS))
    for attempt in range(1000):
        dice = random.Random(attempt)
        mirrors = dice.sample(MIRRORS * len(plan), len(plan))
        clocks = dice.sample(CLOCKS * len(plan), len(plan))
        cells = [Cell(first_seed + at, box, fault, mirrors[at], clocks[at], requests)
                 for at, (_, box, fault) in enumerate(plan)]
        if not uncovered(cells):
            return cells
    raise ValueError(f"{rounds} rounds are too few to cover all pairs")


def open_cells(first_seed: int, requests: int) -> list[Cell]:
    """Boxes that rewrite sequence numbers, and very poor mirrors."""
    cells = []
    for box, fault in itertools.product(OPEN_BOXES, OPEN_FAULTS):
        cells.append(Cell(first_seed + len(cells), box, fault, 0.0, "exact", requests, True))
    for fault in FAULTS:
        cells.append(Cell(first_seed + len(cells), "vxlan", fault, 0.2, "exact", requests, True))
    return cells


def uncovered(cells: list[Cell]) -> list[tuple]:
    """Pairs of values of two factors that no cell has."""
    factors = {"box": BOXES, "fault": FAULTS, "mirror_loss": MIRRORS, "clock": CLOCKS}
    missing = []
    for (one, values), (two, others) in itertools.combinations(factors.items(), 2):
        seen = {(getattr(cell, one), getattr(cell, two)) for cell in cells}
        missing += [(one, value, two, other) for value in values for other in others if (value, other) not in seen]
    return missing


def clock_of(cell: Cell, point: int) -> dict:
    """What is wrong with the clock of one point. Neighbours differ, and the middle of the run is where steps happen."""
    sign = 1 if point % 2 else -1
    middle_s = cell.requests / RATE_PER_S / 2
    return {"exact": {}, "100 ms off": {"offset_ms": 100 * sign}, "2 s off": {"offset_ms": 2000 * sign},
            "50 ppm drift": {"drift_ppm": 50 * sign},
            "150 us step": {"steps": [{"at_s": middle_s + point, "by_us": 150 * sign}]}}[cell.clock]


RATE_PER_S = 400
FAULT_SHARE = 0.25


def faults_of(cell: Cell) -> list[dict]:
    segment = [POINTS[cell.segment], POINTS[cell.segment + 1]]
    dice = random.Random(f"sides of {cell.seed}")
    direction, by = dice.choice(("request", "response")), dice.choice(("client", "server"))
    fault = {"none": None,
             "delay 1 ms": {"kind": "delay", "segment": segment, "add_us": 1000, "direction": direction},
             "delay 50 ms": {"kind": "delay", "segment": segment, "add_us": 50_000, "direction": direction},
             "delay 300 ms": {"kind": "delay", "segment": segment, "add_us": 300_000, "direction": direction},
             "request copy lost": {"kind": "lose_request", "segment": segment},
             "response copy lost": {"kind": "lose_response", "segment": segment},
             "server slow": {"kind": "server_slow", "add_us": 40_000},
             "zero window": {"kind": "zero_window", "for_us": 250_000, "by": by},
             "reset by server": {"kind": "reset", "by": "server"},
             "reset by middlebox": {"kind": "reset", "by": "middlebox", "segment": segment}}[cell.fault]
    return [fault | {"share": FAULT_SHARE}] if fault else []


def boxes_behind(cell: Cell, segment: int) -> list[dict]:
    """What stands in a segment, before its wire: routers at the nodes, and the box of the cell."""
    elements: list[dict] = []
    if segment in (1, 5):
        elements.append({"router": {}})
    service = {"dnat": {"service": "198.18.200.1:80"}}
    if segment == 1 and cell.box in ("dnat", "snat+dnat", "vxlan", "ipip"):
        elements.append(service)
    if segment == 1 and cell.box == "snat+dnat":
        elements.append({"snat": {"address": "10.9.9.9"}})
    if cell.box in ("vxlan", "ipip") and segment == 1:
        elements.append({"tunnel": {"type": cell.box} | ({"id": 7} if cell.box == "vxlan" else {})})
    if cell.box in ("vxlan", "ipip") and segment == 5:
        elements.append({"tunnel_end": {}})
    if cell.box == "tso" and segment == 2:
        elements.append({"tso": {"mss": 1448}})
    if cell.box in ("fullnat", "firewall", "synproxy") and segment == 3:
        elements.append({"rewrite": {"kind": cell.box}})
    if cell.box == "gateway" and segment == 3:
        elements.append({"gateway": {"service_us": 150}})
    return elements


def scenario(cell: Cell) -> dict:
    """The scenario file of a cell (JSON is YAML)."""
    path: list[dict] = []
    for at, point in enumerate(POINTS):
        path.append({"point": point, "role": ROLES[at], "clock": clock_of(cell, at), "mirror": {"loss": cell.mirror_loss}})
        if at + 1 < len(POINTS):
            middle = MIDDLES_US[at]
            path += boxes_behind(cell, at)
            path.append({"segment": {"delay_us": {"exponential": middle, "min": middle // 2}}})
    traffic = {"requests": cell.requests, "rate_per_s": RATE_PER_S, "connections": 60, "clients": 4,
               "requests_per_connection": 25, "service_us": {"lognormal": [600, 0.5]},
               "request_bytes": {"pick": [250, 900, 5000], "weights": [7, 3, 1]},
               "response_bytes": {"pick": [200, 1200, 6000, 30_000], "weights": [4, 4, 2, 1]}}
    if cell.fault == "zero window":  # a window closes on a message of some length only
        traffic |= {"request_bytes": {"pick": [250, 30_000], "weights": [1, 1]}, "response_bytes": 30_000}
    if cell.box == "gateway":
        traffic["header_ids"] = ["x-request-id"]
    return {"name": cell.name, "seed": cell.seed, "traffic": traffic, "path": path, "faults": faults_of(cell)}
