"""Captures of DNS. dnsmasq and dig where they do it; small scripts where the order or the loss matters."""

import contextlib
import socket
import threading

import rig
from rig import SECOND, SERVER, Server, case, read_exactly, think

ZONE = "hoptap.test"


def dnsmasq(net) -> None:
    net.start("server", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
              "--user=root", "--pid-file=", "--bind-interfaces", f"--listen-address={SERVER}", f"--local=/{ZONE}/",
              *(f"--host-record={name}.{ZONE},198.18.0.{number},2001:2::{number}"
                for name, number in (("one", 1), ("two", 2))))
    net.wait_for("Hlun", 53)


def dig(net, server: str, *words: str) -> None:
    net.client("dig", "+noedns", "+tries=1", f"@{server}", *words)


def query(key: int, name: str) -> bytes:
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    return key.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


def reply(asked: bytes) -> bytes:
    """The same question with the answer 198.18.0.9."""
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes((198, 18, 0, 9))
    return asked[:2] + b"\x85\x80\0\1\0\1\0\0\0\0" + asked[12:] + record


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


@contextlib.contextmanager
def datagrams(net, port: int, answer):
    """A UDP server: `answer(datagram, number)` gives what to send back, each after its milliseconds."""
    with net.open_socket("server", socket.SOCK_DGRAM) as server:
        server.bind((SECOND, port))
        server.settimeout(0.1)
        running = True

        def serve() -> None:
            number = 0
            while running:
                with contextlib.suppress(TimeoutError):
                    data, source = server.recvfrom(4096)
                    for milliseconds, back in answer(data, number):
                        think(milliseconds)
                        server.sendto(back, source)
                    number += 1
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        running = False
        thread.join()


@case()
def lookups(net, capture) -> None:
    dnsmasq(net)
    running = capture()
    dig(net, SERVER, f"one.{ZONE}", "A")
    dig(net, SERVER, f"one.{ZONE}", "AAAA")
    dig(net, SERVER, f"nobody.{ZONE}", "A")
    dig(net, SERVER, "elsewhere.test", "MX")
    dig(net, SERVER, "-x", "198.18.0.2")
    running.stop()


@case()
def retry(net, capture) -> None:
    """Answered at the second try; never; twice. At last as resolver libraries do: again from the same port."""
    seen = set()

    def answer(data: bytes, number: int):
        first = data[12:] not in seen
        seen.add(data[12:])
        if b"\5never" in data or (b"\5again" in data or b"\4same" in data) and first:
            return []
        return [(10, reply(data))] * (2 if b"\5twice" in data else 1)
    with datagrams(net, 53, answer):
        running = capture()
        net.client("dig", "+noedns", "+tries=2", "+timeout=1", f"@{SECOND}", f"again.{ZONE}", "A")
        net.client("dig", "+noedns", "+tries=1", "+timeout=1", f"@{SECOND}", f"never.{ZONE}", "A")
        net.client("dig", "+noedns", "+tries=1", "+timeout=1", f"@{SECOND}", f"twice.{ZONE}", "A")
        with net.open_socket("client", socket.SOCK_DGRAM) as client:
            client.connect((SECOND, 53))
            for _ in range(2):
                client.send(query(0x3001, f"same.{ZONE}"))
                think(300)
            client.recv(4096)
        running.stop()


@case()
def one_socket(net, capture) -> None:
    """One UDP socket asks three at once, two of them alike but for the id; answers come in another order."""
    kept = []

    def answer(data: bytes, number: int):
        kept.append(data)
        return [(10, reply(kept[at])) for at in (2, 0, 1)] if number == 2 else []
    with datagrams(net, 53, answer):
        running = capture()
        with net.open_socket("client", socket.SOCK_DGRAM) as client:
            client.connect((SECOND, 53))
            for key, name in ((0x1001, "same"), (0x1002, "same"), (0x1003, "other")):
                client.send(query(key, f"{name}.{ZONE}"))
            for _ in range(3):
                client.recv(4096)
        running.stop()


@case()
def tcp(net, capture) -> None:
    """dig asks two on one connection; then a script asks three at once and is answered last, first, second."""
    dnsmasq(net)

    def talk(connection) -> None:
        held = bytearray()
        asked = []
        for _ in range(3):
            length = int.from_bytes(read_exactly(connection, 2, held), "big")
            asked.append(read_exactly(connection, length, held))
        for at in (2, 0, 1):
            think(10)
            connection.sendall(framed(reply(asked[at])))
        connection.recv(1)
    with Server(net, 53, talk, address=SECOND):
        running = capture()
        net.client("dig", "+noedns", "+tcp", "+keepopen", f"@{SERVER}", f"one.{ZONE}", "A", f"two.{ZONE}", "AAAA")
        with net.connect(53, address=SECOND) as client:
            held = bytearray()
            client.sendall(b"".join(framed(query(0x2001 + at, f"{name}.{ZONE}")) for at, name in enumerate("abc")))
            for _ in range(3):
                read_exactly(client, int.from_bytes(read_exactly(client, 2, held), "big"), held)
        running.stop()


@case()
def not_dns(net, capture) -> None:
    """Tunnels that hide on port 53: their packets begin like a header with no question, and a binary stream."""
    def talk(connection) -> None:
        held = bytearray()
        for _ in range(3):
            asked = read_exactly(connection, 32, held)
            think(10)
            connection.sendall(asked[::-1])
    noise = bytes((at * 37 + 11) % 251 for at in range(600))
    datagram = {"start": b"\1\0\0\0" + b"\x5a\x3c\x91\x07" + noise[:140], "data": b"\4\0\0\0" + b"\x5a\x3c\x91\x07" +
                b"\0" * 8 + noise[:48], "zeros": bytes(32), "ones": b"\xff" * 32, "short": b"\x38\x01\x02"}
    with datagrams(net, 53, lambda data, number: [(10, data[:4] + data[:3:-1])]), \
            Server(net, 53, talk, address=SECOND):
        running = capture()
        for data in datagram.values():
            with net.open_socket("client", socket.SOCK_DGRAM) as client:
                client.connect((SECOND, 53))
                client.send(data)
                client.recv(4096)
        with net.connect(53, address=SECOND) as client:
            held = bytearray()
            for at in range(3):
                client.sendall(b"\x80\x21" + noise[at * 30:at * 30 + 30])
                read_exactly(client, 32, held)
        running.stop()
