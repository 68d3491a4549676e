#!/usr/bin/env python3
"""Compares what hoptap decodes of every packet in captures with encapsulations with what tshark says of it.

Goes over the captures of a corpus whose manifest names an encapsulation, and those with IP fragments. Compared are where
decoding ends (TCP, UDP, ICMP or not), the inner tuple, tunnel types and ids in order, TCP's sequence and lengths, what
ICMP errors quote, and ERSPAN's fields. A difference must be explained by a rule below, which says who is right and why; one
that is not fails the test, and so does less equal than FLOORS say. docs/encapsulation.md has the table (--markdown).
"""
import argparse
import collections
import concurrent.futures
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77
CAPTURE_BYTES_MAX = 30_000_000

# Manifest tags that are no encapsulation of what hoptap reads.
OTHER_TAGS = {"wlan"}

FIELDS = ("frame.protocols ip.src ip.dst ipv6.src ipv6.dst tcp.srcport tcp.dstport udp.srcport udp.dstport tcp.seq_raw "
          "tcp.len udp.length icmp.type icmp.code icmpv6.type icmpv6.code vxlan.vni gre.key gre.key.call_id geneve.vni "
          "gtp.teid mpls.label mpls.bottom pppoe.session_id l2tp.tunnel l2tp.session nsh.spi ieee8021ah.isid erspan.version erspan.spanid "
          "erspan.vlan erspan.direction erspan.timestamp erspan.gra erspan.truncated gre.sequence_number ip.proto "
          "gre.proto").split()

END = {"tcp": "tcp", "udp": "udp", "udplite": "other_ip", "icmp": "icmp", "icmpv6": "icmp"}
IP_EXTENSIONS = {"ipv6.hopopts", "ipv6.routing", "ipv6.dstopts", "ipv6.fraghdr", "ah", "mipv6", "shim6", "hip"}
LINKS = {"eth", "ethertype", "vlan", "ieee8021ad", "sll", "llc", "null", "raw", "ppp", "vntag", "etag", "chdlc", "loop",
         "pwethheuristic", "pwethcw", "pwethnocw", "data", "mpls_pw", "frame"}


class Reader:
    """The fields of one packet, taken in the order in which the protocols name them."""

    def __init__(self, row):
        self.values = {name: collections.deque(value.split(",") if value else []) for name, value in zip(FIELDS, row)}

    def take(self, name, default=""):
        queue = self.values[name]
        return queue.popleft() if queue else default

    def number(self, name):
        text = self.take(name, "0")
        return int(text, 0) if text else 0


