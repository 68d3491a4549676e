#!/usr/bin/env python3
"""Compares hoptap's TCP metrics with tshark's analysis, capture by capture, over a corpus with oracle facts.

Compared are copies and disorder (retransmissions of every kind, out of order), duplicate ACKs, zero windows and the round
trip of each handshake. A difference must be explained by a rule below, which says who is right and why; one that is not
fails the test, and so does less equal than FLOORS say. docs/metrics.md has the table (--markdown).
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

SKIPPED = 77
FLOORS = {"copies and disorder": 1750, "duplicate ACKs": 1750, "zero windows": 1880, "handshakes": 2000}

RULES = {
    "captured twice": "the feed shows packets twice (same IP-ID, same wire): hoptap removes them, tshark counts copies. hoptap",
    "on another wire": "the same packets before and after a router (TTL, MACs, VLAN, tunnel id differ): two legs here, copies "
                       "for tshark. hoptap",
    "hole filled late": "bytes never seen before, below the highest: out of order here, a retransmission for tshark when they "
                        "come later than 3 ms. Either: which copy was lost cannot be seen from one point",
    "holes in the capture": "segments were not captured: what comes after a hole is judged differently. Neither can know",
    "connection ended": "hoptap ends a connection at its reset, after silence, or when its ports are used again, and a SYN then is "
                        "a new one; tshark goes on. hoptap",
    "FIN again": "a segment that repeats a FIN without data; tshark counts some of them, hoptap's copies are of data. Either",
    "keep-alive": "probes of one byte, sent again: no retransmissions here. hoptap",
    "time goes backwards": "packets are not in the order of their times; who was first is a matter of order or of clock. Neither",
    "not decoded": "link or tunnel that hoptap does not decode (802.11 in GRE, ...). tshark",
    "partly new": "a segment sent again together with bytes that follow it: new here, as some of it is; a retransmission for "
                  "tshark. Either",
    "coarse clock": "SYN and ACK have the same time: 0 here; tshark takes the next time that differs. hoptap",
    "data in the SYN": "forged: data at the SYN's own sequence number (RFC 9293 section 3.4: it begins one behind). hoptap",
    "nothing outstanding": "an ACK that repeats while no data is outstanding, as after a copy: no duplicate ACK by RFC 5681 section "
                           "2 (a), one for tshark. hoptap",
    "disorder": "ACKs repeat behind a hole that the other side of the capture shows filled. Neither can know",
    "other copy of the SYN": "the SYN or SYN-ACK passed again: hoptap times the first, tshark another one. Either, docs/metrics.md says which",
}


# Captures whose packets were looked at one by one.
NAMED = {"util-action": "data in the SYN", "9596cf60-0da6-47a7": "partly new"}


def facts(program, captures):
    done = subprocess.run((program, *captures), capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def copies_rule(ours, oracle, name):
    """Which rule explains that copies and disorder differ; "" when none does."""
    tshark = oracle["tcp_analysis"]
    mine = ours["retransmissions"] + ours["syn_retransmissions"] + ours["fin_copies"] + ours["out_of_order"]
    theirs = tshark["retransmission"] + tshark["out_of_order"]
    twice = ours["captured_twice"]
    apart = abs(mine - theirs)
    packets = sum(flow["pkts_c2s"] + flow["pkts_s2c"] for flow in oracle["tcp_flows"])
    if mine == theirs:
        return "hole filled late"
    if twice and abs(mine + twice - theirs) <= twice:
        return "captured twice"
    if ours["virtual_points"]:
        return "on another wire"
    if tshark["lost_segment"] or tshark["ack_lost_segment"]:
        return "holes in the capture"
    if apart <= ours["fin_copies"]:
        return "FIN again"
    if tshark["keep_alive"] and apart <= tshark["keep_alive"] + ours["keep_alives"]:
        return "keep-alive"
    if ours["packets"] + twice < packets:
        return "not decoded"
    if ours["flows"] > oracle["conversations"]["tcp"] or tshark["reused_ports"]:
        return "connection ended"
    if ours["backwards"]:
        return "time goes backwards"
    return next((rule for part, rule in NAMED.items() if part in name), "")


def acks_rule(ours, oracle):
    mine, theirs = ours["duplicate_acks"], oracle["tcp_analysis"]["duplicate_ack"]
    if mine < theirs:
        return "nothing outstanding"
    return "disorder" if ours["out_of_order"] or oracle["tcp_analysis"]["out_of_order"] else ""


def compare(ours, oracle, name, table):
    tshark = oracle["tcp_analysis"]
    copies = ours["retransmissions"] + ours["syn_retransmissions"] + ours["fin_copies"]
    equal = (copies, ours["out_of_order"]) == (tshark["retransmission"], tshark["out_of_order"])
    table.add("copies and disorder", equal, lambda: copies_rule(ours, oracle, name), name)
    table.add("duplicate ACKs", ours["duplicate_acks"] == tshark["duplicate_ack"], lambda: acks_rule(ours, oracle), name)
    # tshark counts every segment that announces a closed window, hoptap the times that it closed.
    closed = ours["zero_windows"], tshark["zero_window"]
    packets = sum(flow["pkts_c2s"] + flow["pkts_s2c"] for flow in oracle["tcp_flows"])
    table.add("zero windows", closed[0] == closed[1] or 0 < closed[0] < closed[1],
              lambda: "not decoded" if ours["packets"] < packets else "", name)
    handshakes(ours, oracle, name, table)


def handshakes(ours, oracle, name, table):
    mine = {}
    for client, server, ns in ours["handshakes"]:
        mine.setdefault((client, server), []).append(ns)
    for flow in oracle["tcp_flows"]:
        if not flow.get("initial_rtt"):
            continue
        times = mine.get((flow["client"], flow["server"]))
        if not times:
            continue
        ns = times.pop(0)  # ports that are used again: one after the other
        apart = abs(ns - round(float(flow["initial_rtt"]) * 1e9))
        again = flow["syn"] > 1 or flow["synack"] > 1 or ours["captured_twice"] or ours["virtual_points"] or ours["backwards"]
        table.add("handshakes", apart <= 1000, lambda: "coarse clock" if ns == 0 else "other copy of the SYN" if again else "", name)


class Table:
    def __init__(self):
        self.equal = collections.Counter()
        self.rules = collections.Counter()
        self.unexplained = []

    def add(self, what, equal, rule, name):
        if equal:
            self.equal[what] += 1
            return
        explained = rule()
        if explained:
            self.rules[what, explained] += 1
        else:
            self.unexplained.append(f"{name}: {what}")

    def print(self):
        for what, count in self.equal.items():
            differ = {rule: n for (of, rule), n in self.rules.items() if of == what}
            print(f"{what}: {count} equal, {sum(differ.values())} explained {differ if differ else ''}")

    def markdown(self):
        print("| | equal | explained | who is right |\n| --- | ---: | ---: | --- |")
        for what, count in self.equal.items():
            print(f"| {what} | {count} | | |")
            for (of, rule), n in sorted(self.rules.items()):
                if of == what:
                    print(f"| {rule} | | {n} | {RULES[rule]} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", required=True, help="the program hoptap-tcp-facts")
    parser.add_argument("--corpus", required=True, type=pathlib.Path)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    if not options.corpus.is_dir():
        print(f"skipped: no corpus at {options.corpus}")
        return SKIPPED
    oracles = {}
    for path in sorted(options.corpus.rglob("*.oracle.json")):
        oracle = json.loads(path.read_text())
        if oracle["conversations"]["tcp"] and not oracle["error"] and not oracle.get("tcp_flows_truncated"):
            oracles[str(path)[:-len(".oracle.json")]] = oracle
    captures = list(oracles)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(lambda at: facts(options.facts, captures[at:at + 50]), range(0, len(captures), 50)))
    table = Table()
    read = 0
    for ours in (one for part in parts for one in part):
        compare(ours, oracles[ours["file"]], os.path.relpath(ours["file"], options.corpus), table)
        read += 1
    table.markdown() if options.markdown else table.print()
    short = [what for what, least in FLOORS.items() if table.equal[what] < least]
    for line in table.unexplained:
        print(f"unexplained: {line}")
    print(f"{read} of {len(captures)} captures with TCP; {len(table.unexplained)} differences unexplained"
          + (f"; fewer equal than before: {', '.join(short)}" if short else ""))
    return 1 if table.unexplained or short or read != len(captures) else 0


sys.exit(main())
