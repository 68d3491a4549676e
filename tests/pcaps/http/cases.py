"""Captures of HTTP/1.x. Each function is one capture; what it sends is what the golden must tell."""

import base64
import hashlib
import http.server
import threading

import rig
from rig import SERVER, Server, case, read_exactly, read_until, reset, think


def get(target: str, *fields: str, method: str = "GET", body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: www.hoptap.test", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer(status: str, body: bytes = b"", *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_answer(connection, held: bytearray) -> bytes:
    """A response whose length its Content-Length tells."""
    head = read_until(connection, b"\r\n\r\n", held)
    length = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + read_exactly(connection, int(length[0]) if length else 0, held)


def in_turn(milliseconds: float):
    """A server that takes its time for each request, one after the other."""
    def talk(connection) -> None:
        held = bytearray()
        while True:
            head = read_until(connection, b"\r\n\r\n", held)
            think(milliseconds)
            method, target, _ = head.decode().split(" ", 2)
            whole = answer("200 OK", b"you asked for " + target.encode())
            connection.sendall(whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else whole)
    return talk


@case(nginx=True)
def keep_alive(net, capture) -> None:
    running = capture()
    net.client("curl", "-s", f"http://{SERVER}/100?n=1", f"http://{SERVER}/1k?n=2", f"http://{SERVER}/3k?n=3",
               f"http://{SERVER}/missing?n=4")
    running.stop()


@case(nginx=True)
def pipelined(net, capture) -> None:
    running = capture()
    with net.connect(80) as client:
        client.sendall(get("/100?n=1") + get("/1k?n=2") + get("/1k?n=3", method="HEAD") + get("/missing?n=4") +
                       get("/empty?n=5", "Connection: close"))
        while client.recv(65536):
            pass
    running.stop()


@case()
def pipelined_slow(net, capture) -> None:
    with Server(net, 8080, in_turn(20)):
        running = capture()
        held = bytearray()
        with net.connect(8080) as client:
            client.sendall(get("/1") + get("/2") + get("/3", method="HEAD"))
            think(5)
            client.sendall(get("/4") + get("/5")[:20])
            think(5)
            client.sendall(get("/5")[20:])
            for number in range(5):
                if number == 2:
                    read_until(client, b"\r\n\r\n", held)
                else:
                    read_answer(client, held)
        running.stop()


@case(nginx=True)
def chunked(net, capture) -> None:
    def talk(connection) -> None:
        held = bytearray()
        for last in (False, True):
            read_until(connection, b"0\r\nX-Sum: 9\r\n\r\n" if not last else b"\r\n\r\n", held)
            think(10)
            connection.sendall(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nTrailer: X-Took\r\n\r\n")
            for piece in (b"5;kind=word\r\nhello\r\n", b"A\r\n, chunked \r", b"\n5\r\nworld\r\n0\r\nX-Took: 1\r\n",
                          b"\r\n"):
                think(5)
                connection.sendall(piece)
    with Server(net, 8080, talk):
        running = capture()
        with net.connect(8080) as client:
            held = bytearray()
            client.sendall(get("/put", "Transfer-Encoding: chunked", method="PUT") + b"4\r\nfour\r\n")
            think(5)
            client.sendall(b"5\r\nfi")
            think(5)
            client.sendall(b"ve.\r\n0\r\nX-Sum: 9\r\n\r\n")
            read_until(client, b"\r\n0\r\nX-Took: 1\r\n\r\n", held)
            client.sendall(get("/again"))
            read_until(client, b"\r\n0\r\nX-Took: 1\r\n\r\n", held)
        net.client("curl", "-s", "-H", "TE: trailers", f"http://{SERVER}/trailer", f"http://{SERVER}/100")
        running.stop()


@case(nginx=True)
def bodiless(net, capture) -> None:
    running = capture()
    held = bytearray()
    with net.connect(80) as client:
        client.sendall(get("/3k", method="HEAD"))
        head = read_until(client, b"\r\n\r\n", held).decode()
        changed = head.partition("Last-Modified: ")[2].partition("\r\n")[0]
        client.sendall(get("/empty"))
        read_until(client, b"\r\n\r\n", held)
        client.sendall(get("/3k", f"If-Modified-Since: {changed}"))
        read_until(client, b"\r\n\r\n", held)
        client.sendall(get("/100"))
        read_answer(client, held)
    running.stop()


@case()
def expect_continue(net, capture) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_expect_100(self) -> bool:
            if self.path == "/refused":
                self.send_error(417)
                return False
            think(10)
            return super().handle_expect_100()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            think(10)
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"taken")

        def log_message(self, *_) -> None:
            pass

    body = net.folder / "body"
    body.write_bytes(b"b" * 2000)
    with Server(net, 8080, lambda connection: Handler(connection, ("", 0), None)):
        running = capture()
        for target in ("taken", "refused"):  # curl asks a second time, without Expect, when it is refused
            net.client("curl", "-s", "-H", "Expect: 100-continue", "--data-binary", f"@{body}",
                       f"http://{SERVER}:8080/{target}")
        running.stop()


@case()
def until_close(net, capture) -> None:
    def talk(connection) -> None:
        read_until(connection, b"\r\n\r\n", bytearray())
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nthe first part, ")
        think(20)
        connection.sendall(b"HTTP/1.1 404 is only text here\r\n\r\n")
        think(20)
        connection.sendall(b"the end")
        think(20)
    with Server(net, 8080, talk):
        running = capture()
        with net.connect(8080) as client:
            client.sendall(b"GET /old HTTP/1.0\r\n\r\n")
            while client.recv(65536):
                pass
        running.stop()


@case(nginx=True)
def upgrade(net, capture) -> None:
    def frame(text: bytes, mask: bytes = b"") -> bytes:
        head = bytes((0x81, len(text) | (0x80 if mask else 0))) + mask
        return head + bytes(byte ^ mask[at % 4] for at, byte in enumerate(text)) if mask else head + text

    def talk(connection) -> None:
        held = bytearray()
        head = read_until(connection, b"\r\n\r\n", held)
        key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        think(10)
        connection.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode() + frame(b"welcome"))
        for _ in range(3):
            _, length = read_exactly(connection, 2, held)
            mask = read_exactly(connection, 4, held)
            text = read_exactly(connection, length & 0x7F, held)
            think(10)
            connection.sendall(frame(bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))))

    with Server(net, 8080, talk):
        running = capture()
        with net.connect(8080) as client:
            key = base64.b64encode(bytes(range(16))).decode()
            client.sendall(get("/chat", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
                               "Sec-WebSocket-Version: 13"))
            for text in (b"one", b"GET /fake HTTP/1.1\r\n\r\n", b"three"):
                client.recv(4096)
                think(10)
                client.sendall(frame(text, b"\x01\x02\x03\x04"))
            client.recv(4096)
        # nginx keeps to HTTP/1.1 when asked for h2c: an Upgrade that is not taken
        net.client("curl", "-s", "--http2", f"http://{SERVER}/100?n=1", f"http://{SERVER}/1k?n=2")
        running.stop()


