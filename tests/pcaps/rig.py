"""Small networks for single-point captures: namespaces in a row, a tcpdump, scripted servers.

Stands on the lab's `topology.Lab` (namespaces, links without offloads, clean-up). Sockets of this
process are made inside a namespace and stay there, so a case is one script that knows both ends.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))
import topology  # noqa: E402

CLIENT, SERVER, SECOND = "198.18.0.1", "198.18.0.2", "198.18.0.3"
CLIENT6, SERVER6 = "2001:2::1", "2001:2::2"  # RFC 5180, never routed
MAC = {"client": "02:00:00:00:00:01", "server": "02:00:00:00:00:02"}
FAR = {"client": "198.18.0.1", "server": "198.19.0.2"}  # behind a router
ROUTER = {"client": "198.18.0.254", "server": "198.19.0.254"}
OVERLAY = {"client": "198.18.9.1", "server": "198.18.9.2"}
NEW_NETWORK = 0x40000000  # CLONE_NEWNET
QUIET_S = 0.3
WAIT_MAX_S = 10.0

NGINX_CONF = """
worker_processes 1; daemon off; master_process off; user root; pid {run}/nginx.pid; error_log {run}/nginx.error;
events {{ worker_connections 64; }}
http {{
  client_body_temp_path {run}/t1; proxy_temp_path {run}/t2; fastcgi_temp_path {run}/t3;
  uwsgi_temp_path {run}/t4; scgi_temp_path {run}/t5; access_log off; server_tokens off;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {run}/cert.pem; ssl_certificate_key {run}/key.pem;
  server {{
    listen 80; listen [::]:80; listen 443 ssl; root {run}/www;
    location = /empty {{ return 204; }}
    location = /ids {{ add_header X-Request-Id $http_x_request_id; return 200 "ids\\n"; }}
    location = /trailer {{ add_trailer X-Checked yes; try_files /1k =404; }}
  }}
}}
"""


class Net(topology.Lab):
    """client and server on one link; the shapes below put something between them."""

    roles: tuple[str, ...] = ("client", "server")
    point = ("client", "eth0")

    def _build(self) -> None:
        self.folder.mkdir(parents=True, mode=0o755)
        (self.folder / "owner").write_text(topology.process_start(os.getpid()))
        for role in self.roles:
            topology.run("ip", "netns", "add", self.prefix + role)
            topology.run(*self.inside(role, "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1",
                                      "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0"))
            self._ip(role, "link set dev lo up")
        self._connect()

    def _connect(self) -> None:
        self._link("client", "eth0", "server", "eth0", 1500, MAC["client"])
        self._ip("server", f"link set dev eth0 address {MAC['server']}")
        self._address("client", CLIENT, SERVER, SECOND)
        self._address("server", SERVER, CLIENT)
        self._ip("server", f"addr add {SECOND}/24 dev eth0", f"addr add {SERVER6}/64 dev eth0 nodad",
                 f"neigh add {CLIENT6} lladdr {MAC['client']} dev eth0 nud permanent")
        self._ip("client", f"addr add {CLIENT6}/64 dev eth0 nodad",
                 f"neigh add {SERVER6} lladdr {MAC['server']} dev eth0 nud permanent")

    def _address(self, role: str, address: str, *others: str) -> None:
        """An address on eth0, and the ways to those on the same link: no ARP."""
        there = "server" if role == "client" else "client"
        self._ip(role, f"addr add {address}/24 dev eth0",
                 *(f"neigh add {other} lladdr {MAC[there]} dev eth0 nud permanent" for other in others))

    @contextlib.contextmanager
    def within(self, role: str):
        """This thread is in the namespace of `role`; sockets made meanwhile stay there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.prefix}{role}") as there:
            if libc.setns(there.fileno(), NEW_NETWORK) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(home.fileno(), NEW_NETWORK)

    def open_socket(self, role: str, kind=socket.SOCK_STREAM, family=socket.AF_INET) -> socket.socket:
        with self.within(role):
            made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.settimeout(WAIT_MAX_S)
        return made

    def connect(self, port: int, address: str = SERVER, from_port: int = 0) -> socket.socket:
        made = self.open_socket("client")
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if from_port:
            made.bind(("0.0.0.0", from_port))
        made.connect((address, port))
        return made

    def client(self, *command) -> str:
        """Runs a program beside the client; its output."""
        done = subprocess.run(self.inside("client", *command), capture_output=True, text=True, timeout=30)
        return done.stdout

    def nginx(self) -> None:
        www = self.folder / "www"
        www.mkdir()
        for name, size in (("100", 100), ("1k", 1000), ("3k", 3000)):
            (www / name).write_bytes((b"hoptap test file" * (size // 16 + 1))[:size])
        self.certificate()
        (self.folder / "nginx.conf").write_text(NGINX_CONF.format(run=self.folder))
        self.start("server", "nginx", "-c", self.folder / "nginx.conf", stderr=subprocess.DEVNULL)
        self.wait_for("Hltn", 80)

    def certificate(self) -> tuple[pathlib.Path, pathlib.Path]:
        """A throw-away certificate and key."""
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        if not cert.exists():
            topology.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                         "-subj", "/CN=www.hoptap.test", "-days", "30", "-keyout", str(key), "-out", str(cert))
        return cert, key

    def wait_for(self, sockets: str, port: int) -> None:
        deadline = time.monotonic() + WAIT_MAX_S
        while True:
            text = subprocess.run(self.inside("server", "ss", "-" + sockets), capture_output=True, text=True).stdout
            if re.search(rf":{port}\s", text):
                return
            if time.monotonic() > deadline:
                raise topology.LabError(f"nobody listens on {port}")
            time.sleep(0.05)


class Routed(Net):
    """client - router - server; the capture is on all interfaces of the router."""

    roles = ("client", "router", "server")
    point = ("router", "any")

    def _connect(self) -> None:
        for role in ("client", "server"):
            self._link(role, "eth0", "router", f"to-{role}", 1500, MAC[role])
            self._ip("router", f"addr add {ROUTER[role]}/24 dev to-{role}",
                     f"neigh add {FAR[role]} lladdr {MAC[role]} dev to-{role} nud permanent")
            self._ip(role, f"addr add {FAR[role]}/24 dev eth0", f"route add default via {ROUTER[role]}")


class Bridged(Net):
    """client - bridge - server; the capture is on all interfaces of the bridge."""

    roles = ("client", "bridge", "server")
    point = ("bridge", "any")

    def _connect(self) -> None:
        self._ip("bridge", f"link add name bridge type bridge {topology.BRIDGE_OPTIONS}", "link set dev bridge up")
        for role in ("client", "server"):
            self._link(role, "eth0", "bridge", f"to-{role}", 1500, MAC[role])
            self._ip("bridge", f"link set dev to-{role} master bridge")
        self._address("client", CLIENT, SERVER)
        self._address("server", SERVER, CLIENT)


class Overlaid(Net):
    """client and server on one link and in one VXLAN; the capture is on all interfaces of the client."""

    point = ("client", "any")

    def _connect(self) -> None:
        super()._connect()
        for role, peer, address in (("client", "server", SERVER), ("server", "client", CLIENT)):
            own = CLIENT if role == "client" else SERVER
            inner = {name: mac.replace("02:00:00:00:00", "02:00:00:00:09") for name, mac in MAC.items()}
            self._ip(role, f"link add name overlay address {inner[role]} mtu 1450 type vxlan id 7 local {own}"
                           f" remote {address} dstport 4789 nolearning dev eth0",
                     "link set dev overlay up", f"addr add {OVERLAY[role]}/24 dev overlay",
                     f"neigh add {OVERLAY[peer]} lladdr {inner[peer]} dev overlay nud permanent")
            self._offloads_off(role, "overlay")


def case(shape: type[Net] = Net, nginx: bool = False):
    """Marks a function(net, capture) as a case; `capture()` begins the capture, its `stop()` ends it."""
    def mark(function):
        function.shape, function.nginx = shape, nginx
        return function
    return mark


class Server:
    """Accepts connections in the server's namespace and gives each to `talk` in a thread of its own."""

    def __init__(self, net: Net, port: int, talk, address: str = "0.0.0.0", receive_bytes: int = 0):
        self.talk, self.listener = talk, net.open_socket("server")
        if receive_bytes:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.listener.bind((address, port))
        self.listener.listen()
        self.listener.settimeout(None)
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        for thread in self.threads:
            thread.join(WAIT_MAX_S)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(WAIT_MAX_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.threads.append(threading.Thread(target=self._one, args=(connection,), daemon=True))
            self.threads[-1].start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            with contextlib.suppress(OSError, EOFError):
                self.talk(connection)


class Capture:
    """One running tcpdump; `stop()` waits until the file rests."""

    def __init__(self, net: Net, target: pathlib.Path, expression: str = "tcp or udp"):
        role, interface = net.point
        self.net, self.target = net, target
        self.log = net.folder / "tcpdump.log"
        target.unlink(missing_ok=True)
        kind = ("-y", "LINUX_SLL2") if interface == "any" else ()
        with open(self.log, "wb") as log:
            self.child = net.start(role, "tcpdump", "-n", "-U", "-Z", "root", "--immediate-mode", "-s", 2048, *kind,
                                   "--time-stamp-precision=nano", "-i", interface, "-w", target, expression,
                                   stdout=log, stderr=log)
        deadline = time.monotonic() + WAIT_MAX_S
        while "listening on" not in self.log.read_text():
            if time.monotonic() > deadline or self.child.poll() is not None:
                raise topology.LabError(self.log.read_text())
            time.sleep(0.01)

    def stop(self) -> None:
        size, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_S:
            if (now := self.target.stat().st_size) != size:
                size, since = now, time.monotonic()
            time.sleep(0.02)
        self.net.end(self.child, signal.SIGINT)
        if not re.search(r"\n0 packets dropped by kernel", self.log.read_text()):
            raise topology.LabError("tcpdump lost packets: " + self.log.read_text())


def read_until(connection: socket.socket, mark: bytes, held: bytearray) -> bytes:
    """Bytes up to and with `mark`; what came behind it stays in `held`."""
    while (at := held.find(mark)) < 0:
        more = connection.recv(65536)
        if not more:
            raise EOFError
        held += more
    taken = bytes(held[:at + len(mark)])
    del held[:at + len(mark)]
    return taken


def read_exactly(connection: socket.socket, count: int, held: bytearray) -> bytes:
    while len(held) < count:
        more = connection.recv(65536)
        if not more:
            raise EOFError
        held += more
    taken = bytes(held[:count])
    del held[:count]
    return taken


def reset(connection: socket.socket) -> None:
    """Closes with a RST instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def think(milliseconds: float) -> None:
    time.sleep(milliseconds / 1000)
