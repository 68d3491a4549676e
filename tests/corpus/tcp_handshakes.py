"""Compares the handshakes that hoptap has timed with those of an oracle, flow by flow.

A difference is explained by what the packets of that very flow show.
"""
import collections
import ipaddress

from tcp_reference import ACK, FIN, RST, SYN

NEAR_NS = 1000  # tshark rounds


def endpoint(text):
    """"::1:80" as tshark has it and "[::1]:80" are the same."""
    address, _, port = text.rpartition(":")
    return ipaddress.ip_address(address.strip("[]")), int(port)


def nanoseconds(text):
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])


class Opening:
    """The segments of one flow that may be part of a handshake."""

    def __init__(self, packets, client, server):
        sent = [p for p in packets if p["source"] == client and p["target"] == server]
        self.syns = [p for p in sent if p["flags"] & (SYN | ACK) == SYN]
        self.answers = [p for p in packets if p["source"] == server and p["target"] == client and p["flags"] & SYN]
        self.syn_acks = [p for p in self.answers if p["flags"] & ACK]
        begins = {(p["seq"] + 1) % (1 << 32) for p in self.syn_acks}
        plain = [p for p in sent if p["flags"] & ACK and not p["flags"] & (SYN | FIN | RST)]
        self.acks = [p for p in plain if p["ack"] in begins]
        numbers = {(p["seq"] + 1) % (1 << 32) for p in self.syns}
        self.fitting = [p for p in self.syn_acks if p["ack"] in numbers]
        self.packets = packets

    def apart(self):
        """Every time between a SYN and an ACK of a SYN-ACK."""
        return {ack["ns"] - syn["ns"] for syn in self.syns for ack in self.acks}

    def why_none(self, syn_acks):
        """@param syn_acks  how many the oracle has seen"""
        if not self.syn_acks:
            return "" if syn_acks else "no SYN-ACK"
        if not self.fitting:
            return "SYN-ACK of another"
        begins = min(p["ns"] for p in self.syn_acks)
        acks = [ack["ns"] for ack in self.acks if ack["ns"] >= begins]
        if not acks:
            return "SYN-ACK late" if self.acks else "no ACK of the SYN-ACK"
        if all(syn["ns"] > begins for syn in self.syns):
            return "SYN late"
        if any(packet["flags"] & RST and packet["ns"] < min(acks) for packet in self.packets):
            return "connection ended"
        if len({packet["seq"] for packet in self.syn_acks}) > 1:
            return "two SYN-ACKs"
        tunnels = {tuple(t for t in packet["wire"].split() if t[0] == "t") for packet in self.syns + self.syn_acks}
        return "labelled one way" if len(tunnels) > 1 else ""

    def why_other(self, ns, theirs):
        apart = self.apart()
        if ns == 0 and 0 in apart:
            return "coarse clock"
        if ns == 0 and any(one < 0 for one in apart):
            return "time goes backwards"
        if ns in apart and not any(abs(theirs - one) <= NEAR_NS for one in apart):
            others = {packet["ns"] - syn["ns"] for syn in self.syns for packet in self.packets}
            return "another packet" if any(abs(theirs - one) <= NEAR_NS for one in others) else ""
        copies = len(self.syns) > 1 or len(self.syn_acks) > 1 or len(self.acks) > 1
        return "copy of the SYN" if copies and ns in apart and any(abs(theirs - one) <= NEAR_NS for one in apart) else ""


class Handshakes:
    def __init__(self, packets, timed):
        self.packets = collections.defaultdict(list)
        for packet in packets:
            client, server = endpoint(packet["source"]), endpoint(packet["target"])
            packet = {**packet, "source": client, "target": server}
            self.packets[frozenset((client, server))].append(packet)
        self.timed = collections.defaultdict(list)
        for client, server, first_ns, ns in timed:
            self.timed[endpoint(client), endpoint(server)].append((first_ns, ns))

    def compare(self, flows, short):
        """@return a rule for each, "" when equal, None when nothing explains it."""
        rules = []
        again = collections.Counter(frozenset((endpoint(flow["client"]), endpoint(flow["server"]))) for flow in flows)
        for flow in flows:
            key = endpoint(flow["client"]), endpoint(flow["server"])
            begin, end = 0, 1 << 64
            if again[frozenset(key)] > 1:  # ports used again: one after the other
                begin, end = nanoseconds(flow["t0"]), nanoseconds(flow["t1"])
            ours = sorted(one for one in self.timed[key] if begin <= one[0] <= end)
            opening = Opening([p for p in self.packets[frozenset(key)] if begin <= p["ns"] <= end], *key)
            if flow.get("initial_rtt"):
                theirs = nanoseconds(flow["initial_rtt"])
                outer = self.of_other_addresses(key, theirs, flow) if not opening.packets else None
                ns = ours[0][1] if ours else None
                if ns is None:
                    rules.append(outer or opening.why_none(flow["synack"]) or short or None)
                else:
                    rules.append("" if abs(ns - theirs) <= NEAR_NS else opening.why_other(ns, theirs) or None)
            for one in ours:
                self.timed[key].remove(one)
            rules.extend(self.more(ns, opening) for _, ns in (ours[1:] if flow.get("initial_rtt") else ours))
        rules.extend(None for left in self.timed.values() for _ in left)
        return rules

    def of_other_addresses(self, key, theirs, flow):
        """A tunnel: the oracle has the outer addresses with the inner ports."""
        for (client, server), times in self.timed.items():
            for first_ns, ns in times:
                if (client[1], server[1]) == (key[0][1], key[1][1]) and first_ns == nanoseconds(flow["t0"]) \
                        and abs(ns - theirs) <= NEAR_NS:
                    times.remove((first_ns, ns))
                    return "outer addresses"
        return None

    @staticmethod
    def more(ns, opening):
        """A handshake that hoptap has and tshark has not."""
        if ns == 0 or any(packet["ns"] == 0 for packet in opening.syns):
            return "no time"
        wires = {packet["wire"] for packet in opening.syns}
        return "second leg" if len(wires) > 1 and ns in opening.apart() else None
