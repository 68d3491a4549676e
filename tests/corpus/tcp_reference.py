"""What tshark 4.0 says of each TCP packet of a capture, worked out again from the packets.

An oracle has only sums; where they differ from hoptap's, the packets that make the difference are wanted. Tshark.judge()
follows tshark's rules as they can be seen from outside; a capture whose sums here are not those of the oracle proves nothing
and is not used.
"""
FIN, SYN, RST, ACK = 1, 2, 4, 16


def distance(of, behind):
    """How far `of` is ahead of `behind`; below 0 when it is before it (RFC 9293 section 3.4)."""
    return (of - behind + (1 << 31)) % (1 << 32) - (1 << 31)


class Way:
    """What tshark remembers of one way of a conversation."""

    def __init__(self):
        self.base = self.next = self.window = self.last_ack = None
        self.acks = False  # its last packet had an acknowledgment
        self.last = ""


class Tshark:
    def __init__(self):
        self.conversations = {}
        self.count = 0

    def judge(self, packet):
        """"copy" (a retransmission of any kind, or out of order), "keep-alive", "duplicate ACK", or "" for nothing."""
        own, other = self.ways(packet)
        if packet["framed"] < 0:
            return ""
        verdict = self.verdict(packet, own, other)
        own.last = verdict
        self.remember(packet, own, other, verdict)
        return "" if verdict in ("probe", "answer") else verdict

    def ways(self, packet):
        source, target, flags = packet["source"], packet["target"], packet["flags"]
        key = tuple(sorted((source, target)))
        ways = self.conversations.get(key)
        if ways is None or flags & (SYN | ACK) == SYN and ways[source].base not in (None, packet["seq"]):
            ways = self.conversations[key] = {source: Way(), target: Way()}
            self.count += 1
        return ways[source], ways[target]

    def verdict(self, packet, own, other):
        seq, flags, size = packet["seq"], packet["flags"], packet["framed"]
        if own.next is None:
            return ""
        quiet = not flags & (SYN | FIN | RST)
        if size == 1 and seq == own.next and other.window == 0:
            return "probe"
        if size <= 1 and distance(seq, own.next) == -1 and quiet:
            return "keep-alive"
        repeats = size == 0 and packet["window"] == own.window and seq == own.next and packet["ack"] == own.last_ack and quiet
        if repeats and other.last == "probe" and packet["window"] == 0:
            return "answer"
        if repeats and packet["window"] != 0:
            return "answer" if other.last == "keep-alive" else "duplicate ACK"
        if size > 1 and distance(seq, own.next) == -1:
            return ""
        below = (size > 0 or flags & (SYN | FIN)) and distance(seq, own.next) < 0
        acknowledged = size > 0 and other.acks and distance(seq + size, other.last_ack) <= 0
        return "copy" if below or acknowledged else ""

    def remember(self, packet, own, other, verdict):
        flags, seq = packet["flags"], packet["seq"]
        end = seq + packet["framed"] + (1 if flags & (SYN | FIN) else 0)
        if own.base is None:
            own.base = seq if flags & SYN else seq - 1
        if flags & ACK and other.base is None:
            other.base = packet["ack"] - 1
        if verdict != "probe" and not flags & RST and (own.next is None or distance(end, own.next) > 0):
            own.next = end % (1 << 32)
        own.window, own.last_ack, own.acks = packet["window"], packet["ack"], bool(flags & ACK)