def fact_of(row):
    """What tshark says of a packet, in the terms of hoptap-decoded-packets."""
    reader = Reader(row)
    layers = reader.values["frame.protocols"]
    layers = [layer for layer in ":".join(layers).split(":") if layer]
    fact = {"outcome": "none", "source": "::", "target": "::", "ports": (0, 0), "tunnels": [], "layers": layers}
    at = 0
    under_ip = False
    while at < len(layers):
        layer = layers[at]
        following = layers[at + 1] if at + 1 < len(layers) else ""
        if layer == "mpls":
            fact["tunnels"].append(("mpls", bottom_label(reader)))
            under_ip = False
        elif layer in ("ip", "ipv6"):
            if under_ip:
                fact["tunnels"].append(("ipip", 0))
            fact["source"], fact["target"] = reader.take(layer + ".src"), reader.take(layer + ".dst")
            fact["outcome"] = "other_ip"
            under_ip = True
        elif layer in IP_EXTENSIONS:
            pass
        elif layer in END:
            fact["outcome"] = END[layer]
            if layer == "tcp":
                fact["ports"] = (reader.number("tcp.srcport"), reader.number("tcp.dstport"))
                fact["sequence"], fact["payload_bytes"] = reader.number("tcp.seq_raw"), reader.number("tcp.len")
            elif layer == "udp":
                fact["ports"] = (reader.number("udp.srcport"), reader.number("udp.dstport"))
                fact["payload_bytes"] = reader.number("udp.length") - 8
                tunnel = udp_tunnel(reader, layers, at + 1)
                if tunnel:
                    fact["tunnels"].append(tunnel)
                    fact["outcome"], fact["ports"] = "none", (0, 0)
                    under_ip = False
                    at += 1 if following == "nsh" else 2
                    continue
            elif layer.startswith("icmp"):
                fact["type"], fact["code"] = reader.number(layer + ".type"), reader.number(layer + ".code")
                fact["quoted"] = quoted(reader, layers[at + 1:])
            break
        elif layer == "gre":
            fact["tunnels"].append(gre_tunnel(reader, layers, at, fact))
            fact["outcome"] = "none"
            under_ip = False
        elif layer == "pppoes":
            fact["tunnels"].append(("pppoe", reader.number("pppoe.session_id")))
        elif layer == "ieee8021ah":
            fact["tunnels"].append(("pbb", reader.number("ieee8021ah.isid")))
        elif layer == "nsh":
            fact["tunnels"].append(("nsh", reader.number("nsh.spi")))
            under_ip = False
        elif layer in LINKS or layer == "erspan":
            if layer == "eth" and under_ip:
                under_ip = False
        elif under_ip:
            break
        at += 1
    return fact


def bottom_label(reader):
    """The last label of the next stack: tshark names a stack once, however many labels it has."""
    label = reader.number("mpls.label")
    while reader.values["mpls.label"] and reader.take("mpls.bottom") in ("0", "False"):
        label = reader.number("mpls.label")
    return label


def udp_tunnel(reader, layers, at):
    """The tunnel that a UDP datagram carries, if tshark goes on into it."""
    layer = layers[at] if at < len(layers) else ""
    inside = layers[at + 1:]
    holds_packet = any(one in ("ip", "ipv6", "eth", "ppp", "mpls", "nsh") for one in inside)
    if layer == "vxlan" or (layer == "nsh" and reader.values["vxlan.vni"]):  # then tshark leaves VXLAN out
        return ("vxlan", reader.number("vxlan.vni"))  # tshark does not say which of the two
    if layer == "geneve":
        return ("geneve", reader.number("geneve.vni"))
    if layer == "gtp" and holds_packet:
        return ("gtp", reader.number("gtp.teid"))
    if layer == "l2tp" and holds_packet:
        return ("l2tp", reader.number("l2tp.tunnel") << 16 | reader.number("l2tp.session"))
    return None


def gre_tunnel(reader, layers, at, fact):
    following = layers[at + 1] if at + 1 < len(layers) else ""
    protocol = reader.number("gre.proto")
    if following == "erspan" or protocol in (0x88be, 0x22eb):
        return erspan_tunnel(reader, fact)
    key = reader.number("gre.key")
    if protocol == 0x880b:
        key = reader.number("gre.key.call_id")
    if protocol == 0x6400:  # EoIP: the id is the lower half, little-endian
        half = int.from_bytes((key & 0xffff).to_bytes(2, "big"), "little")
        return ("teb", half)
    return ("teb" if protocol == 0x6558 else "gre", key)


def erspan_tunnel(reader, fact):
    version = reader.take("erspan.version")
    if not version:
        return ("erspan1", 0)
    session = reader.number("erspan.spanid")
    sequence = reader.take("gre.sequence_number")
    fact["mirror"] = {"session": session, "vlan": reader.number("erspan.vlan"), "sequence": int(sequence) if sequence else -1,
                      "truncated": reader.number("erspan.truncated") != 0}
    if int(version, 0) == 2:
        fact["mirror"]["timestamp"] = reader.number("erspan.timestamp")
        fact["mirror"]["granularity"] = reader.number("erspan.gra")
        fact["mirror"]["egress"] = reader.take("erspan.direction") in ("1", "True")
    return ("erspan3" if int(version, 0) == 2 else "erspan", session)


