"""The lab's network: namespaces, links, overlay, NAT, mirrors and the wire between the switches.

    pod-a -- node-a -- switch-a == wire == switch-b -- node-b -- pod-b
                      /    |                  |
                client   mirror-a          mirror-b   -> collector

All addresses are from 198.18.0.0/15 (RFC 2544, never routed). Every neighbour is permanent, so no
ARP crosses the lab, and every offload is off, so each capture holds frames as they would be on a
cable. One `Lab` object owns everything it made and undoes it in `close()`.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

RUN_ROOT = pathlib.Path("/run/hoptap-lab")
ROLES = ("pod-a", "node-a", "switch-a", "switch-b", "node-b", "pod-b", "client", "collector")
HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = {"hoptap-lab-wire": ("wire.cpp", "wire_frame.cpp", "wire_log.cpp", "wire_port.cpp",
                                "wire_faults.cpp", "wire_reset.cpp"),
            "hoptap-lab-ipip": ("ipip.cpp",)}
NEEDED_TOOLS = ("ip", "bridge", "ethtool", "nft", "sysctl", "tcpdump", "nginx", "dnsmasq", "dig", "curl")

UNDERLAY = {"a": "198.19.0.1", "b": "198.19.0.2", "client": "198.19.0.100"}
POD = {"a": "198.18.1.10", "b": "198.18.2.10"}
POD_GATEWAY = {"a": "198.18.1.1", "b": "198.18.2.1"}
POD_OVER_IPIP = {"a": "198.18.11.10", "b": "198.18.12.10"}
OVERLAY = {"a": "198.18.1.0", "b": "198.18.2.0"}
OTHER = {"a": "b", "b": "a"}
SERVICE = {"cluster": "198.18.200.1", "ipip": "198.18.200.2", "nodeport": UNDERLAY["b"]}
MAC = {
    "pod-a": "02:00:00:00:0a:10", "bridge-a": "02:00:00:00:0a:01", "under-a": "02:00:00:00:00:0a",
    "overlay-a": "02:00:00:00:aa:01", "pod-b": "02:00:00:00:0b:10", "bridge-b": "02:00:00:00:0b:01",
    "under-b": "02:00:00:00:00:0b", "overlay-b": "02:00:00:00:bb:01", "client": "02:00:00:00:00:64",
}
OVERLAY_MTU_BYTES = 1450
UNDERLAY_MTU_BYTES = 1500
IPIP_MTU_BYTES = 1480
VXLAN_PORT = 8472
BRIDGE_OPTIONS = "stp_state 0 forward_delay 0 mcast_snooping 0"
NODE_PORTS = (("tcp", 30080, 80), ("tcp", 30081, 8080), ("tcp", 30053, 53), ("udp", 30053, 53))  # outside, inside

# name: (namespace, interface). The capture's file name is NN_name.pcap; NN is the order here.
POINTS = {
    "pod-a": ("pod-a", "eth0"), "client": ("client", "eth0"), "node-a-veth": ("node-a", "veth-pod"),
    "node-a-eth0": ("node-a", "eth0"), "switch-a": ("collector", "mirror-a"),
    "switch-b": ("collector", "mirror-b"), "node-b-eth0": ("node-b", "eth0"),
    "node-b-veth": ("node-b", "veth-pod"), "pod-b": ("pod-b", "eth0"),
}


class CannotRun(Exception):
    """This machine lacks a tool, a right or a kernel part: the caller exits with 77 (skipped)."""


class LabError(Exception):
    """Something that should have worked did not."""


def check_requirements() -> None:
    """Raises CannotRun with one clear line when the lab cannot exist here."""
    if os.geteuid() != 0:
        raise CannotRun("the lab needs root (network namespaces)")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [tool for tool in NEEDED_TOOLS if shutil.which(tool) is None]
    if missing:
        raise CannotRun("missing tools: " + ", ".join(missing))
    if not os.path.exists("/dev/net/tun"):
        raise CannotRun("no /dev/net/tun")


def build_programs(tools: str | None) -> dict[str, pathlib.Path]:
    """Paths of the two programs: those in `tools`, or built here (kept until a source changes)."""
    if tools:
        found = {name: pathlib.Path(tools).resolve() / name for name in PROGRAMS}
        for path in found.values():
            if not os.access(path, os.X_OK):
                raise CannotRun(f"{path} is not there; leave --tools out to have it built")
        return found
    if shutil.which("g++") is None:
        raise CannotRun("no g++ and no --tools")
    folder = RUN_ROOT / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    built = {}
    changed_s = max(path.stat().st_mtime for path in [*HERE.glob("*.cpp"), *HERE.glob("*.h")])
    for name, sources in PROGRAMS.items():
        built[name] = folder / name
        if built[name].exists() and built[name].stat().st_mtime >= changed_s:
            continue
        fresh = folder / f"{name}.{os.getpid()}"
        command = ["g++", "-O2", "-std=c++20", "-I", HERE.parents[1], "-o", fresh]
        subprocess.run(command + [HERE / source for source in sources], check=True)
        fresh.rename(built[name])
    return built


def run(*command: str, text: str | None = None) -> str:
    """Runs one set-up command. A kernel that lacks a part raises CannotRun, all else LabError."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout
    error = " ".join(done.stderr.split())[:300]
    kind = CannotRun if re.search(r"not supported|Unknown device type|not permitted", error) else LabError
    raise kind(f"{' '.join(map(str, command))[:160]}: {error}")


