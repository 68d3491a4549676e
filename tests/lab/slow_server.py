"""An HTTP/1.1 server that does what it is asked to do badly, by the query of a request.

    ?ms=40          thinks for 40 ms before it answers
    ?pause=300      reads the header, then nothing for 300 ms, then the body
    ?reset=1        reads the request, then resets the connection instead of answering

usage: slow_server.py PORT LOG [RECEIVE_BYTES]
A small RECEIVE_BYTES (SO_RCVBUF) makes a body that is not read soon meet a closed window.
LOG gets one JSON line per request: id, received_ns (whole request read), answered_ns (answer handed to the kernel,
or connection reset), both CLOCK_REALTIME, and what was done: sleep_ms, paused_ns, reset. The server's own truth.
"""

import http.server
import json
import os
import socket
import struct
import sys
import threading
import time
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    log_file = None
    log_lock = threading.Lock()

    def answer(self) -> None:
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        sleep_ms, pause_ms, reset = (int(query.get(name, ["0"])[0]) for name in ("ms", "pause", "reset"))
        began_ns = time.time_ns()
        time.sleep(pause_ms / 1000)
        paused_ns = time.time_ns() - began_ns if pause_ms else 0
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        received_ns = time.time_ns()
        time.sleep(sleep_ms / 1000)
        if reset:
            self.reset()
        else:
            self.send()
        row = {"id": query.get("id", [""])[0], "server": "slow", "precision_ns": 1, "received_ns": received_ns,
               "answered_ns": time.time_ns(), "sleep_ms": sleep_ms, "paused_ns": paused_ns, "reset": bool(reset)}
        with self.log_lock:
            self.log_file.write(json.dumps(row) + "\n")
            self.log_file.flush()

    def send(self) -> None:
        body = b"answered\n"
        head = f"HTTP/1.1 200 OK\r\nServer: slow\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        self.connection.sendall(head.encode() + body)  # one write: no wait of the end hosts in between

    def reset(self) -> None:
        """Closes without lingering: the kernel sends RST, no FIN. The handler's streams then close on nothing."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    do_GET = do_POST = answer

    def log_message(self, *_) -> None:
        """No line per request on standard error."""


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64
    receive_bytes = 0

    def server_bind(self) -> None:
        if self.receive_bytes:  # inherited by every connection
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        super().server_bind()


def main() -> None:
    Handler.log_file = open(sys.argv[2], "a", encoding="utf-8")
    Server.receive_bytes = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    Server(("", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