def quoted(reader, layers):
    """Addresses and ports of the packet that an ICMP error quotes."""
    if not layers or layers[0] not in ("ip", "ipv6"):
        return None
    ends = (reader.take(layers[0] + ".src"), reader.take(layers[0] + ".dst"))
    for layer in layers[1:]:
        if layer in ("tcp", "udp"):
            return (ends[0], reader.number(layer + ".srcport"), ends[1], reader.number(layer + ".dstport"))
        if layer not in IP_EXTENSIONS:
            break
    return (ends[0], 0, ends[1], 0)


def plain(address):
    return address.removeprefix("::ffff:") if "." in address else address


def difference_of(fact, ours):
    """The first thing in which the two differ, or None."""
    outcome = ours["outcome"]
    if fact["outcome"] in ("tcp", "udp", "icmp"):
        if outcome != fact["outcome"]:
            return "outcome"
        if (plain(ours["source"]), plain(ours["target"])) != (plain(fact["source"]), plain(fact["target"])):
            return "addresses"
        if (ours["source_port"], ours["target_port"]) != tuple(fact["ports"]):
            return "ports"
        mine = [("vxlan" if kind == "vxlan-gpe" else kind, number) for kind, number, *_ in ours["tunnels"]]
        if mine != [tuple(layer) for layer in fact["tunnels"]]:
            return "tunnels"
        if outcome == "tcp" and ours["sequence"] != fact["sequence"]:
            return "sequence"
        if outcome in ("tcp", "udp") and ours["payload_bytes"] != fact["payload_bytes"]:
            return "payload"
        if outcome == "icmp" and (ours["type"], ours["code"]) != (fact["type"], fact["code"]):
            return "icmp"
        if outcome == "icmp" and differs_quoted(fact["quoted"], ours.get("quoted")):
            return "quoted"
        mirror = fact.get("mirror", {})
        if any(ours.get("mirror", {}).get(name) != value for name, value in mirror.items()):
            return "mirror"
        return None
    return "decoded more" if outcome in ("tcp", "udp", "icmp") else None


def differs_quoted(theirs, ours):
    if theirs is None:
        return False  # tshark lists no quoted packet of some types that we read
    return ours is None or tuple(plain(str(one)) for one in ours[:4]) != tuple(plain(str(one)) for one in theirs)


# ---- the rules, tried in order; d has capture, number, fact, ours, what ----

def believed_length(d):
    """A frame cut by a mirror or an anonymiser: the same bytes captured, more of them on the wire."""
    return d.what == "payload" and d.ours["payload_bytes"] > d.ours["captured_bytes"] >= d.fact["payload_bytes"]


def udp_length_beyond(d):
    return (d.what == "payload" and d.fact["outcome"] == "udp"
            and (d.fact["payload_bytes"] > d.ours["payload_bytes"] or d.fact["payload_bytes"] < 0))


def first_fragment(d):
    return d.what == "outcome" and d.ours["outcome"] == "fragment" and d.ours["source_port"] == d.fact["ports"][0]


def outside(d):
    return d.what == "outcome" and d.ours["outcome"] in ("not_ip", "unsupported") and d.has(*OUTSIDE)


# Encapsulations that hoptap does not read; docs/encapsulation.md says why.
OUTSIDE = ("wlan", "wlan_aggregate", "cmd", "nhrp", "trill", "batadv", "lisp", "capwap.data")


def too_deep(d):
    return d.what == "outcome" and d.ours["outcome"] == "unsupported" and len(d.fact["tunnels"]) > 4


def pppoe_code(d):
    return d.what == "outcome" and d.ours["outcome"] == "malformed" and d.has("pppoes")


def other_direction(d):
    """Only L2TP and Teredo answer from their port."""
    return (d.what == "outcome" and d.ours["outcome"] == "udp" and d.ours["target_port"] not in (4789, 8472, 4790, 6081, 2152)
            and d.ours["source_port"] in (4789, 8472, 4790, 6081, 2152))


