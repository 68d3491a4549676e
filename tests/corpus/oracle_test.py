#!/usr/bin/env python3
"""Compares hoptap with tshark's facts about a folder of captures (NAME.oracle.json beside each capture).

Every HTTP/1 and DNS message that only one of them has, and every response time that differs, must be explained by a
rule below, which says who is right and why. Fails on a difference that no rule explains and when less is equal than
FLOORS say. docs/corpus.md explains the rules; --markdown prints its table.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass, field

SKIPPED = 77
CORPUS_DEFAULT = os.environ.get("HOPTAP_CORPUS", "")

# Names of the fields in the lines of `hoptap records`.
PROTOCOL, TRANSPORT, METHOD, RESOURCE, ENDPOINT = "protocol", "transport", "method", "resource", "endpoint"
STATUS, KEY, FLAGS, CLOSING, REQUEST, RESPONSE = "status", "key", "flags", "closing", "request", "response"
CLIENT, SERVER, FIRST, LAST, COPIES, LAST_COPY = "client", "server", "first_ns", "last_ns", "copies", "last_copy_ns"

# What was equal when this was last recorded; a run may have more.
FLOORS = {"http messages": 4880, "http times": 1752, "dns messages": 5902, "dns times": 1702}

DNS_TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV",
             35: "NAPTR", 41: "OPT", 43: "DS", 46: "RRSIG", 48: "DNSKEY", 64: "SVCB", 65: "HTTPS", 251: "IXFR",
             252: "AXFR", 255: "ANY", 257: "CAA"}


@dataclass
class Fact:
    """One message as one of the two saw it."""
    protocol: str
    kind: str                # request or response
    name: tuple              # what it says
    at_ns: int               # when all of it had passed
    took_ns: int | None = None  # response time
    stream: str = ""         # tshark's, as in tcp12
    hop: dict = field(default_factory=dict)


@dataclass
class Capture:
    name: str
    oracle: dict
    hops: list
    legs: list
    theirs: list = field(default_factory=list)

    def stacks_have(self, *words):
        return any(word in stack.split(":") for stack in self.oracle["stacks"] for word in words)

    def flow(self, fact):
        """tshark's TCP stream of a fact, if it was listed."""
        for flow in self.oracle["tcp_flows"]:
            if fact.stream == f"tcp{flow['stream']}":
                return flow
        return None

    def ends(self, fact):
        if fact.hop:
            return {plain(fact.hop[CLIENT]), plain(fact.hop[SERVER])}
        flow = self.flow(fact)
        return {plain(flow["client"]), plain(flow["server"])} if flow else set()

    def hops_of(self, fact):
        ends = self.ends(fact)
        return [hop for hop in self.hops if {plain(hop[CLIENT]), plain(hop[SERVER])} == ends]

    def has_leg(self, fact):
        ends = self.ends(fact)
        return any({plain(leg[CLIENT]), plain(leg[SERVER])} == ends for leg in self.legs)


@dataclass
class Difference:
    capture: Capture
    what: str                # only_oracle, only_hoptap, time
    oracle: Fact | None
    ours: Fact | None

    @property
    def fact(self):
        return self.oracle or self.ours

    def flag(self, *names):
        return self.ours is not None and any(name in self.ours.hop.get(FLAGS, []) for name in names)


def plain(endpoint):
    """An endpoint without what the two write differently."""
    return endpoint.replace("[", "").replace("]", "").replace("::ffff:", "")


def nanoseconds(text):
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 10**9 + int((fraction + "0" * 9)[:9])


def first(values, default=""):
    return values[0] if isinstance(values, list) and values else default


def oracle_http(oracle):
    for item in oracle["l7"].get("http", {}).get("items", []):
        paths, times = item.get("uri", []), item.get("time", [])
        for i, method in enumerate(item.get("method", [])):
            yield Fact("http", "request", (method, paths[i] if i < len(paths) else ""), nanoseconds(item["t"]), None,
                       item["s"])
        for i, status in enumerate(item.get("status", [])):
            yield Fact("http", "response", (status,), nanoseconds(item["t"]),
                       nanoseconds(times[i]) if i < len(times) else None, item["s"])


