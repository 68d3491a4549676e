"""The report of an evaluation: tables by factor, the baselines beside, and the bounds."""

import factors
import score
import statistics_of

# (figure, which cells, at least or at most, limit)
SHARE_BOUNDS = (
    ("link precision", lambda cell: True, "least", 0.99999),
    ("link recall", lambda cell: True, "least", 0.999),
    ("top-1 segment", lambda cell: cell.mirror_loss == 0, "least", 0.99),
    ("top-1 segment", lambda cell: cell.mirror_loss == 0.05, "least", 0.95),
    ("segment over 50 requests", lambda cell: cell.mirror_loss == 0.05, "least", 0.995),
    ("loss located", lambda cell: True, "least", 0.98),
    ("network blamed when innocent", lambda cell: True, "most", 0.001),
    ("reset origin", lambda cell: True, "least", 0.99),
)
SEGMENT_MEDIAN_MAX_NS, SEGMENT_P99_MAX_NS = 1_000, 20_000
CALIBRATION_ERROR_MAX = 0.05
COLUMNS = ("link precision", "link recall", "top-1 segment", "segment over 50 requests", "loss located",
           "network blamed when innocent", "reset origin", "server or client")


def merged(results: list, wanted) -> score.Score:
    total = score.Score()
    for cell, one in results:
        if wanted(cell):
            total.merge(one)
    return total


def short_share(total: score.Score, name: str) -> str:
    hits, trials = total.counts[name]
    return f"{100 * hits / trials:.2f}" if trials else "-"


def table(heading: str, groups: list[tuple[str, score.Score]]) -> list[str]:
    lines = ["", f"| {heading} | requests' links | " + " | ".join(COLUMNS) + " | segment error us, median / p99 |",
             "| --- | ---: |" + " ---: |" * (len(COLUMNS) + 1)]
    for name, total in groups:
        errors = total.segment_errors_ns
        middle, tail = statistics_of.quantile(errors, 0.5), statistics_of.quantile(errors, 0.99)
        cells = " | ".join(short_share(total, column) for column in COLUMNS)
        lines.append(f"| {name} | {total.counts['link recall'][1]} | {cells} | {middle / 1000:.2f} / {tail / 1000:.2f} |")
    return lines


def baseline_table(total: score.Score) -> list[str]:
    lines = ["", "| rule | link precision | link recall | top-1 segment |", "| --- | ---: | ---: | ---: |"]
    lines.append(f"| hoptap | {total.text('link precision')} | {total.text('link recall')} | {total.text('top-1 segment')} |")
    for name in ("equal sequences, 60 ms", "5-tuple and time"):
        top = total.text("largest drop: top-1 segment") if name.startswith("equal") else "-"
        label = name + (", then the largest drop in response time" if name.startswith("equal") else "")
        lines.append(f"| {label} | {total.text(name + ': link precision')} | {total.text(name + ': link recall')} | {top} |")
    naive = total.naive_errors_ns
    lines += ["", "One-way time of a segment as a plain difference of two clocks: wrong by "
              f"{statistics_of.quantile(naive, 0.5) / 1000:,.0f} us (median), {statistics_of.quantile(naive, 0.99) / 1e6:,.0f} ms (p99)."]
    return lines


def check_bounds(results: list) -> tuple[list[str], list[str]]:
    """Lines of the table of bounds, and what is broken."""
    bounded = [result for result in results if not result[0].open]
    lines, broken = ["", "| bound | limit | measured | |", "| --- | --- | --- | --- |"], []

    def row(name: str, limit: str, measured: str, kept: bool) -> None:
        lines.append(f"| {name} | {limit} | {measured} | {'kept' if kept else '**broken**'} |")
        if not kept:
            broken.append(f"{name}: {measured}, must be {limit}")

    for name, wanted, side, limit in SHARE_BOUNDS:
        total = merged(bounded, wanted)
        hits, trials = total.counts[name]
        kept = trials > 0 and (hits / trials >= limit if side == "least" else hits / trials <= limit)
        losses = {cell.mirror_loss for cell, _ in bounded if wanted(cell)}
        where = f", mirrors lose {100 * losses.pop():.0f} %" if len(losses) == 1 else ""
        row(name + where, f"at {side} {100 * limit:g} %", total.text(name), kept)
    total = merged(bounded, lambda cell: True)
    middle = statistics_of.quantile(total.segment_errors_ns, 0.5)
    tail = statistics_of.quantile(total.segment_errors_ns, 0.99)
    row("segment round trip, median error", f"at most {SEGMENT_MEDIAN_MAX_NS / 1000:g} us", f"{middle / 1000:.3f} us",
        middle <= SEGMENT_MEDIAN_MAX_NS)
    row("segment round trip, p99 error", f"at most {SEGMENT_P99_MAX_NS / 1000:g} us", f"{tail / 1000:.3f} us",
        tail <= SEGMENT_P99_MAX_NS)
    calibration = statistics_of.calibration_error(total.claims)
    row("expected calibration error", f"at most {CALIBRATION_ERROR_MAX}", f"{calibration:.4f} over {len(total.claims)} verdicts",
        calibration <= CALIBRATION_ERROR_MAX)
    return lines, broken