def too_short(d):
    return (d.what == "decoded more" and d.ours["outcome"] == "udp" and d.ours["payload_bytes"] < 8
            and d.ours["target_port"] in (4789, 8472, 4790, 6081, 2152))


def bogus_tcp(d):
    return d.what == "outcome" and d.fact["outcome"] == "tcp" and d.ours["outcome"] == "malformed" and d.has("tcp")


def pseudowire(d):
    return d.has("mpls") and d.what == "decoded more"


def eoip(d):
    return d.what == "outcome" and "__eoip__" in d.capture


def unknown_gtp(d):
    return d.what == "outcome" and d.ours["outcome"] == "not_ip" and bool(d.ours["tunnels"]) and d.ours["tunnels"][-1][0] == "gtp"


RULES = [
    # name, who is right, why, check
    ("IP length believed", "both", "the frame is shorter than its IP packet: cut, though nothing says so; tshark counts what is there", believed_length),
    ("UDP length beyond", "hoptap", "the UDP length is more than the IP packet has, or less than a header; tshark lists it as it is", udp_length_beyond),
    ("first fragment", "both", "the rest never comes: tshark shows the first fragment as the whole, hoptap gives ports and counts a fragment", first_fragment),
    ("outside", "tshark", "802.11, NHRP, Cisco metadata: not read", outside),
    ("too deep", "tshark", "more than four layers: kUnsupported by design", too_deep),
    ("PPPoE code", "hoptap", "session data has code 0 (RFC 2516 section 4); tshark reads on", pppoe_code),
    ("from the port", "hoptap", "the port is the source's: only the target's says VXLAN, Geneve or GTP-U", other_direction),
    ("too short for a tunnel", "hoptap", "fewer bytes than the tunnel's header: a datagram to its port", too_short),
    ("bogus TCP header", "both", "a data offset that cannot be; tshark shows ports all the same", bogus_tcp),
    ("EoIP made wrong", "hoptap", "another version or flags than MikroTik's, or a length that cuts the frame; tshark reads on", eoip),
    ("GTP-U of no IP", "both", "a G-PDU whose payload is not IP: tshark stops at UDP, hoptap says what it is in", unknown_gtp),
    ("frame check of FabricPath", "hoptap", "tshark takes the last 4 bytes of the inner packet for a frame check sequence", lambda d: d.what == "payload" and d.has("cfp")),
    ("pseudowire", "hoptap", "no field says what a label stack carries; here hoptap's guess leads to a sound packet and tshark's does not", pseudowire),
]


def explain(d):
    for name, right, why, check in RULES:
        if check(d):
            return name, right, why
    return None


class Difference:
    def __init__(self, capture, number, fact, ours, what):
        self.capture, self.number, self.fact, self.ours, self.what = capture, number, fact, ours, what

    def has(self, *layers):
        return any(layer in self.fact["layers"] for layer in layers)

    def text(self):
        mine = {name: value for name, value in self.ours.items() if name not in ("ttl", "protocol", "vlans")}
        theirs = {name: value for name, value in self.fact.items() if name != "layers"}
        return f"{self.capture} #{self.number} {self.what}: {':'.join(self.fact['layers'])}\n    tshark {theirs}\n    hoptap {mine}"


# What was equal when this was last recorded; a run may have more.
FLOORS = {"packets": 62390, "inner tuples": 42887, "erspan headers": 92, "quoted packets": 36, "in erspan": 86, "in erspan1": 1122,
          "in erspan3": 6, "in geneve": 98, "in gre": 2875, "in gtp": 695, "in ipip": 330, "in l2tp": 11, "in mpls": 299,
          "in nsh": 3, "in pbb": 15, "in pppoe": 242, "in teb": 74, "in vxlan": 294}