def oracle_dns(oracle):
    for item in oracle["l7"].get("dns", {}).get("items", []):
        key, at = int(first(item["id"]), 0), nanoseconds(item["t"])
        if first(item["resp"]) in ("0", "False"):
            kind = first(item.get("qtype"))
            name = first(item.get("qname"))
            text = DNS_TYPES.get(int(kind), f"TYPE{kind}") if kind else ""
            yield Fact("dns", "request", (key, "." if name == "<Root>" else name, text), at, None, item["s"])
        else:
            took = first(item.get("time"), None)
            yield Fact("dns", "response", (key, first(item.get("rcode"))), at, nanoseconds(took) if took else None,
                       item["s"])


def our_facts(hops):
    for hop in hops:
        request, response = hop[REQUEST], hop[RESPONSE]
        took = response[LAST] - request[LAST] if request and response else None
        if hop[PROTOCOL] == "dns":
            if request:
                yield Fact("dns", "request", (hop.get(KEY, 0), hop.get(RESOURCE, ""), hop.get(ENDPOINT, "")),
                           request[LAST], None, "", hop)
            if response:
                yield Fact("dns", "response", (hop.get(KEY, 0), str(hop.get(STATUS, 0))), response[LAST], took, "", hop)
        elif hop[PROTOCOL] == "http" and request:
            yield Fact("http", "request", (hop.get(METHOD, ""), hop.get(RESOURCE, "")), request[LAST], None, "", hop)
        if hop[PROTOCOL] in ("http", "opaque") and response and STATUS in hop:
            yield Fact("http", "response", (str(hop[STATUS]),), response[LAST], took, "", hop)


def match(capture, theirs, ours):
    """Pairs of equal facts, by what they say and when, then where, then by that alone; and what is left of both."""
    pairs = []
    for sort in (lambda f: (f.protocol, f.kind, f.name, max(f.at_ns, 1)),
                 lambda f: (f.protocol, f.kind, f.name, frozenset(capture.ends(f))),
                 lambda f: (f.protocol, f.kind, f.name)):
        waiting = collections.defaultdict(collections.deque)
        for fact in ours:
            waiting[sort(fact)].append(fact)
        left = []
        for fact in theirs:
            queue = waiting[sort(fact)]
            if queue:
                pairs.append((fact, queue.popleft()))
            else:
                left.append(fact)
        theirs, ours = left, [fact for queue in waiting.values() for fact in queue]
    return pairs, theirs, ours


# ---- the rules, tried in order -------------------------------------------------------------------------------------

def over_udp(d):
    return d.fact.protocol == "http" and d.oracle is not None and d.oracle.stream.startswith("udp")


def not_decoded(d):
    return d.what == "only_oracle" and bool(d.capture.ends(d.oracle)) and not d.capture.has_leg(d.oracle)


OUTSIDE = ("ayiya", "wlan", "arcnet", "arcnet_linux", "nflog", "teredo", "quic",
           "http2", "socks", "icmp", "icmpv6", "aruba_erm", "lisp", "esp", "fr", "atm", "cipo")


def outside(d):
    return d.what == "only_oracle" and d.capture.stacks_have(*OUTSIDE) and not close_hops(d)


def close_hops(d):
    """Our hop records with a message that ended when the oracle's did."""
    at = max(d.oracle.at_ns, 1)
    return [hop for hop in d.capture.hops for m in (hop[REQUEST], hop[RESPONSE]) if m and m[FIRST] <= at <= m[LAST]]


def interim(d):
    return (d.fact.protocol == "http" and d.oracle is not None and d.oracle.kind == "response"
            and d.oracle.name[0].startswith("1") and any("interim" in h.get(FLAGS, []) for h in d.capture.hops_of(d.oracle)))


def after_interim(d):
    return d.what == "time" and d.flag("interim") and d.oracle.took_ns is None


def repeat(d):
    if d.what != "only_oracle" or d.oracle.protocol != "dns":
        return False
    for hop in d.capture.hops:
        message = hop[REQUEST if d.oracle.kind == "request" else RESPONSE]
        if hop[PROTOCOL] == "dns" and hop.get(KEY, 0) == d.oracle.name[0] and message and message.get(COPIES, 0):
            if message[FIRST] <= max(d.oracle.at_ns, 1) <= message[LAST_COPY]:
                return True
    return False


