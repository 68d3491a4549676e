"""Finds the packets that hoptap and tshark judge differently, and why, by what the packets themselves show.

explain() reads what hoptap-tcp-facts --packets prints: each packet, and after those of one moment what they changed in hoptap's
counts. tshark's judgement is tcp_reference's. A reason is given only when its check holds for that very packet.
"""
import collections

from tcp_reference import ACK, FIN, RST, SYN, Tshark, distance

SAME_NS = 200_000_000  # FlowTableConfig::duplicate_ns
SETTLE_NS = 1_000_000_000  # FlowTableConfig::settle_ns
LEAP_NS = 60_000_000_000  # FlowTableConfig::opening_timeout_ns: so far back, flows that began before are closed
KINDS = ("copy", "keep-alive", "duplicate ACK")


class Stream:
    """What one end has sent so far, as captured."""

    def __init__(self):
        self.pieces = []  # [from, to) of bytes seen, apart and in order, as distances from the first byte
        self.first = self.isn = self.acked = self.fin = None
        self.reached = None  # the highest sequence number, of segments without bytes too
        self.highest = 0
        self.last_ack = None  # of what the other end has sent
        self.last_ns = 0
        self.restarted = self.reset = False
        self.over = False  # ended, and silent for long enough that hoptap has closed it

    def at(self, seq):
        """Where `seq` lies, as a distance from the first byte; None when no byte was seen."""
        return None if self.first is None else self.highest + distance(seq, (self.first + self.highest) % (1 << 32))

    def new_bytes(self, seq, size):
        begin = self.at(seq)
        return size if begin is None else size - sum(
            max(0, min(begin + size, to) - max(begin, since)) for since, to in self.pieces)

    def add(self, seq, size):
        if self.first is None:
            self.first = seq
        begin = self.at(seq)
        merged, apart = [begin, begin + size], []
        for piece in self.pieces:
            if piece[1] < merged[0] or piece[0] > merged[1]:
                apart.append(piece)
            else:
                merged = [min(piece[0], merged[0]), max(piece[1], merged[1])]
        self.pieces = sorted(apart + [merged])
        self.highest = max(self.highest, begin + size)


class Seen:
    """One packet and what had passed before it."""

    def __init__(self, packet, own, other, before):
        self.packet = packet
        self.flags, self.size = packet["flags"], packet["bytes"]
        self.begin = packet["seq"] + (1 if self.flags & SYN else 0)
        end = self.begin + self.size
        self.syn, self.fin = bool(self.flags & SYN), bool(self.flags & FIN)
        alike = [(wire, checksum) for ns, wire, checksum in before if abs(packet["ns"] - ns) <= SAME_NS]
        self.wires = {wire for wire, _ in alike}  # where the same packet has passed, were its checksum not asked
        self.same = (packet["wire"], packet["checksum"]) in alike
        self.behind = None if own.first is None else own.at(self.begin) - own.highest  # how far beyond the highest byte
        self.before_first = own.first is not None and own.at(self.begin) < 0
        self.new = own.new_bytes(self.begin, self.size)
        self.begins_new = self.size > 0 and own.new_bytes(self.begin, 1) == 1
        self.acked = own.acked is not None and distance(end, own.acked) <= 0
        self.probes = own.acked is not None and (self.begin + 1 - own.acked) % (1 << 32) == 0
        self.reached = own.reached is not None and distance(self.begin, own.reached) < 0
        self.at_fin = self.begin == own.fin
        self.fin_again = self.fin and self.size == 0 and own.fin is not None
        self.fin_amid = self.fin and self.size == 0 and self.behind is not None and self.behind < 0
        self.behind_fin = own.fin is not None and distance(self.begin, own.fin) < 0
        self.on_syn = not self.syn and self.size > 0 and packet["seq"] == own.isn
        self.late_syn = self.syn and own.isn is None and own.reached is not None
        # Bytes of the other end that were sent and not acknowledged; None when none of it was captured.
        self.outstanding = None if other.first is None else other.highest - other.at(packet["ack"])
        self.fin_outstanding = other.fin is not None and distance(other.fin, packet["ack"]) >= 0
        self.restarted = own.restarted or other.restarted or self.syn and own.isn not in (None, packet["seq"])
        ended = own.reset or other.reset or (own.fin is not None and other.fin is not None)
        self.over = own.over or other.over or ended and packet["ns"] - max(own.last_ns, other.last_ns) >= SETTLE_NS
        self.after_old_ack = own.last_ack is not None and other.acked is not None and distance(own.last_ack, other.acked) < 0
        self.backwards = packet["ns"] < own.last_ns
        self.judged = ""