PAGE = """# How often hoptap is right

`./dev bench eval` makes this page anew: it forges the captures of every cell ([forge.md](forge.md)), lets `hoptap path` judge
them without any option, and holds its answers against the exact truth. Seeds below 1000 were for tuning; these are others.

**A cell** is one combination of a box on the path, a fault on a quarter of the requests, the loss of every mirror and what is
wrong with the clocks; all pairs of values of two factors occur. The path has 8 points and 7 segments; the faulty segment is
drawn for each cell, as are the way of a delay and the host that closes its window. Requests are 250 to 5,000 bytes, responses 200
to 30,000; where windows close, more are of 30,000.

**The figures.** *Link precision*: of all links between two sightings in a trace, those of one request. *Link recall*: of the
links between points whose captures hold one of a request's messages whole, those found. *Top-1 segment*: of the requests
that a segment truly delayed by 0.5 ms or more, those whose trace names this very segment; an answer "between A and C"
counts as a miss here. *Over 50 requests*: the same for `--window` verdicts of about 50 requests with at least 5 delayed.
*Loss located*: of the packets lost between two points and sent again, those found there. *Blamed when innocent*: of the
requests that no segment did any harm, those whose trace blames one. *Reset origin*: server, or the segment with the
middlebox. *Server or client*: slow server, closed window: the host named. *Segment error*: against the true round trip.
Shares have Wilson's 95 % interval. A bound holds where the table says so; all else is measured.

Baselines are coded by us from public descriptions (`tests/eval/baselines.py`) and get the sightings that hoptap found.
"""


def page(text: str, speed: str) -> str:
    """The whole of docs/evaluation.md."""
    return f"""{PAGE}
{text}
## Speed

`hoptap-join-speed`, one core of this machine (shared with other work): {speed}. A pending record holds all that the trace
shows of a hop, in a compact form; keys and index are a quarter of it.

## Read with care

One fault at a time, faults that come and go at random, clean HTTP/1 traffic, queueing that is exponential. The forge's TCP is
modelled on Linux and simpler than it. `./dev lab faults` is the check with real kernels and servers.
"""


def report(results: list) -> tuple[str, list[str]]:
    bounded = [result for result in results if not result[0].open]
    lines, broken = check_bounds(results)
    total = merged(bounded, lambda cell: True)
    requests = sum(cell.requests for cell, _ in bounded)
    head = [f"{len(bounded)} cells, {requests} requests, seeds {min(cell.seed for cell, _ in bounded)} to "
            f"{max(cell.seed for cell, _ in bounded)}. Of faulted requests {total.text('abstained')} got no place named; an "
            f"interval that holds the segment, or the segment, {total.text('within interval')}. "
            f"Network blamed in windows of 50 without network fault: {total.text('network blamed over 50 requests')}."]
    for heading, attribute, values in (("fault", "fault", factors.FAULTS), ("box", "box", factors.BOXES),
                                       ("mirrors lose", "mirror_loss", factors.MIRRORS), ("clocks", "clock", factors.CLOCKS)):
        groups = [(str(value), merged(bounded, lambda cell, v=value: getattr(cell, attribute) == v)) for value in values]
        lines += table(heading, groups)
    lines += ["", "Against other rules, over all these cells:"] + baseline_table(total)
    opened = [result for result in results if result[0].open]
    if opened:
        boxes = [(box, merged(opened, lambda cell, b=box: cell.box == b and cell.mirror_loss == 0)) for box in factors.OPEN_BOXES]
        poor = merged(opened, lambda cell: cell.mirror_loss > 0)
        lines += ["", "No bound yet: boxes that rewrite sequence numbers, a gateway, mirrors that lose 20 %."]
        lines += table("box", boxes + [("vxlan, mirrors lose 20 %", poor)])
    return "\n".join(head + lines) + "\n", broken
