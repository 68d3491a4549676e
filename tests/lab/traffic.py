"""Requests of one scenario: what is asked (`plan_*`), and the real clients that ask it (`Traffic`).

Every request carries an id of its own, `SCENARIO-000123`: HTTP in its query, DNS as first label of
its name. So a wrong join shows, and the wire can log which request a frame belongs to.
"""

import calendar
import dataclasses
import json
import pathlib
import random
import re
import subprocess
import threading
import time

import services
import topology

CLIENT_TIMEOUT_S = 20
HTTP_PORT = {"cluster": 80, "ipip": 80, "nodeport": 30080}
SLOW_PORT = {"cluster": 8080, "ipip": 8080, "nodeport": 30081}
BODY_PORT = {"cluster": 8081}           # the slow server with a small receive buffer
UNREAD_BYTES = 50_000                   # of a message that is not read for a while: more than the buffers hold
SMALL_BUFFER_BYTES = 16_384             # SO_RCVBUF of who does not read
DNS_PORT = {"cluster": 53, "ipip": 53, "nodeport": 30053}
GET_MIX = (("1", 20), ("100", 20), ("1k", 25), ("10k", 8), ("100k", 2))
POST_MIX = ((1, 6), (100, 6), (1000, 8), (10_000, 3), (100_000, 2))
CURL_FIELDS = ("http_code", "exitcode", "num_connects", "local_port", "time_connect", "time_pretransfer",
               "time_starttransfer", "time_total", "size_download", "size_upload")


@dataclasses.dataclass
class Request:
    """One request and what its client saw of it: a line of truth/requests.jsonl."""
    id: str
    kind: str                       # http, dns
    transport: str                  # tcp, udp
    method: str                     # GET, POST, QUERY
    path: str                       # with the query; the name for DNS
    request_body_bytes: int = 0
    response_body_bytes: int = 0
    pause_ms: int = 0               # the client is to wait so long before it reads the answer
    paused_ns: int = 0              # it did
    status: int = 0                 # HTTP status; 200 for a DNS answer with NOERROR; 0: no answer
    client_start_ns: int = 0
    client_end_ns: int = 0
    precision_ns: int = 0           # of the two client times
    curl: dict = dataclasses.field(default_factory=dict)


def number_of(unique: str) -> int:
    return int(unique.rpartition("-")[2])


class Plan:
    """Hands out the ids of one scenario and makes its lists of requests, one list per client."""

    def __init__(self, scenario: str):
        self.scenario, self.count = scenario, 0
        self.random = random.Random(scenario)

    def _id(self) -> str:
        self.count += 1
        return f"{self.scenario}-{self.count:06d}"

    def get(self, name: str) -> Request:
        unique = self._id()
        return Request(unique, "http", "tcp", "GET", f"/f/{name}?id={unique}")

    def post(self, size: int, path: str = "/post") -> Request:
        unique = self._id()
        return Request(unique, "http", "tcp", "POST", f"{path}?id={unique}", request_body_bytes=size)

    def mixed(self, count: int, small: bool) -> list[Request]:
        """GETs and POSTs of many sizes; `small` leaves out all over 1 kB."""
        choices = [(self.get, *item) for item in GET_MIX] + [(self.post, *item) for item in POST_MIX]
        if small:
            choices = [item for item in choices if item[1] in ("1", "100", "1k", 1, 100, 1000)]
        picked = self.random.choices(choices, [weight for *_, weight in choices], k=count)
        return [make(size) for make, size, _ in picked]

    def slow(self, count: int, every: int, slow_ms: int, query: str = "ms", body_bytes: int = 0) -> list[Request]:
        """For the slow server: every `every`th request makes it `query` for so long; see slow_server.py."""
        requests = []
        for _ in range(count):
            unique = self._id()
            path = f"/slow?{query}={0 if number_of(unique) % every else slow_ms}&id={unique}"
            requests.append(Request(unique, "http", "tcp", "POST" if body_bytes else "GET", path, body_bytes))
        return requests

    def unread(self, count: int, every: int, pause_ms: int) -> list[Request]:
        """GETs of 50 kB; of every `every`th the client does not read the answer for a while."""
        requests = [self.get("50k") for _ in range(count)]
        for request in requests:
            request.pause_ms = 0 if number_of(request.id) % every else pause_ms
        return requests

    def nagle(self, count: int) -> list[Request]:
        """Two small POSTs, then a GET."""
        return [self.get("100") if at % 3 == 2 else self.post(self.random.choice((1, 100, 700))) for at in range(count)]

    def dns(self, count: int) -> list[Request]:
        requests = []
        for at in range(count):
            unique = self._id()
            transport = "tcp" if at % 5 == 4 else "udp"
            requests.append(Request(unique, "dns", transport, "QUERY", f"{unique}.{services.DNS_ZONE}"))
        return requests


