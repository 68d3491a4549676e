"""An HTTP/1.1 server that thinks before it answers: `?ms=40` makes it sleep that long.

usage: slow_server.py PORT LOG
LOG gets one JSON line per request: id, received_ns (whole request read), answered_ns (answer handed
to the kernel), both CLOCK_REALTIME: the server's own truth.
"""

import http.server
import json
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
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        received_ns = time.time_ns()
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        sleep_ms = int(query.get("ms", ["0"])[0])
        time.sleep(sleep_ms / 1000)
        body = b"answered\n"
        head = f"HTTP/1.1 200 OK\r\nServer: slow\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        self.connection.sendall(head.encode() + body)  # one write: no wait of the end hosts in between
        row = {"id": query.get("id", [""])[0], "server": "slow", "precision_ns": 1, "received_ns": received_ns,
               "answered_ns": time.time_ns(), "sleep_ms": sleep_ms}
        with self.log_lock:
            self.log_file.write(json.dumps(row) + "\n")
            self.log_file.flush()

    do_GET = do_POST = answer

    def log_message(self, *_) -> None:
        """No line per request on standard error."""


def main() -> None:
    Handler.log_file = open(sys.argv[2], "a", encoding="utf-8")
    http.server.ThreadingHTTPServer.request_queue_size = 64
    http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
