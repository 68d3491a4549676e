"""An HTTP client as many are written: header and body in two small writes, TCP_NODELAY off.

usage: nagle_client.py HOST PORT PAUSE_MS < requests.jsonl > answers.jsonl
Nagle's algorithm (RFC 896) holds the second write until the first is acknowledged, and the server's
delayed acknowledgement (RFC 1122 section 4.2.3.2) comes 40 ms later: a wait that neither the network
nor the server's program caused. One keep-alive connection; a GET is a single write.
"""

import json
import socket
import sys
import time


def read_answer(stream) -> tuple[int, int]:
    """Status and body length of one response with a Content-Length."""
    status = int(stream.readline().split()[1])
    body_bytes = 0
    for line in iter(stream.readline, b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            body_bytes = int(value)
    stream.read(body_bytes)
    return status, body_bytes


def main() -> None:
    host, port, pause_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000
    with socket.create_connection((host, port), 10) as connection:
        stream = connection.makefile("rb")
        for line in sys.stdin:
            request = json.loads(line)
            size = request["request_body_bytes"]
            head = f"{request['method']} {request['path']} HTTP/1.1\r\nHost: {host}\r\n"
            head += f"Content-Length: {size}\r\n\r\n" if request["method"] == "POST" else "\r\n"
            start_ns = time.time_ns()
            connection.sendall(head.encode())
            if size:
                connection.sendall(b"n" * size)
            status, body_bytes = read_answer(stream)
            answer = {"id": request["id"], "status": status, "client_start_ns": start_ns,
                      "client_end_ns": time.time_ns(), "response_body_bytes": body_bytes}
            print(json.dumps(answer), flush=True)
            time.sleep(pause_s)


if __name__ == "__main__":
    main()