def from_the_repeat(d):
    return (d.what == "time" and d.ours.protocol == "dns" and bool(d.ours.hop[REQUEST])
            and d.ours.hop[REQUEST].get(COPIES, 0) > 0)


def mdns_from_the_asker(d):
    return (d.what == "time" and d.ours.protocol == "dns" and d.ours.took_ns is None
            and d.ours.hop[CLIENT].endswith(":5353") and d.ours.hop[SERVER].endswith(":5353"))


def closing_segment(d):
    return (d.what == "time" and d.ours.at_ns < d.oracle.at_ns and "server_fin" in d.ours.hop.get(CLOSING, []))


def unfinished(d):
    return d.flag("incomplete") and d.what != "only_oracle"


def gap(d):
    lost = d.capture.oracle["tcp_analysis"]["lost_segment"] + d.capture.oracle["tcp_analysis"]["ack_lost_segment"]
    if d.what == "only_oracle":
        return False
    return lost > 0 or d.flag("request_gap", "response_gap", "one_direction", "truncated")


def evasion(d):
    return "http-evader" in d.capture.name


def target_with_spaces(d):
    if d.fact.protocol != "http" or d.fact.kind != "request" or d.what == "time":
        return False
    if d.ours is not None:
        return " " in d.ours.name[1]
    return any(hop.get(METHOD) == d.oracle.name[0] and hop.get(RESOURCE, "").startswith(d.oracle.name[1] + " ")
               for hop in d.capture.hops_of(d.oracle) or d.capture.hops)


def other_protocols_port(d):
    ports = {int(end.rpartition(":")[2]) for end in d.capture.ends(d.fact)}
    return d.what == "only_hoptap" and bool(ports & {22, 53, 63, 443, 5060, 5355, 8053, 8888})


def no_version(d):
    return (d.fact.protocol == "http" and d.what == "only_oracle"
            and any(hop[PROTOCOL] == "opaque" for hop in d.capture.hops_of(d.oracle)))


def captured_twice(d):
    """The oracle has the same message shortly before, and hoptap removed packets that were captured twice."""
    removed = any(leg["to_server"].get("duplicates_removed", 0) + leg["to_client"].get("duplicates_removed", 0)
                  for leg in d.capture.legs)
    return d.what == "only_oracle" and removed and any(
        (f.kind, f.name) == (d.oracle.kind, d.oracle.name) and 0 < d.oracle.at_ns - f.at_ns <= 200_000_000
        for f in d.capture.theirs)


def odd_bytes_in_a_name(d):
    return d.fact.protocol == "dns" and d.what == "only_hoptap" and d.ours.kind == "request" and "?" in d.ours.name[1]


def odd_bytes_in_a_name_too(d):
    return (d.fact.protocol == "dns" and d.what == "only_oracle" and d.oracle.kind == "request"
            and not (d.oracle.name[1].isascii() and d.oracle.name[1].isprintable()))



def pipelined(d):
    return d.what == "time" and d.oracle.took_ns is None and d.ours.took_ns is not None


def not_a_question(d):
    return d.fact.protocol == "dns" and d.what == "only_oracle" and d.oracle.kind == "request" and not d.oracle.name[1]


def dns_elsewhere(d):
    return d.fact.protocol == "dns" and d.what == "only_oracle" and not any(h[PROTOCOL] == "dns" for h in close_hops(d))


def one_per_segment(d):
    return d.fact.protocol == "dns" and d.what == "only_hoptap" and d.ours.hop[TRANSPORT] == "tcp"