@case(nginx=True)
def connect(net, capture) -> None:
    def pass_on(one, other) -> None:
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(2)

    def talk(connection) -> None:
        held = bytearray()
        while True:
            head = read_until(connection, b"\r\n\r\n", held)
            think(10)
            if head.startswith(b"CONNECT bad"):
                connection.sendall(answer("403 Forbidden", b"no\n"))
            elif head.startswith(b"CONNECT"):
                break
            else:
                connection.sendall(answer("200 OK", b"by the proxy\n"))
        with net.open_socket("server") as beyond:  # over the server's own loopback, which is not captured
            beyond.connect((SERVER, 80))
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pass_on, args=(beyond, connection), daemon=True)
            back.start()
            pass_on(connection, beyond)
            back.join()

    with Server(net, 3128, talk):
        running = capture()
        net.client("curl", "-s", "-p", "-x", f"http://{SERVER}:3128", f"http://{SERVER}/100?n=1",
                   f"http://{SERVER}/1k?n=2")
        with net.connect(3128) as client:
            held = bytearray()
            for request in (get("bad.hoptap.test:80", method="CONNECT"), get("http://www.hoptap.test/plain")):
                client.sendall(request)
                read_answer(client, held)
        running.stop()


@case()
def larger_than_window(net, capture) -> None:
    def talk(connection) -> None:
        held = bytearray()
        for _ in range(2):
            head = read_until(connection, b"\r\n\r\n", held)
            length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
            left = int(length or 0) - len(held)
            held.clear()
            while left > 0:
                think(60)
                left -= len(connection.recv(min(left, 2000)))
            connection.sendall(answer("200 OK", b"all taken"))
    with Server(net, 8080, talk, receive_bytes=2304):
        running = capture()
        held = bytearray()
        with net.connect(8080) as client:
            for request in (get("/upload", method="POST", body=b"u" * 9000), get("/after")):
                client.sendall(request)
                read_answer(client, held)
        running.stop()


