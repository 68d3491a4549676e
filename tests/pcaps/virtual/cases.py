"""Captures where one feed shows each packet more than once, on both sides of something."""

import rig
from rig import Server, case, think


def talk(connection) -> None:
    for number in range(3):
        asked = connection.recv(4096)
        think(10)
        body = asked.split(b" ")[1]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def three_requests(net, capture, address: str) -> None:
    with Server(net, 8080, talk):
        running = capture()
        with net.connect(8080, address=address) as client:
            for number in range(3):
                client.sendall(b"GET /%d HTTP/1.1\r\nHost: www.hoptap.test\r\n\r\n" % number)
                client.recv(4096)
        running.stop()


@case(rig.Routed)
def router(net, capture) -> None:
    three_requests(net, capture, rig.FAR["server"])


@case(rig.Bridged)
def bridge(net, capture) -> None:
    three_requests(net, capture, rig.SERVER)


@case(rig.Overlaid)
def vxlan(net, capture) -> None:
    three_requests(net, capture, rig.OVERLAY["server"])
