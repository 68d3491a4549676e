"""Captures of TLS: real handshakes, a throw-away certificate, what is inside is made up."""

import contextlib
import ssl

from rig import SERVER, Server, case, read_exactly, think

NAME = "www.hoptap.test"


def serve(net, most: ssl.TLSVersion):
    """A server that answers every 8 bytes with 600 after 20 ms."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*net.certificate())
    context.maximum_version = most

    def talk(connection) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            held = bytearray()
            while True:
                read_exactly(inside, 8, held)
                think(20)
                inside.sendall(b"a" * 600)
    return Server(net, 4433, talk)


def ask(net, context: ssl.SSLContext, times: int, session=None):
    """Asks on one connection; gives back its session."""
    with context.wrap_socket(net.connect(4433), server_hostname=NAME, session=session) as inside:
        held = bytearray()
        for number in range(times):
            inside.sendall(b"ask %4d" % number)
            read_exactly(inside, 600, held)
            think(10)
        return inside.session


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def resumed(net, capture, version: ssl.TLSVersion) -> None:
    with serve(net, version):
        context = trusting()
        running = capture()
        session = ask(net, context, 3)
        ask(net, context, 2, session)
        running.stop()


@case()
def tls12_resumed(net, capture) -> None:
    resumed(net, capture, ssl.TLSVersion.TLSv1_2)


@case()
def tls13_resumed(net, capture) -> None:
    resumed(net, capture, ssl.TLSVersion.TLSv1_3)


def curl(net, capture, *version: str) -> None:
    running = capture()
    net.client("curl", "-sk", "--http1.1", *version, "--resolve", f"{NAME}:443:{SERVER}",
               *(f"https://{NAME}/{name}" for name in ("100", "1k", "3k")))
    running.stop()


@case(nginx=True)
def tls12_https(net, capture) -> None:
    curl(net, capture, "--tls-max", "1.2")


@case(nginx=True)
def tls13_https(net, capture) -> None:
    curl(net, capture, "--tlsv1.3")


@case()
def refused(net, capture) -> None:
    """A client that does not know the certificate, then one that is newer than the server: each ends in an alert."""
    strict, newer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trusting()
    newer.minimum_version = ssl.TLSVersion.TLSv1_3
    with serve(net, ssl.TLSVersion.TLSv1_2):
        running = capture()
        for context in (strict, newer):
            with contextlib.suppress(ssl.SSLError), net.connect(4433) as connection:
                context.wrap_socket(connection, server_hostname=NAME).close()
        running.stop()