class Traffic:
    """Real clients in one namespace. `start()` them, `join()` them, then read `requests`."""

    def __init__(self, lab: topology.Lab, role: str, path: str, rate_per_s: float):
        self.lab, self.role, self.path, self.rate_per_s = lab, role, path, rate_per_s
        self.address = topology.SERVICE[path]
        self.requests: list[Request] = []
        self.threads: list[threading.Thread] = []
        self.errors: list[str] = []

    def add(self, client, requests: list[Request], *details) -> None:
        """A client (one of the methods below) that will ask `requests` in order, on one connection."""
        self.requests += requests
        number = len(self.threads)
        self.threads.append(threading.Thread(target=self._guard, args=(client, number, requests, *details)))

    def _guard(self, client, *details) -> None:
        try:
            client(*details)
        except Exception as error:  # a thread's failure must reach the scenario's report
            self.errors.append(f"{client.__name__}: {error!r}")

    def start(self) -> None:
        """One after the other within the time between two requests of one: together they would wait for each other."""
        for thread in self.threads:
            thread.start()
            time.sleep(1 / self.rate_per_s / len(self.threads))

    def join(self) -> list[Request]:
        """All requests by the time they began."""
        for thread in self.threads:
            thread.join()
        if self.errors:
            raise topology.LabError("; ".join(self.errors))
        return sorted(self.requests, key=lambda request: request.client_start_ns)

    # ---- clients ----------------------------------------------------------------------------

    def curl(self, number: int, requests: list[Request], port: int) -> None:
        """One curl, one keep-alive connection, paced by curl's own --rate."""
        config = self.lab.folder / f"curl-{number}.conf"
        config.write_text("next\n".join(self._curl_lines(request, port) for request in requests))
        child = self.lab.start(self.role, "curl", "--rate", f"{round(self.rate_per_s * 60)}/m", "--config", config,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for request, line in zip(requests, child.stderr):
            request.client_end_ns = time.time_ns()
            seen = json.loads(line)
            request.precision_ns = 1_000_000  # curl tells durations only; the end is when its line was read
            request.client_start_ns = request.client_end_ns - round(seen["time_total"] * 1e9)
            request.status = seen["http_code"] if seen["exitcode"] == 0 else 0
            request.response_body_bytes = seen["size_download"]
            request.curl = seen
        child.wait()

    def _curl_lines(self, request: Request, port: int) -> str:
        fields = ",".join(f'\\"{name}\\":%{{{name}}}' for name in CURL_FIELDS)
        lines = [f'url = "http://{self.address}:{port}{request.path}"', "silent", 'output = "/dev/null"',
                 f"max-time = {CLIENT_TIMEOUT_S}", f'write-out = "%{{stderr}}{{{fields}}}\\n"']
        if request.method == "POST":
            body = self.lab.folder / f"body-{request.request_body_bytes}"
            lines += [f'data-binary = "@{body}"', 'header = "Content-Type: application/octet-stream"']
        return "\n".join(lines) + "\n"

    def nagle(self, number: int, requests: list[Request], port: int) -> None:
        """The two-write client, see nagle_client.py."""
        self._script("nagle_client.py", number, requests, port, 1000 / self.rate_per_s)

    def plain(self, number: int, requests: list[Request], port: int, receive_bytes: int) -> None:
        """The client that tells of resets and may not read, see plain_client.py."""
        self._script("plain_client.py", number, requests, port, 1000 / self.rate_per_s, receive_bytes)

    def _script(self, script: str, number: int, requests: list[Request], port: int, *arguments) -> None:
        """A client of the lab's own: requests in, answers out, one JSON line each."""
        asked = self.lab.folder / f"asked-{number}.jsonl"
        asked.write_text("".join(json.dumps(dataclasses.asdict(request)) + "\n" for request in requests))
        with open(asked, "rb") as source:
            child = self.lab.start(self.role, "/usr/bin/python3", topology.HERE / script, self.address, port, *arguments,
                                   stdin=source, stdout=subprocess.PIPE, text=True)
        for request, line in zip(requests, child.stdout):
            request.precision_ns = 1
            for name, value in json.loads(line).items():
                setattr(request, name, value)
        child.wait()

    def dig(self, number: int, requests: list[Request], over_s: float) -> None:
        """dig in batches of five names, spread over `over_s` seconds."""
        batches = [requests[at:at + 5] for at in range(0, len(requests), 5)]
        began = time.monotonic()
        for index, batch in enumerate(batches):
            time.sleep(max(0.0, began + over_s * index / len(batches) - time.monotonic()))
            names = self.lab.folder / f"dig-{number}.txt"
            suffix = {"tcp": " +tcp", "udp": ""}
            names.write_text("".join(f"{request.path} A{suffix[request.transport]}\n" for request in batch))
            command = self.lab.inside(self.role, "dig", f"@{self.address}", "-p", DNS_PORT[self.path], "+yaml",
                                      "+tries=1", "+time=3", "-f", names)
            read_dig(subprocess.run(command, capture_output=True, text=True).stdout, batch)


def read_dig(text: str, batch: list[Request]) -> None:
    """Fills in the answers of one `dig +yaml` batch. dig's times have 1 ms steps."""
    by_name = {request.path: request for request in batch}
    for block in re.split(r"^-\s*$|^-(?=\s+type:)", text, flags=re.MULTILINE):
        name = re.search(r"QUESTION_SECTION:\s+- '?([a-z0-9.-]+?)\.?'? IN", block)
        times = [time_ns(found) for found in re.findall(r"(?:query|response)_time: !!timestamp ([0-9T:.-]+)Z", block)]
        if not name or name[1] not in by_name or len(times) < 2:
            continue
        request = by_name[name[1]]
        request.client_start_ns, request.client_end_ns, request.precision_ns = times[0], times[1], 10**6
        request.status = 200 if "status: NOERROR" in block else 500


def time_ns(stamp: str) -> int:
    """A UTC stamp such as 2024-01-31T12:00:00.123, in ns since the epoch."""
    whole, _, fraction = stamp.partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0"))


def write_jsonl(path: pathlib.Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