def read_tshark(path):
    command = ["tshark", "-n", "-r", str(path), "-o", "tcp.desegment_tcp_streams:FALSE", "-T", "fields", "-E", "separator=/t",
               "-E", "occurrence=a", "-E", "aggregator=,"]
    for name in FIELDS:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    return [fact_of(line.split("\t")) for line in done.stdout.split("\n") if line]


def read_ours(program, path):
    done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(program, corpus, name):
    ours, theirs = read_ours(program, corpus / name), read_tshark(corpus / name)
    equal, differences = collections.Counter(), []
    for number, (fact, one) in enumerate(zip(theirs, ours), 1):
        what = difference_of(fact, one)
        if what:
            differences.append(Difference(name, number, fact, one, what))
            continue
        equal["packets"] += 1
        if fact["outcome"] in ("tcp", "udp", "icmp"):
            equal["inner tuples"] += 1
            for kind, _ in fact["tunnels"]:
                equal[f"in {kind}"] += 1
            equal["erspan headers"] += 1 if "mirror" in fact else 0
            equal["quoted packets"] += 1 if fact.get("quoted") else 0
    return equal, differences, abs(len(ours) - len(theirs))


def chosen(corpus):
    """Captures with a tag, and those with fragments by tshark's facts."""
    names = []
    with open(corpus / "manifest.tsv", encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE):
            name = f"{row['source']}/{row['name']}"
            tags = set(filter(None, row["encap_tags"].split(",")))
            fragments = "frag" in name.lower() or "fraghdr" in row["top_stacks"]
            if (tags - OTHER_TAGS or fragments) and (corpus / name).is_file():
                if (corpus / name).stat().st_size <= CAPTURE_BYTES_MAX:
                    names.append(name)
    return names


def report(classes, equal, markdown):
    rows = [(name, str(count), right, why) for (name, right, why), count in classes.most_common()]
    if markdown:
        print("| class | packets | who is right | why |\n| --- | ---: | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |" if markdown else f"{row[1]:>7}  {row[0]:<32} {row[2]:<8} {row[3]}")
    print()
    for name, count in sorted(equal.items()):
        print(f"{count:>7}  equal {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decoded", required=True, help="the program hoptap-decoded-packets")
    parser.add_argument("--corpus", default=os.environ.get("HOPTAP_CORPUS", ""))
    parser.add_argument("--markdown", action="store_true", help="print the table for docs/encapsulation.md")
    parser.add_argument("--only", default="", help="captures whose name has this")
    options = parser.parse_args()
    corpus = pathlib.Path(options.corpus)
    if not options.corpus or not (corpus / "manifest.tsv").is_file():
        print(f"skipped: no manifest.tsv in '{options.corpus}'")
        return SKIPPED
    if not shutil.which("tshark"):
        print("skipped: tshark is not installed")
        return SKIPPED
    names = [name for name in chosen(corpus) if options.only in name]
    equal, classes, unexplained, uneven = collections.Counter(), collections.Counter(), [], []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, (here, differences, missing) in zip(names, pool.map(lambda one: compare(options.decoded, corpus, one), names)):
            equal += here
            if missing:
                uneven.append(f"{name}: {missing}")
            for difference in differences:
                reason = explain(difference)
                if reason:
                    classes[reason] += 1
                else:
                    unexplained.append(difference)
    report(classes, equal, options.markdown)
    for difference in unexplained:
        print("unexplained:", difference.text())
    low = [name for name, floor in FLOORS.items() if equal[name] < floor and not options.only]
    for name in low:
        print(f"fewer {name} equal than the {FLOORS[name]} recorded: {equal[name]}")
    for line in uneven:
        print("packets that only one of them reads:", line)
    print(f"{len(names)} captures, {sum(classes.values())} differences explained, {len(unexplained)} not")
    return 1 if unexplained or low else 0


if __name__ == "__main__":
    sys.exit(main())
