"""An HTTP client on one keep-alive connection that tells the truth about resets and about its own pauses.

usage: plain_client.py HOST PORT INTERVAL_MS RECEIVE_BYTES < requests.jsonl > answers.jsonl
Each request is one write, asked once: after a reset or a close its status is 0, and the next one goes over a new
connection (curl would ask again by itself). A request with `pause_ms` waits so long before it reads its answer;
with a small RECEIVE_BYTES (SO_RCVBUF, 0: the system's) the server meanwhile meets a closed window.
"""

import json
import socket
import sys
import time

from nagle_client import read_answer

TIMEOUT_S = 20


class Connection:
    """Connects when first asked, and again after a failure."""

    def __init__(self, host: str, port: int, receive_bytes: int):
        self.address, self.receive_bytes = (host, port), receive_bytes
        self.socket = self.stream = None

    def open(self) -> None:
        if self.socket:
            return
        self.socket = socket.socket()
        if self.receive_bytes:  # before the handshake, which fixes the window's scale
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(self.address)
        self.stream = self.socket.makefile("rb")

    def close(self) -> None:
        if self.socket:
            self.socket.close()
        self.socket = self.stream = None


def ask(connection: Connection, request: dict) -> dict:
    """Asks once; returns what came of it."""
    connection.open()
    size = request["request_body_bytes"]
    head = f"{request['method']} {request['path']} HTTP/1.1\r\nHost: {connection.address[0]}\r\n"
    head += f"Content-Length: {size}\r\n\r\n" if request["method"] == "POST" else "\r\n"
    answer = {"id": request["id"], "status": 0, "response_body_bytes": 0, "paused_ns": 0,
              "client_start_ns": time.time_ns()}
    try:
        connection.socket.sendall(head.encode() + b"p" * size)
        if request["pause_ms"]:
            began_ns = time.time_ns()
            time.sleep(request["pause_ms"] / 1000)
            answer["paused_ns"] = time.time_ns() - began_ns
        answer["status"], answer["response_body_bytes"] = read_answer(connection.stream)
    except (ConnectionError, IndexError):  # reset; or closed, so that there is no status line
        connection.close()
    answer["client_end_ns"] = time.time_ns()
    return answer


def main() -> None:
    host, port, interval_s, receive_bytes = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000, int(sys.argv[4])
    connection = Connection(host, port, receive_bytes)
    due_s = time.monotonic()
    for line in sys.stdin:
        time.sleep(max(0.0, due_s - time.monotonic()))
        due_s = max(due_s, time.monotonic()) + interval_s
        print(json.dumps(ask(connection, json.loads(line))), flush=True)
    connection.close()


if __name__ == "__main__":
    main()
