#!/usr/bin/env python3
"""Compares hoptap's TCP metrics with tshark's analysis, packet by packet, over a corpus with oracle facts.

Compared are copies and disorder (retransmissions of every kind, out of order), keep-alives, duplicate ACKs, zero windows and
the round trip of each handshake. The oracles have sums of captures: tcp_reference.py tells which packets they count, and must
come to the same sums. Each packet that hoptap judges otherwise must be explained by one of RULES, whose check (in
tcp_differences.py) holds for that packet and its flow; one that is not fails the test, and so does less equal than FLOORS say.
docs/metrics.md has the table (--markdown).
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

from tcp_differences import explain
from tcp_handshakes import Handshakes

SKIPPED = 77
FLOORS = {"copies and disorder": 1753, "keep-alives": 1881, "duplicate ACKs": 1764, "zero windows": 1892, "handshakes": 3959}

RULES = {
    "acknowledged first": "its ACK had passed before it: new here all the same, a spurious retransmission for tshark. hoptap",
    "after an old ACK": "it repeats the greatest acknowledgment, not the last: RFC 5681 section 2 (e). hoptap",
    "after its FIN": "an ACK from before its sender's FIN, or a probe after it: RFC 9293 section 3.8.4 counts bytes. Either",
    "alike": "same IP-ID, numbers and length as a packet just before, but another checksum: removed here as captured twice. tshark, "
             "where it is not offload",
    "behind an empty segment": "an empty segment with a higher number had passed, so these bytes, or this FIN, were lost or "
                               "late: in order here, as no bytes were higher. tshark",
    "captured twice": "the feed shows packets twice (same IP-ID, checksum, wire): hoptap removes them, tshark counts them. hoptap",
    "connection ended": "after a reset or both FINs, and a second of silence, hoptap begins anew; tshark goes on. Either",
    "data in the SYN": "forged: data at the SYN's own sequence number (RFC 9293 section 3.4: it begins one behind). hoptap",
    "FIN again": "a FIN repeated without data; hoptap's copies are of data. Either",
    "FIN amid bytes": "a proxy's FIN in front of bytes that were sent: no bytes are repeated. Either",
    "FIN outstanding": "no data is outstanding, the FIN is: no duplicate ACK by RFC 5681 section 2 (a). hoptap",
    "frame cut": "the frame is shorter than its IP header says: tshark goes by the frame, hoptap by the header. hoptap",
    "hole filled late": "bytes never seen, below the highest: out of order here, a retransmission for tshark when they come later than "
                        "3 ms. Either: which copy was lost cannot be seen from one point",
    "keep-alive": "one byte sent again, all acknowledged, after a FIN: no retransmission here. hoptap",
    "known by its ACK": "the first probe of a connection picked up in the middle: the other end's ACK tells its place. hoptap",
    "not decoded": "link or tunnel that hoptap does not decode (802.11, ARCnet, ...). tshark",
    "nothing outstanding": "an ACK repeats while no data is outstanding, as after a copy: no duplicate ACK by RFC 5681 section 2 (a). "
                           "hoptap",
    "old sequence number": "the ACK repeats, with a sequence number that is not its sender's next: RFC 5681 section 2 asks for none. "
                           "hoptap",
    "on another wire": "the same packet before and after a router (TTL, MACs, VLAN, tunnel id, interface differ): two legs here, a copy "
                       "for tshark. hoptap",
    "one way only": "no data of the other end was captured: what is outstanding is not known. Neither can know",
    "partly new": "a segment sent again together with bytes that follow it: new here, as some of it is; a retransmission for "
                  "tshark. Either",
    "ports used again": "a SYN-ACK with another number: another connection here, the same for tshark. hoptap",
    "SYN late": "a SYN or SYN-ACK behind a later segment or its answer: neither copy nor handshake here. Either",
    "time goes backwards": "packets are not in the order of their times. Neither",
    "bad lengths": "PPPoE, IP and frame contradict each other: tshark goes by PPPoE, hoptap by IP. Neither can know",
    "coarse clock": "SYN and ACK have the same time: 0 here; tshark takes the next time that differs. hoptap",
    "copy of the SYN": "the SYN or SYN-ACK passed again: hoptap times the first, tshark another one. Either",
    "no SYN-ACK": "no SYN-ACK was captured: no handshake here; tshark takes the next ACK. hoptap",
    "SYN-ACK late": "the ACK of it was captured before it: no handshake here. Either",
    "SYN-ACK of another": "the SYN-ACK acknowledges something else than the SYN. hoptap",
    "no ACK of the SYN-ACK": "no plain ACK of it was captured: no handshake here. hoptap",
    "another packet": "tshark ends at a packet that does not acknowledge the SYN-ACK. hoptap",
    "labelled one way": "a label or tunnel on one direction only: two flows of one direction each here. tshark",
    "no time": "SYN at the epoch, or all at one time: tshark takes 0 for unknown and has no handshake. hoptap",
    "outer addresses": "4in6: the oracle names the flow by its outer addresses; the time is equal. hoptap",
    "two SYN-ACKs": "SYN-ACKs with two numbers: each begins a connection here, and the SYN stays with the first. tshark",
    "second leg": "the handshake of a leg on another wire: hoptap has one for each. hoptap",
}

# Captures whose packets were looked at one by one, because the oracle counts packets that are read otherwise here.
NAMED = {"zeek/pppoe-over-qinq.pcap": "bad lengths"}

KINDS = {"copies and disorder": "copy", "keep-alives": "keep-alive", "duplicate ACKs": "duplicate ACK"}


def run(program, *arguments):
    done = subprocess.run((program, *arguments), capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def examine(program, path):
    """One capture: (its facts, what its packets explain, the TCP packets)."""
    facts = run(program, path)
    lines = run(program, "--packets", path)
    return facts[0] if facts else None, explain(lines), [line for line in lines if isinstance(line, dict)]


def compare(path, name, program, oracle):
    """@return the rows of one capture: (what, rule or "", count); rule None when unexplained."""
    ours, found, packets = examine(program, path)
    if ours is None:
        return None
    rows = []
    whole = {"copy": ours["copies"] + ours["out_of_order"], "keep-alive": ours["keep_alives"], "duplicate ACK": ours["duplicate_acks"]}
    if any(found.counted[kind] != count for kind, count in whole.items()):
        rows.append(("one report and many", None, 1))
    tshark = oracle["tcp_analysis"]
    seen = sum(flow["pkts_c2s"] + flow["pkts_s2c"] for flow in oracle["tcp_flows"])
    short = "not decoded" if len(packets) < seen else ""
    sums = {"copies and disorder": tshark["retransmission"] + tshark["out_of_order"],
            "keep-alives": tshark["keep_alive"],
            "duplicate ACKs": tshark["duplicate_ack"]}
    for what, theirs in sums.items():
        kind = KINDS[what]
        reasons = {why: count for (of, why), count in found.reasons.items() if of == kind}
        known = found.judged[kind] == theirs
        left = [one for one in found.left if one[0] == kind or kind == "copy" and one[0] == "out of order"]
        if left or not known and not short and name not in NAMED:
            rows.append((what, None, 1))
        elif not known:
            rows.append((what, short or NAMED[name], abs(theirs - found.judged[kind])))
        elif kind == "copy" and not reasons and ours["out_of_order"] != tshark["out_of_order"]:
            rows.append((what, "hole filled late", abs(ours["out_of_order"] - tshark["out_of_order"])))
        elif not reasons:
            rows.append((what, "", 1))
        rows.extend((what, why, count) for why, count in reasons.items())
    # tshark counts every segment that announces a closed window, hoptap the times that it closed.
    closed = ours["zero_windows"], tshark["zero_window"]
    equal = closed[0] == closed[1] or 0 < closed[0] < closed[1]
    rows.append(("zero windows", "" if equal else short or None, 1))
    rows.extend(("handshakes", rule, 1) for rule in Handshakes(packets, ours["handshakes"]).compare(oracle["tcp_flows"], short))
    return rows


class Table:
    def __init__(self):
        self.equal = collections.Counter()
        self.rules = collections.defaultdict(collections.Counter)  # (what, rule): captures and packets
        self.unexplained = []

    def add(self, name, rows):
        for what, rule, count in rows:
            if rule is None:
                self.unexplained.append(f"{name}: {what}")
            elif rule == "":
                self.equal[what] += 1
            else:
                self.rules[what, rule].update({"captures": 1, "packets": count})

    def print(self):
        for what, count in self.equal.items():
            differ = {rule: dict(n) for (of, rule), n in self.rules.items() if of == what}
            print(f"{what}: {count} equal {differ if differ else ''}")

    def markdown(self):
        print("| | equal | explained | packets | who is right |\n| --- | ---: | ---: | ---: | --- |")
        for what, count in self.equal.items():
            print(f"| {what} | {count} | | | |")
            for (of, rule), n in sorted(self.rules.items(), key=lambda row: row[0][1].lower()):
                if of == what:
                    print(f"| {rule} | | {n['captures']} | {n['packets'] if what != 'handshakes' else ''} | {RULES[rule]} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", required=True, help="the program hoptap-tcp-facts")
    parser.add_argument("--corpus", required=True, type=pathlib.Path)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    if not options.corpus.is_dir():
        print(f"skipped: no corpus at {options.corpus}")
        return SKIPPED
    table, read, paths = Table(), 0, []
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for path in sorted(options.corpus.rglob("*.oracle.json")):
            oracle = json.loads(path.read_text())
            if not oracle["conversations"]["tcp"] or oracle["error"] or oracle.get("tcp_flows_truncated"):
                continue
            capture = str(path)[:-len(".oracle.json")]
            name = os.path.relpath(capture, options.corpus)
            paths.append((name, pool.submit(compare, capture, name, options.facts, oracle)))
        for name, future in paths:
            rows = future.result()
            read += rows is not None
            table.add(name, rows or ())
    table.markdown() if options.markdown else table.print()
    short = [what for what, least in FLOORS.items() if table.equal[what] < least]
    for line in table.unexplained:
        print(f"unexplained: {line}")
    print(f"{read} of {len(paths)} captures with TCP; {len(table.unexplained)} differences unexplained"
          + (f"; fewer equal than before: {', '.join(short)}" if short else ""))
    return 1 if table.unexplained or short or read != len(paths) else 0


if __name__ == "__main__":
    sys.exit(main())