class Capture:
    """The packets of a capture, one by one."""

    def __init__(self):
        self.streams = collections.defaultdict(Stream)
        self.identities = collections.defaultdict(list)
        self.tshark = Tshark()
        self.latest_ns = 0

    def look(self, packet):
        source, target = packet["source"], packet["target"]
        place = packet["wire"].split()[0]  # hoptap's flows are of one interface
        own, other = self.streams[place, source, target], self.streams[place, target, source]
        if packet["flags"] & (SYN | ACK) == SYN and own.isn not in (None, packet["seq"]):  # another connection, for both
            own = self.streams[place, source, target] = Stream()
            other = self.streams[place, target, source] = Stream()
        before = self.identities[tuple(packet[k] for k in ("source", "target", "ip_id", "seq", "ack", "window", "flags", "bytes"))]
        seen = Seen(packet, own, other, before)
        seen.backwards |= packet["ns"] + LEAP_NS < self.latest_ns
        self.latest_ns = max(self.latest_ns, packet["ns"])
        seen.elsewhere = [way for way in self.streams if way[1:] == (source, target) and way[0] != place]
        before.append((packet["ns"], packet["wire"], packet["checksum"]))
        seen.judged = self.tshark.judge(packet)
        self.note(seen, own, other)
        return seen

    @staticmethod
    def note(seen, own, other):
        packet = seen.packet
        own.over = seen.over
        if seen.syn:
            own.restarted |= own.isn not in (None, packet["seq"])
            own.isn = packet["seq"]
        if seen.size > 0 or seen.syn and own.first is None:
            own.add(seen.begin, seen.size)
        if seen.fin:
            own.fin = (seen.begin + seen.size) % (1 << 32)
        own.last_ns = max(own.last_ns, packet["ns"])
        if seen.flags & RST:
            own.reset = True
            return
        end = (seen.begin + seen.size) % (1 << 32)
        if own.reached is None or distance(end, own.reached) > 0:
            own.reached = end
        if not seen.flags & ACK:
            return
        own.last_ack = packet["ack"]
        if other.acked is None or distance(packet["ack"], other.acked) > 0:
            other.acked = packet["ack"]


def why_removed(seen):
    """hoptap may have taken it for a packet captured twice."""
    if seen.same:
        return "captured twice"
    if seen.packet["wire"] not in seen.wires:
        return ""
    return "alike" if seen.size > 0 or seen.packet["ip_id"] else ""


def why_apart(seen):
    """Why the two do not see the same packet, or the same connection."""
    if seen.elsewhere and seen.new == seen.size or seen.wires and seen.packet["wire"] not in seen.wires:
        return "on another wire"
    return "frame cut" if seen.packet["framed"] != seen.size else ""


def why_connection(seen):
    if seen.restarted:
        return "ports used again"
    if seen.over:
        return "connection ended"
    return "time goes backwards" if seen.backwards else ""


def why_not_copy(seen):
    """tshark counts a copy or disorder, hoptap neither."""
    if seen.fin_again:
        return "FIN again"
    if seen.fin_amid:
        return "FIN amid bytes"
    if seen.late_syn:
        return "SYN late"
    if seen.size == 1 and seen.behind == -1 and seen.acked:
        return "keep-alive"
    if seen.on_syn:
        return "data in the SYN"
    if seen.size > 0 and seen.new == seen.size and seen.acked:
        return "acknowledged first"
    if seen.new > 0 and (not seen.begins_new or seen.before_first and seen.behind + seen.size > 0):
        return "partly new"
    if seen.new == seen.size and seen.reached and (seen.behind or 0) >= 0:
        return "behind an empty segment"
    return ""


def why_no_keep_alive(seen):
    return "after its FIN" if seen.size == 0 and seen.at_fin else ""