# Where a sentence fits one capture only: name -> (who is right, why).
NOT_IN_STREAM = ("hoptap", "the status tshark lists stands in no HTTP response of that stream")
OWN_PORT = ("hoptap", "a known protocol's port or method keeps tshark from HTTP here")
BY_CAPTURE = {
    "bruteshark/Pcap_Examples__PCAPNG_Examples__TCP_-_Network.pcapng": NOT_IN_STREAM,
    "bruteshark/Pcap_Examples__TCP_-_Network.pcap": NOT_IN_STREAM,
    "bruteshark/Pcap_Examples__PCAPNG_Examples__TCP_-_File_Downloads.pcapng": NOT_IN_STREAM,
    "bruteshark/Pcap_Examples__TCP_-_File_Downloads.pcap": NOT_IN_STREAM,
    "pcapplusplus/Packet++Test__PacketExamples__SllPacket.pcap": ("tshark", "a lone segment inside a response"),
    "pcapplusplus/ExamplesTest__pcap_examples__many-protocols.pcap":
        ("tshark", "the leg begins with a keep-alive probe, which hoptap takes for data"),
    "suricata-verify/detect-pcre__detect-pcre-04__input.pcap": ("hoptap", "tshark reads no target"),
    "suricata-verify/detect-pcre__detect-pcre-05__input.pcap": ("hoptap", "tshark reads no target"),
    "suricata-verify/dns-udp-junkrequest-first__input.pcap": ("hoptap", "the first datagram is no DNS query"),
    "suricata-verify/filestore-dont__input.pcap": ("hoptap", "tshark pairs the first response with the second request"),
    "suricata-verify/http1-noint-status__input.pcap": ("neither", "the status has not three digits"),
    "suricata-verify/tcp-urgp-04-2byte-XY__tcp-urgent-2byte-XY.pcap": ("neither", "urgent bytes inside the request"),
    "suricata-verify/detect-bypass__input.pcap": ("hoptap", "the response does not acknowledge the request"),
    "tcpdump/dns_udp_2.pcap": ("hoptap", "tshark has no time for this pair"),
    "tcpflow/test5-lines-randomized.pcap": ("tshark", "the packets are shuffled, the response comes before its SYN"),
    "zeek/http__methods.pcap": ("neither", "first lines without a version or a target"),
    "zeek/http__query-method.pcap": OWN_PORT,
}

RULES = [
    # name, who is right, why, check
    ("http over udp", "tshark", "SSDP is HTTP syntax in datagrams; out of scope", over_udp),
    ("interim response", "hoptap", "1xx answers nothing; it is a flag of the exchange that goes on", interim),
    ("time after interim", "hoptap", "tshark pairs the request with the 1xx and has no time for the response", after_interim),
    ("repeated dns message", "both", "a repeat is a copy of the first; tshark lists each", repeat),
    ("dns time of a repeated query", "hoptap", "the asker waits since the first query; tshark takes the last", from_the_repeat),
    ("mdns announcement", "hoptap", "sent by the asker itself to the group, no answer to its own question", mdns_from_the_asker),
    ("closing segment", "hoptap", "the response ended with its last byte, not with the FIN", closing_segment),
    ("unfinished message", "hoptap", "the capture or the connection ended inside it; tshark lists whole messages only", unfinished),
    ("packet captured twice", "hoptap", "the same packet twice within 200 ms is one packet", captured_twice),
    ("odd bytes in a name", "both", "unprintable bytes of a DNS name are written differently", odd_bytes_in_a_name),
    ("odd bytes in a name ", "both", "unprintable bytes of a DNS name are written differently", odd_bytes_in_a_name_too),
    ("not decoded", "tshark", "its encapsulation is out of scope", not_decoded),
    ("evasion test", "neither", "malformed on purpose; browsers differ as well", evasion),
    ("target with spaces", "hoptap", "the target is what stands before the version; tshark cuts it at the first space", target_with_spaces),
    ("gap", "hoptap", "tshark's reassembly stops or restarts at a hole; hoptap resyncs and pairs nothing by guess", gap),
    ("port of another protocol", "hoptap", "tshark picks the dissector by port", other_protocols_port),
    ("no http version", "neither", "a first line that RFC 9112 does not know; the exchange is given as opaque", no_version),
    ("other pairing", "hoptap", "tshark lost the request of this response", pipelined),
    ("no question", "tshark", "not a DNS query by its bytes, or without a question", not_a_question),
    ("several messages in a segment", "hoptap", "tshark's fields list the first of a segment only", one_per_segment),
    ("outside", "tshark", "comes in an encapsulation or protocol that is out of scope", outside),
    ("dns elsewhere", "tshark", "not on a DNS port, or inside another packet", dns_elsewhere),
]


