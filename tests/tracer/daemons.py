"""A tracer and its probes as processes of their own, and what the API says of them. For the tests beside."""

import contextlib
import json
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.parse

PATIENCE_S = 120


class Tracer:
    """`hoptap tracer`, with its data in `folder`. May be killed and started again: same ports, same data. `inside` are
    words before the command, such as those that enter a network namespace; `address` is its own there."""

    def __init__(self, hoptap, folder, config="", inside=(), address="127.0.0.1"):
        self.hoptap, self.folder, self.inside, self.address = str(hoptap), pathlib.Path(folder), list(inside), address
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "tracer.yaml"
        self.config.write_text(config or "{}\n")
        self.data = self.folder / "data"
        self.collector, self.http = f"{address}:0", f"{address}:0"
        self.log = self.folder / "tracer.log"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [*self.inside, self.hoptap, "tracer", "-c", str(self.config), "--data", str(self.data), "--listen",
             self.collector, "--http", self.http], stderr=subprocess.PIPE, text=True)
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            found = re.search(r"takes probes on port (\d+), serves (https?)://[^:]+:(\d+)", line)
            if found:
                self.collector, self.http = f"{self.address}:{found[1]}", f"{self.address}:{found[3]}"
                self.url = f"{found[2]}://{self.http}"
                threading.Thread(target=self._drain, args=(self.process.stderr,), daemon=True).start()
                return self
        raise RuntimeError("the tracer did not start: " + "".join(lines))

    def _drain(self, stream):
        with open(self.log, "a", encoding="utf-8") as log:
            for line in stream:
                log.write(line)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """The gentle way; its exit code must be 0."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        if code != 0:
            raise RuntimeError(f"the tracer ended with {code}: {self.log.read_text()[-500:]}")

    def get(self, path, **query):
        return json.loads(self.fetch(f"/api/v1/{path}" + ("?" + urllib.parse.urlencode(query) if query else "")))

    def fetch(self, target):
        """The body of an answer, whatever its status."""
        done = subprocess.run([*self.inside, "curl", "-sS", "--max-time", "30", self.url + target],
                              stdout=subprocess.PIPE, check=True)
        return done.stdout.decode()

    def metrics(self):
        lines = self.fetch("/metrics").splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"}

    def wait_until_settled(self):
        """All that was acknowledged is judged."""
        wait_for(lambda: self.get("status")["settled"], "the tracer to settle")

    def traces(self):
        """All of them, as the API gives them."""
        found, cursor = [], {}
        while True:
            page = self.get("traces", limit=1000, **cursor)
            found += page["traces"]
            if not page.get("next"):
                return found
            cursor = {"cursor": page["next"]}


class Probe:
    """`hoptap probe` over some captures, with a spool of its own."""

    def __init__(self, hoptap, tracer_address, folder, name, inputs, *options, inside=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.words = [*inside, str(hoptap), "probe", "--name", name, "--tracer", tracer_address, "--spool",
                      str(self.folder / "spool"), *map(str, options)]
        for capture, point in inputs:
            self.words += ["--replay", f"{capture}={point}"]
        self.process = None

    def start(self):
        self.output = open(self.folder / "probe.log", "ab")
        self.process = subprocess.Popen(self.words, stdout=self.output, stderr=self.output)
        self.output.close()
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def log(self):
        return (self.folder / "probe.log").read_text(errors="replace")

    def wait(self):
        code = self.process.wait(timeout=PATIENCE_S * 3)
        if code != 0:
            raise RuntimeError(f"a probe ended with {code}: {self.log()[-500:]}")


def wait_for(condition, what, patience_s=PATIENCE_S):
    """Polls until it is true; whatever goes wrong meanwhile counts as false."""
    ends = time.monotonic() + patience_s
    error = None
    while time.monotonic() < ends:
        try:
            if condition():
                return
        except (OSError, subprocess.CalledProcessError, KeyError, ValueError) as happened:
            error = happened
        time.sleep(0.05)
    raise TimeoutError(f"waited {patience_s} s for {what}" + (f": {error}" if error else ""))


@contextlib.contextmanager
def running(tracer):
    """Started, and killed at the end whatever happened."""
    tracer.start()
    try:
        yield tracer
    finally:
        if tracer.process.poll() is None:
            tracer.kill()


def offline(hoptap, captures, *options):
    """What `hoptap path` says of the captures, which are named by their points: lines by type."""
    words = [str(hoptap), "path", "--json", "--progress", "never", *options]
    for capture, point in captures:
        words += ["--point", f"{capture}={point}"]
    words += [str(capture) for capture, _ in captures]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    lines = {"trace": [], "verdict": [], "summary": []}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        lines[row["type"]].append(row)
    return lines


def points_of(folder):
    """(capture, point) of a folder of captures as the lab and the forge name them, in the order of the points' names."""
    captures = sorted(pathlib.Path(folder).glob("*.pcap"))
    return sorted(((capture, re.sub(r"^\d+_", "", capture.stem)) for capture in captures), key=lambda one: one[1])


def differences(expected, traces):
    """Between the traces of `hoptap path` and of the API, in words; at most a few."""
    found = []
    api = {}
    for trace in traces:
        trace = {key: value for key, value in trace.items() if key not in ("revision", "final")}
        if trace["id"] in api:
            found.append(f"{trace['id']} is there twice")
        api[trace["id"]] = trace
    for trace in expected:
        other = api.pop(trace["id"], None)
        if other is None:
            found.append(f"{trace['id']} is missing")
        elif other != trace:
            keys = [key for key in trace if trace[key] != other.get(key)]
            found.append(f"{trace['id']} differs in {', '.join(keys)}: {trace[keys[0]]} and {other.get(keys[0])}"[:300]
                         if keys else f"{trace['id']} has more: {set(other) - set(trace)}")
    found += [f"{identity} was not expected" for identity in api]
    return found[:8] + ([f"and {len(found) - 8} more"] if len(found) > 8 else [])