@case()
def cut_response(net, capture) -> None:
    gate = threading.Event()

    def talk(connection) -> None:
        held = bytearray()
        read_until(connection, b"\r\n\r\n", held)
        connection.sendall(answer("200 OK", b"whole"))
        read_until(connection, b"\r\n\r\n", held)
        whole = answer("200 OK", b"r" * 4000)
        connection.sendall(whole[:2500])
        gate.wait(10)
        connection.sendall(whole[2500:])
    with Server(net, 8080, talk):
        running = capture()
        held = bytearray()
        with net.connect(8080) as client:
            client.sendall(get("/whole"))
            read_answer(client, held)
            client.sendall(get("/cut"))
            running.stop()
            gate.set()
            read_answer(client, held)


@case()
def ports_reused(net, capture) -> None:
    def talk(connection) -> None:
        held = bytearray()
        head = read_until(connection, b"\r\n\r\n", held)
        think(10)
        connection.sendall(answer("200 OK", head.split(b" ")[1]))
        if b"close" not in head:
            connection.recv(1)
    port = 40_000
    with Server(net, 8080, talk):
        running = capture()
        for number, ending in enumerate(("close", "keep", "keep", "close"), 1):
            client = net.connect(8080, from_port=port)
            client.sendall(get(f"/{number}", f"Connection: {ending}"))
            read_answer(client, bytearray())
            if ending == "close":
                client.recv(1)  # the server closes first and is the one left in TIME-WAIT
                client.close()
            else:
                reset(client)
            think(5)
        running.stop()


@case()
def mid_stream(net, capture) -> None:
    """Seen from the answer to /unseen on, from the middle of a body on, and from a request on."""
    gate = threading.Event()

    def talk(connection) -> None:
        held = bytearray()
        while True:
            target = read_until(connection, b"\r\n\r\n", held).split(b" ")[1]
            whole = answer("200 OK", target * 20)
            half = 100 if target == b"/half" else 0
            connection.sendall(whole[:half])
            gate.wait(5) if target in (b"/half", b"/unseen") else think(10)
            connection.sendall(whole[half:])
    with Server(net, 8080, talk), net.connect(8080) as one, net.connect(8080) as other, \
            net.connect(8080) as third:
        held = bytearray()
        one.sendall(get("/before"))
        read_answer(one, held)
        one.sendall(get("/unseen"))
        other.sendall(get("/half"))
        third.sendall(get("/before"))
        read_answer(third, held)
        think(100)
        running = capture()
        gate.set()
        for client in (one, other, third):
            if client is not third:
                read_answer(client, held)
            for number in range(3):
                client.sendall(get(f"/{number}"))
                read_answer(client, held)
        running.stop()


