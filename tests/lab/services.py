"""The real servers in pod-b: nginx, two HTTP servers that are slow on demand, dnsmasq; and the truth they log."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import topology

FILE_BYTES = {"1": 1, "100": 100, "1k": 1000, "10k": 10_000, "50k": 50_000, "100k": 100_000, "1M": 1_000_000}
SLOW_SERVERS = {8080: 0, 8081: 16_384}  # port: its SO_RCVBUF in bytes, 0 as the system has it
DNS_ZONE = "lab.hoptap.test"
START_MAX_S = 10.0
WARM_UPS = 3

# A POST goes through a proxy hop on a Unix socket, because only a proxying nginx reads the whole
# body before it answers. The hop is inside the process and on no captured interface.
NGINX_CONF = """
worker_processes 1; daemon off; master_process off; user root;
pid {run}/nginx.pid; error_log {run}/nginx.error;
events {{ worker_connections 512; }}
http {{
  log_format truth escape=json '{{"id":"$arg_id","server":"nginx","answered_s":"$msec","took_s":"$request_time"}}';
  client_body_temp_path {run}/t1; proxy_temp_path {run}/t2; fastcgi_temp_path {run}/t3;
  uwsgi_temp_path {run}/t4; scgi_temp_path {run}/t5;
  keepalive_timeout 60s; client_max_body_size 2m; client_body_buffer_size 1100k;
  server {{
    listen 80; root {run}/www; access_log {run}/nginx.access truth;
    location /post {{
      proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass http://unix:{run}/taken.sock:;
    }}
  }}
  server {{ listen unix:{run}/taken.sock; access_log off; location / {{ return 200 "taken\\n"; }} }}
}}
"""


class Services:
    """Servers of one lab. They run until the lab closes."""

    def __init__(self, lab: topology.Lab):
        self.lab = lab
        folder = lab.folder
        os.chmod(folder, 0o755)
        (folder / "www" / "f").mkdir(parents=True)
        for name, size in FILE_BYTES.items():
            (folder / "www" / "f" / name).write_bytes((b"hoptap lab file " * (size // 16 + 1))[:size])
            (folder / f"body-{size}").write_bytes((b"hoptap lab body " * (size // 16 + 1))[:size])
        (folder / "nginx.conf").write_text(NGINX_CONF.format(run=folder))
        log = open(folder / "services.log", "wb")
        options = {"stdout": log, "stderr": log, "preexec_fn": run_at_once}
        lab.start("pod-b", "nginx", "-c", folder / "nginx.conf", **options)
        for port, receive_bytes in SLOW_SERVERS.items():
            lab.start("pod-b", "/usr/bin/python3", topology.HERE / "slow_server.py", port, folder / f"slow-{port}.jsonl",
                      receive_bytes, **options)
        lab.start("pod-b", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                  "--user=root", "--pid-file=", "--bind-interfaces", "--interface=eth0",
                  f"--address=/{DNS_ZONE}/{topology.POD['b']}", **options)
        log.close()
        self._wait()
        self._warm_up()

    def _wait(self) -> None:
        """Until all ports listen."""
        deadline = time.monotonic() + START_MAX_S
        wanted = {53, 80, *SLOW_SERVERS}
        while True:
            text = subprocess.run(self.lab.inside("pod-b", "ss", "-Hltn"), capture_output=True, text=True).stdout
            if wanted <= {int(port) for port in re.findall(r":(\d+)\s", text)}:
                return
            if time.monotonic() > deadline:
                sys.stderr.write((self.lab.folder / "services.log").read_text())
                raise topology.LabError(f"servers do not listen: {text}")
            time.sleep(0.05)

    def _warm_up(self) -> None:
        """A server's first answers take it longer than all others: nobody's fault, but visible."""
        host = topology.POD["b"]
        requests = [[f"{host}/f/{name}?id=warm-up-0"] for name in FILE_BYTES]
        requests.append([f"{host}/post?id=warm-up-0", "--data-binary", f"@{self.lab.folder}/body-100000"])
        requests += [[f"{host}:{port}/?id=warm-up-0"] for port in SLOW_SERVERS]
        for request in requests * WARM_UPS:
            subprocess.run(self.lab.inside("pod-b", "curl", "-sS", "-o", "/dev/null", *request), check=True,
                           timeout=START_MAX_S)

    def truth(self, scenario: str, since_ns: int) -> list[dict]:
        """What the servers saw of one scenario since then, in order of receipt. nginx's clock has 1 ms steps."""
        rows = []
        for line in read_lines(self.lab.folder / "nginx.access"):
            seen = json.loads(line)
            answered_ns = round(float(seen["answered_s"]) * 1000) * 10**6
            rows.append({"id": seen["id"], "server": "nginx", "precision_ns": 10**6, "answered_ns": answered_ns,
                         "received_ns": answered_ns - round(float(seen["took_s"]) * 1000) * 10**6})
        for port in SLOW_SERVERS:
            rows += [json.loads(line) for line in read_lines(self.lab.folder / f"slow-{port}.jsonl")]
        mine = [row for row in rows if row["id"].rpartition("-")[0] == scenario and row["answered_ns"] >= since_ns - row["precision_ns"]]
        return sorted(mine, key=lambda row: row["received_ns"])


def run_at_once() -> None:
    """For a process about to become a server: pod-b has a machine of its own, in truth it waits for the others here."""
    with contextlib.suppress(PermissionError):  # where it is refused some answers take longer
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def read_lines(path: pathlib.Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
