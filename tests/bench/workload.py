"""Makes the HTTP keep-alive workload: real nginx and wrk between two network namespaces, captured at both.

make(folder, megabytes) leaves server.pcap, client.pcap and access.log (the truth) in the folder. Needs root.
Bounded: wrk runs for a fixed time, all traffic stays on one veth pair of our own.
"""
import os
import pathlib
import signal
import subprocess
import time

BODIES = (200, 700, 1500, 4000, 12000, 30000, 50000)
WEIGHTS = (6, 6, 3, 2, 2, 1, 1)
RATE_MBIT = 400          # what tcpdump keeps up with on one core without a loss
SERVER, CLIENT = "198.18.102.2", "198.18.102.1"

NGINX = """user root; worker_processes 1; daemon off; pid {run}/nginx.pid; error_log {run}/error.log;
events {{ worker_connections 4096; }}
http {{ default_type text/plain; keepalive_requests 50; client_body_temp_path {run}/b; proxy_temp_path {run}/p;
  fastcgi_temp_path {run}/f; uwsgi_temp_path {run}/u; scgi_temp_path {run}/s;
  log_format truth '$msec $remote_port $connection_requests $request_method $request_uri $status $bytes_sent';
  access_log {run}/access.log truth;
  server {{ listen 80 backlog=4096; root {run}/www; }} }}
"""


def run(*words: str) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Network:
    """Two namespaces and a veth pair with a rate; gone with close()."""

    def __init__(self):
        self.client, self.server = f"hbc{os.getpid()}", f"hbs{os.getpid()}"
        for name in (self.client, self.server):
            run("ip", "netns", "add", name)
            run("nsenter", f"--net=/run/netns/{name}", "ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "e0", "netns", self.client, "type", "veth", "peer", "name", "e0", "netns", self.server)
        for name, address in ((self.client, CLIENT), (self.server, SERVER)):
            run("nsenter", f"--net=/run/netns/{name}", "ip", "addr", "add", address + "/24", "dev", "e0")
            run("nsenter", f"--net=/run/netns/{name}", "ethtool", "-K", "e0", "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            run("nsenter", f"--net=/run/netns/{name}", "ip", "link", "set", "dev", "e0", "up")
            run("nsenter", f"--net=/run/netns/{name}", "tc", "qdisc", "add", "dev", "e0", "root", "tbf",
                "rate", f"{RATE_MBIT}mbit", "burst", "128k", "latency", "20ms")

    def start(self, where: str, *words: str, **more) -> subprocess.Popen:
        return subprocess.Popen(("nsenter", f"--net=/run/netns/{where}", *words), stderr=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, **more)

    def close(self) -> None:
        for name in (self.client, self.server):
            subprocess.run(("ip", "netns", "del", name), check=False)


def make(folder: pathlib.Path, megabytes: int) -> None:
    (folder / "www").mkdir(parents=True, exist_ok=True)
    for size in BODIES:
        (folder / "www" / f"{size}.txt").write_bytes((b"hoptap workload " * (size // 16 + 1))[:size])
    (folder / "nginx.conf").write_text(NGINX.format(run=folder))
    picks = ",".join(str(size) for size, weight in zip(BODIES, WEIGHTS) for _ in range(weight))
    (folder / "mix.lua").write_text(
        f"local s={{{picks}}}\nlocal n=0\nmath.randomseed(1)\n"
        "request=function() n=n+1; return wrk.format('GET','/'..s[math.random(#s)]..'.txt?n='..n) end\n")
    network = Network()
    started = []
    try:
        nginx = network.start(network.server, "nginx", "-c", str(folder / "nginx.conf"))
        taken = [network.start(name, "tcpdump", "-i", "e0", "-s", "0", "-B", "262144", "-U", "-w", str(folder / file), "tcp")
                 for name, file in ((network.server, "server.pcap"), (network.client, "client.pcap"))]
        started = [nginx, *taken]
        time.sleep(1.5)
        seconds = max(1, round(megabytes * 8 / RATE_MBIT))
        subprocess.run(("nsenter", f"--net=/run/netns/{network.client}", "wrk", "-t1", "-c100", f"-d{seconds}s", "-s",
                        str(folder / "mix.lua"), f"http://{SERVER}/"), check=True, stdout=subprocess.DEVNULL)
        time.sleep(2)
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGINT if process is not started[0] else signal.SIGQUIT)
            process.wait()
        network.close()