@case()
def reset_in_the_middle(net, capture) -> None:
    def talk(connection) -> None:
        head = read_until(connection, b"\r\n\r\n", bytearray())
        think(10)
        if head.startswith(b"GET /half "):
            connection.sendall(answer("200 OK", b"h" * 2000)[:1000])
            think(10)
            reset(connection)
        elif head.startswith(b"GET /nothing "):
            reset(connection)
        else:
            connection.recv(1)
    with Server(net, 8080, talk):
        running = capture()
        for target in ("/half", "/nothing", "/impatient"):
            client = net.connect(8080)
            client.sendall(get(target))
            if target == "/impatient":
                think(20)
                reset(client)
                continue
            try:
                while client.recv(65536):
                    pass
            except ConnectionError:
                pass
            client.close()
        running.stop()


@case(nginx=True)
def ipv6(net, capture) -> None:
    running = capture()
    net.client("curl", "-s", f"http://[{rig.SERVER6}]/100?n=1", f"http://[{rig.SERVER6}]/3k?n=2")
    running.stop()


@case(nginx=True)
def request_ids(net, capture) -> None:
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    ids = {
        "x-request-id": "c9a64bd6-6a08-4c3c-9d4e-3c7f4a4d2a11",
        "traceparent": f"00-{trace}-{span}-01",
        "b3": f"{trace}-{span}-1",
        "sw8": "1-" + base64.b64encode(b"trace").decode() + "-c2VnbWVudA==-3-c3Zj-aW5zdA==-L2VuZA==-aG9zdDo4MA==",
        "uber-trace-id": f"{trace}:{span}:0:1",
        "pinpoint-traceid": "agent^1700000000000^1",
    }
    running = capture()
    with net.connect(80) as client:
        held = bytearray()
        for name, value in ids.items():
            client.sendall(get("/ids?one", f"{name}: {value}"))
            read_answer(client, held)
        client.sendall(get("/ids?all", *(f"{name.title()}: {value}" for name, value in ids.items())))
        read_answer(client, held)
    running.stop()


@case()
def not_http(net, capture) -> None:
    """Six text protocols whose first lines begin like HTTP."""
    talks = (
        ((b"GET user:17\r\n", b"VALUE 3\r\nabc\r\n"), (b"GET user:18\r\n", b"NONE\r\n")),
        ((b"OPTIONS rtsp://cam.hoptap.test/1 RTSP/1.0\r\nCSeq: 1\r\n\r\n",
          b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n"),
         (b"DESCRIBE rtsp://cam.hoptap.test/1 RTSP/1.0\r\nCSeq: 2\r\n\r\n",
          b"RTSP/1.0 404 Not Found\r\nCSeq: 2\r\nContent-Length: 0\r\n\r\n")),
        ((b"NOTE we left HTTP/1.1 for good\n", b"HTTP/1 is gone, noted\n"), (b"BYE\n", b"HTTP/2 next\n")),
        ((b"GET / HTTP/9.1\r\n\r\n", b"HTTP/9.1 200 OK\r\n\r\n"),
         (b"GET /b HTTP/9.1\r\n\r\n", b"HTTP/9.1 404 no\r\n\r\n")),
        ((b"POST HTTP/1.1\r\n", b"HTTP/1.1 what?\r\n"), (b"PUT 12", b"HTTP/1.")),
        ((b"GET /key HTTP/1.1\r\n", b"VALUE 3\r\n"), (b"NEXT\r\n", b"END\r\n")),
    )
    for_port = {}

    def talk(connection) -> None:
        for _, reply in for_port[connection.getsockname()[1]]:
            connection.recv(4096)
            think(10)
            connection.sendall(reply)

    servers = []
    for at, lines in enumerate(talks):
        for_port[7001 + at] = lines
        servers.append(Server(net, 7001 + at, talk))
    running = capture()
    for at, lines in enumerate(talks):
        with net.connect(7001 + at) as client:
            for line, _ in lines:
                client.sendall(line)
                client.recv(4096)
    running.stop()
    for server in servers:
        server.__exit__()