def process_start(pid: int) -> str:
    """The kernel's start stamp of a process, which with its pid is unique; empty when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def end_process(pid: int) -> None:
    """Ends one process: asks, waits up to 2 s, insists."""
    for sign, wait_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0)):
        deadline = time.monotonic() + wait_s
        try:
            os.kill(pid, sign)
            while time.monotonic() < deadline:
                os.kill(pid, 0)
                time.sleep(0.01)
        except ProcessLookupError:
            return


def remove_namespaces(prefix: str) -> None:
    """Ends what runs in the namespaces of one lab, then removes them."""
    folder = pathlib.Path("/run/netns")
    names = [path.name for path in folder.glob(prefix + "*")] if folder.is_dir() else []
    for name in names:
        listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout
        for pid in map(int, listed.split()):
            if pid != os.getpid():
                end_process(pid)
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def clean_leftovers() -> None:
    """Removes labs whose owner is no more. A lab's folder tells its owner's pid and start stamp."""
    for folder in RUN_ROOT.glob("[0-9]*"):
        owner = folder / "owner"
        start = owner.read_text().strip() if owner.exists() else ""
        if start and process_start(int(folder.name)) == start:
            continue
        remove_namespaces(f"hoptap-{folder.name}-")
        shutil.rmtree(folder, ignore_errors=True)


class Lab:
    """A lab that stands. Made by `Lab.open()`, which undoes a half-made one; ended by `close()`."""

    def __init__(self, tools: dict[str, pathlib.Path], seed: int):
        self.tools, self.seed = tools, seed
        self.prefix = f"hoptap-{os.getpid()}-"
        self.folder = RUN_ROOT / str(os.getpid())
        self.children: list[subprocess.Popen] = []

    @classmethod
    def open(cls, tools: dict[str, pathlib.Path], seed: int = 1) -> "Lab":
        clean_leftovers()
        lab = cls(tools, seed)
        try:
            lab._build()
        except BaseException:
            lab.close()
            raise
        return lab

    def close(self) -> None:
        """Undoes everything; signals are ignored meanwhile so that nothing stays behind."""
        before = {sign: signal.signal(sign, signal.SIG_IGN) for sign in (signal.SIGINT, signal.SIGTERM)}
        for child in reversed(self.children):
            self.end(child)
        remove_namespaces(self.prefix)
        shutil.rmtree(self.folder, ignore_errors=True)
        for sign, handler in before.items():
            signal.signal(sign, handler)

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def inside(self, role: str, *command) -> list[str]:
        """The command line that runs `command` in the namespace of `role`."""
        # Not `ip netns exec` or `ip -n`, which remount /sys and so fail where / is no mount point (a plain chroot).
        return ["nsenter", f"--net=/run/netns/{self.prefix}{role}", *map(str, command)]

    def start(self, role: str, *command, **popen) -> subprocess.Popen:
        """Starts a process in a namespace; `close()` ends it if nobody did before."""
        child = subprocess.Popen(self.inside(role, *command), start_new_session=True, **popen)
        self.children.append(child)
        return child

    @staticmethod
    def end(child: subprocess.Popen, sign: int = signal.SIGTERM, wait_s: float = 3.0) -> None:
        if child.poll() is None:
            child.send_signal(sign)
            try:
                child.wait(wait_s)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def wire(self, command: str) -> int:
        """Sends one command to the wire (see wire.cpp); returns when it took effect, in ns."""
        return wire_command(self.folder, command)

    # ---- building ---------------------------------------------------------------------------

    def _build(self) -> None:
        self.folder.mkdir(parents=True, mode=0o700)
        (self.folder / "owner").write_text(process_start(os.getpid()))
        for role in ROLES:
            run("ip", "netns", "add", self.prefix + role)
            run(*self.inside(role, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                             "net.ipv6.conf.default.disable_ipv6=1"))
            self._ip(role, "link set dev lo up")
        self._make_links()
        for side in "ab":
            self._make_pod(side)
            self._make_node(side)
            self._make_switch(side)
        self._make_client()
        for side in "ab":
            self._start_ipip(side)
        self._start_wire()

    def _ip(self, role: str, *lines: str) -> None:
        run(*self.inside(role, "ip", "-batch", "-"), text="\n".join(lines) + "\n")

    def _link(self, one: str, name_one: str, two: str, name_two: str, mtu: int, mac: str = "") -> None:
        """A veth pair between two namespaces, up, all offloads off."""
        first = f"{name_one} netns {self.prefix}{one} mtu {mtu}" + (f" address {mac}" if mac else "")
        second = f"{name_two} netns {self.prefix}{two} mtu {mtu}"
        run("ip", *f"link add name {first} type veth peer name {second}".split())
        for role, name in ((one, name_one), (two, name_two)):
            self._offloads_off(role, name)
            self._ip(role, f"link set dev {name} up")

    def _offloads_off(self, role: str, name: str) -> None:
        run(*self.inside(role, "ethtool", "-K", name, *"tx off tso off gso off gro off".split()))

    def _make_links(self) -> None:
        mirror_mtu = 9000
        for side in "ab":
            pod, node, switch = f"pod-{side}", f"node-{side}", f"switch-{side}"
            self._link(pod, "eth0", node, "veth-pod", OVERLAY_MTU_BYTES, MAC[pod])
            self._link(node, "eth0", switch, "port-node", UNDERLAY_MTU_BYTES, MAC[f"under-{side}"])
            self._link(switch, "port-wire", switch, "wire-end", UNDERLAY_MTU_BYTES)
            self._link(switch, "mirror", "collector", f"mirror-{side}", mirror_mtu)
        self._link("client", "eth0", "switch-a", "port-client", UNDERLAY_MTU_BYTES, MAC["client"])

    def _make_pod(self, side: str) -> None:
        gateway = POD_GATEWAY[side]
        self._ip(f"pod-{side}",
                 f"addr add {POD[side]}/24 dev eth0",
                 f"addr add {POD_OVER_IPIP[side]}/32 dev eth0",
                 f"neigh add {gateway} lladdr {MAC['bridge-' + side]} dev eth0 nud permanent",
                 f"route add default via {gateway}",
                 f"route add {SERVICE['ipip']}/32 via {gateway} src {POD_OVER_IPIP[side]}")
        # What one scenario's losses taught the TCP stack must not shape the next one.
        run(*self.inside(f"pod-{side}", "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1"))

    def _make_node(self, side: str) -> None:
        node, peer = f"node-{side}", OTHER[side]
        self._ip(node,
                 f"link add name cni0 address {MAC['bridge-' + side]} type bridge {BRIDGE_OPTIONS}",
                 "link set dev cni0 up", "link set dev veth-pod master cni0",
                 f"addr add {POD_GATEWAY[side]}/24 dev cni0",
                 f"addr add {UNDERLAY[side]}/24 dev eth0",
                 f"neigh add {POD[side]} lladdr {MAC['pod-' + side]} dev cni0 nud permanent",
                 f"route add {POD_OVER_IPIP[side]}/32 dev cni0",
                 f"neigh add {POD_OVER_IPIP[side]} lladdr {MAC['pod-' + side]} dev cni0 nud permanent",
                 f"neigh add {UNDERLAY[peer]} lladdr {MAC['under-' + peer]} dev eth0 nud permanent",
                 f"neigh add {UNDERLAY['client']} lladdr {MAC['client']} dev eth0 nud permanent",
                 f"link add name overlay address {MAC['overlay-' + side]} mtu {OVERLAY_MTU_BYTES} type vxlan id 1"
                 f" local {UNDERLAY[side]} dstport {VXLAN_PORT} nolearning dev eth0",
                 "link set dev overlay up",
                 f"addr add {OVERLAY[side]}/32 dev overlay",
                 f"route add {POD[peer].rpartition('.')[0]}.0/24 via {OVERLAY[peer]} dev overlay onlink",
                 f"neigh add {OVERLAY[peer]} lladdr {MAC['overlay-' + peer]} dev overlay nud permanent")
        run(*self.inside(node, "bridge", "fdb", "add", MAC[f"overlay-{peer}"], "dev", "overlay",
                         "dst", UNDERLAY[peer]))
        self._offloads_off(node, "overlay")
        run(*self.inside(node, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0",
                         "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0",
                         "net.ipv4.conf.cni0.rp_filter=0", "net.ipv4.conf.overlay.rp_filter=0"))
        run(*self.inside(node, "nft", "-f", "-"), text=nat_rules(side))

    def _make_switch(self, side: str) -> None:
        """A bridge, and a mirror that copies what is about to leave for the wire and what the wire is about to hand over:
        each frame once, and either way the same few steps of the kernel before the wire's own stamp. Copies made after
        that stamp, or by the switch's port to the node, put 10 to 20 us into the wire's segment that its log cannot know."""
        switch = f"switch-{side}"
        ports = ["port-node", "port-wire"] + (["port-client"] if side == "a" else [])
        self._ip(switch, f"link add name bridge type bridge {BRIDGE_OPTIONS}",
                 "link set dev bridge up", *(f"link set dev {port} master bridge" for port in ports))
        chains = "".join(f'  chain {end} {{ type filter hook egress device "{end}" priority -500;'
                         f' dup to "mirror"; }}\n' for end in ("port-wire", "wire-end"))
        run(*self.inside(switch, "nft", "-f", "-"), text=f"table netdev span {{\n{chains}}}\n")

    def _make_client(self) -> None:
        self._ip("client", f"addr add {UNDERLAY['client']}/24 dev eth0",
                 f"neigh add {UNDERLAY['b']} lladdr {MAC['under-b']} dev eth0 nud permanent",
                 f"neigh add {UNDERLAY['a']} lladdr {MAC['under-a']} dev eth0 nud permanent")
        run(*self.inside("client", "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1"))

    def _start_ipip(self, side: str) -> None:
        peer, node = OTHER[side], f"node-{side}"
        child = self.start(node, self.tools["hoptap-lab-ipip"], "ipip0", UNDERLAY[side], UNDERLAY[peer],
                           stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
        if child.stdout.readline().strip() != "ready":
            raise LabError(f"the IPIP tunnel of {node} did not start")
        self._ip(node, f"link set dev ipip0 mtu {IPIP_MTU_BYTES} txqueuelen 20000 up",
                 f"route add {POD_OVER_IPIP[peer]}/32 dev ipip0")
        run(*self.inside(node, "sysctl", "-qw", "net.ipv4.conf.ipip0.rp_filter=0"))

    def _start_wire(self) -> None:
        control, answers = self.folder / "wire.control", self.folder / "wire.answers"
        os.mkfifo(control, 0o600)
        answers.touch()
        fifo = os.open(control, os.O_RDWR)  # both ways, so that the wire never reads an end of file
        with open(answers, "ab") as out:
            ends = (f"{self.prefix}switch-{side}/wire-end" for side in "ab")
            self.start("switch-a", self.tools["hoptap-lab-wire"], *ends, self.seed, stdin=fifo, stdout=out)
        os.close(fifo)
        wait_for_answer(answers, 0)


def nat_rules(side: str) -> str:
    """Service NAT of one node as kube-proxy would write it; NodePort only on node-b."""
    rules = []
    for service, pod in (("cluster", POD["b"]), ("ipip", POD_OVER_IPIP["b"])):
        rules += [f"ip daddr {SERVICE[service]} {port_match} dnat to {pod}"
                  for port_match in ("tcp dport { 53, 80, 8080, 8081 }", "udp dport 53")]
    if side == "b":
        for transport, outside, port in NODE_PORTS:
            rules.append(f"ip daddr {UNDERLAY['b']} {transport} dport {outside} dnat to {POD['b']}:{port}")
    lines = "\n".join("    " + rule for rule in rules)
    return (f"table ip services {{\n  chain incoming {{ type nat hook prerouting priority dstnat;\n{lines}\n  }}\n"
            "  chain outgoing { type nat hook postrouting priority srcnat;\n"
            f"    ip saddr 198.19.0.0/24 ip daddr {POD['b']} masquerade\n  }}\n}}\n")


def wait_for_answer(answers: pathlib.Path, offset: int, wait_s: float = 10.0) -> str:
    """The first whole line of the wire's answers after `offset` bytes."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        text = answers.read_bytes()[offset:]
        if b"\n" in text:
            return text.split(b"\n", 1)[0].decode()
        time.sleep(0.002)
    raise LabError("the wire did not answer")


def wire_command(folder: pathlib.Path, command: str) -> int:
    """Sends one command to the wire of the lab in `folder`; returns when it took effect, in ns."""
    answers = folder / "wire.answers"
    offset = answers.stat().st_size
    with open(folder / "wire.control", "wb", buffering=0) as control:
        control.write((command + "\n").encode())
    answer = wait_for_answer(answers, offset)
    if not answer.startswith("ok "):
        raise LabError(f"the wire refused: {command}")
    return int(answer.split()[1])