def why_no_duplicate(seen):
    """tshark counts a duplicate ACK, hoptap does not."""
    if seen.outstanding is None:
        return "one way only"
    if seen.outstanding <= 0:
        return "FIN outstanding" if seen.fin_outstanding else "nothing outstanding"
    return ""


def why_only_tshark(seen, kind):
    why = {"copy": why_not_copy, "duplicate ACK": why_no_duplicate, "keep-alive": why_no_keep_alive}[kind]
    return why_apart(seen) or why(seen) or why_connection(seen)


def why_only_hoptap(seen, kind):
    if kind == "duplicate ACK" and seen.size == 0 and (seen.outstanding or 0) > 0 and not seen.flags & (SYN | FIN | RST):
        if seen.behind is not None and seen.behind < 0:
            return "old sequence number"
        if seen.after_old_ack:
            return "after an old ACK"
    if kind == "keep-alive" and seen.size == 1 and seen.behind == -1 and seen.acked:
        return "keep-alive"
    if kind == "keep-alive" and seen.size == 0 and seen.probes:
        return "known by its ACK"
    return why_apart(seen)


class Explanation:
    def __init__(self, removed):
        self.removed = removed                # how many packets hoptap has removed, by source and target
        self.counted = collections.Counter()  # hoptap's
        self.judged = collections.Counter()   # tshark's, to compare with the oracle
        self.reasons = collections.Counter()  # (kind, why): packets
        self.left = []                        # (kind, tshark's, hoptap's, packets)

    def why_removed(self, seen):
        why, way = why_removed(seen), (seen.packet["source"], seen.packet["target"])
        if not why or self.removed[way] == 0:
            return ""
        self.removed[way] -= 1
        return why

    def settle(self, group, mine):
        """`group` was sent one way at one moment, and `mine` is what hoptap counted then."""
        self.counted.update(mine)
        for kind in KINDS:
            self.compare(kind, group, mine[kind])
        self.compare_disorder(group, mine["out of order"])

    def compare_disorder(self, group, mine):
        """Out of order are bytes never seen below the highest. Those that the receiver had may be either: a hole is given up
        some time after its acknowledgment. So may those before the first byte that was seen."""
        if any(why_removed(seen) or why_apart(seen) or why_connection(seen) for seen in group):
            return
        below = [s for s in group if s.begins_new and not s.on_syn and s.behind is not None and (s.behind < 0 or s.behind_fin)]
        certain = [s for s in below if not s.acked and not s.before_first]
        if not len(certain) <= mine <= len(below):
            self.left.append(("out of order", len(certain), mine, group))

    def compare(self, kind, group, mine):
        theirs = [seen for seen in group if seen.judged == kind]
        apart = len(theirs) - mine
        for seen in theirs if apart > 0 else [s for s in group if s.judged != kind]:
            if apart == 0:
                break
            other = (why_only_tshark if apart > 0 else why_only_hoptap)(seen, kind)
            why = other if other and not seen.same else self.why_removed(seen) or other
            if why:
                self.reasons[kind, why] += 1
                apart -= 1 if apart > 0 else -1
        if apart != 0:
            self.left.append((kind, len(theirs), mine, group))


def explain(lines):
    lines, removed = list(lines), collections.Counter()
    for line in lines:
        if isinstance(line, list):
            removed[line[0], line[1]] += line[-1]
    capture, found = Capture(), Explanation(removed)
    waiting = collections.defaultdict(list)
    changes = collections.defaultdict(collections.Counter)
    for line in (*lines, {}):
        if isinstance(line, list):
            source, target, _, copies, syn_copies, disorder, keep_alives, duplicate_acks, _, _ = line
            changes[source, target].update({"copy": copies + syn_copies + disorder, "keep-alive": keep_alives,
                                            "out of order": disorder})
            changes[target, source].update({"duplicate ACK": duplicate_acks})
            continue
        for way, mine in changes.items():
            found.settle(waiting.pop(way, []), mine)
        changes.clear()
        if line:
            seen = capture.look(line)
            found.judged[seen.judged] += 1
            waiting[line["source"], line["target"]].append(seen)
    for group in waiting.values():  # removed by hoptap, and nothing after them
        found.settle(group, collections.Counter())
    return found