def explain(difference):
    for name, right, why, check in RULES:
        if check(difference):
            return name.strip(), right, why
    for name, (right, why) in BY_CAPTURE.items():
        if difference.capture.name == name:
            return f"{name}", right, why
    return None


def read(hoptap, corpus, path):
    lines = subprocess.run([hoptap, "records", str(path)], capture_output=True, check=False).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    oracle = json.loads((path.parent / (path.name + ".oracle.json")).read_text())
    # Of messages that look alike, those of a pair first: connections end in no order that means anything.
    hops = sorted((r for r in records if r["type"] == "hop"), key=lambda hop: hop[REQUEST] is None or hop[RESPONSE] is None)
    return Capture(str(path.relative_to(corpus)), oracle, hops,
                   [r for r in records if r["type"] == "leg"])


def compare(capture):
    """Counts of what is equal, and the differences."""
    theirs = list(oracle_http(capture.oracle)) + list(oracle_dns(capture.oracle))
    capture.theirs = theirs
    pairs, only_theirs, only_ours = match(capture, theirs, list(our_facts(capture.hops)))
    equal = collections.Counter()
    differences = []
    for a, b in pairs:
        same = abs(max(a.at_ns, 1) - b.at_ns) == 0 and a.took_ns == b.took_ns
        equal[f"{a.protocol} messages"] += 1
        if a.took_ns is not None and a.took_ns == b.took_ns:
            equal[f"{a.protocol} times"] += 1
        if not same:
            differences.append(Difference(capture, "time", a, b))
    listed = capture.oracle["l7"].get("dns", {}).get("truncated")
    differences += [Difference(capture, "only_oracle", a, None) for a in only_theirs]
    differences += [Difference(capture, "only_hoptap", None, b) for b in only_ours if not (listed and b.protocol == "dns")]
    return equal, differences


def describe(difference):
    fact = difference.fact
    times = "" if difference.what != "time" else (
        f" ended {difference.ours.at_ns - difference.oracle.at_ns:+} ns, took {difference.oracle.took_ns} / "
        f"{difference.ours.took_ns}")
    return f"{difference.capture.name}: {difference.what} {fact.protocol} {fact.kind} {fact.name} at {fact.at_ns}{times} {fact.stream}"


def report(classes, equal, markdown):
    rows = [(name, str(count), right, why) for (name, right, why), count in classes.most_common()]
    if markdown:
        print("| class | count | who is right | why |\n| --- | ---: | --- | --- |")
        for row in rows:
            print("| " + " | ".join(row) + " |")
    else:
        for name, count, right, why in rows:
            print(f"{count:>6}  {name:<34} {right:<8} {why}")
    for name in FLOORS:
        print(f"{equal[name]:>6}  equal {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hoptap", required=True)
    parser.add_argument("--corpus", default=CORPUS_DEFAULT)
    parser.add_argument("--markdown", action="store_true", help="print the table for docs/corpus.md")
    options = parser.parse_args()
    corpus = pathlib.Path(options.corpus)
    paths = sorted(p.with_name(p.name.removesuffix(".oracle.json")) for p in corpus.rglob("*.oracle.json")) if options.corpus else []
    if not paths:
        print(f"skipped: no captures with oracle files in '{options.corpus}'")
        return SKIPPED
    equal, classes, unexplained = collections.Counter(), collections.Counter(), []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for capture in pool.map(lambda path: read(options.hoptap, corpus, path), paths):
            here, differences = compare(capture)
            equal += here
            for difference in differences:
                reason = explain(difference)
                if reason:
                    classes[reason] += 1
                else:
                    unexplained.append(difference)
    report(classes, equal, options.markdown)
    for difference in unexplained:
        print("unexplained:", describe(difference))
    low = [name for name, floor in FLOORS.items() if equal[name] < floor]
    for name in low:
        print(f"fewer {name} equal than the {FLOORS[name]} recorded: {equal[name]}")
    print(f"{len(paths)} captures, {sum(classes.values())} differences explained, {len(unexplained)} not")
    return 1 if unexplained or low else 0


if __name__ == "__main__":
    sys.exit(main())
