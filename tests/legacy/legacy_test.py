#!/usr/bin/env python3
"""The static probe where there is nothing but it: no library, no file, and what Linux 3.10 has of the kernel.

    legacy_test.py --probe hoptap-probe --hoptap hoptap --k310 k310 --pcaps FOLDER

Prints its size, start time and memory; of those it asserts nothing.
"""

import argparse
import os
import pathlib
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tracer"))
import daemons  # noqa: E402  pylint: disable=wrong-import-position

SKIPPED = 77
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3

# What k310 must refuse and what it must leave, asked of the kernel under it: name, system call and arguments, errno or 0.
# Where the kernel below is so old that it has not got the thing either, the answer is the same.
ASKED = """
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*words):
    ctypes.set_errno(0)
    return ctypes.get_errno() if libc.syscall(*words) < 0 else 0
def option(level, name):
    try:
        tcp.getsockopt(level, name)
        return 0
    except OSError as error:
        return error.errno
def family(number):
    try:
        socket.socket(number, socket.SOCK_DGRAM).close()
        return 0
    except OSError as error:
        return error.errno
tcp = socket.socket()
answers = {
    "getrandom": (call(318, 0, 0, 0), errno.ENOSYS),
    "memfd_create": (call(319, 0, 0), errno.ENOSYS),
    "seccomp": (call(317, 0, 0, 0), errno.ENOSYS),
    "clone3": (call(435, 0, 0), errno.ENOSYS),
    "SO_BUSY_POLL": (option(1, 46), errno.ENOPROTOOPT),
    "SO_SELECT_ERR_QUEUE": (option(1, 45), 0),
    "SO_REUSEPORT": (option(1, 15), 0),
    "TCP_NOTSENT_LOWAT": (option(6, 25), errno.ENOPROTOOPT),
    "TCP_TIMESTAMP": (option(6, 24), 0),
    "AF_XDP": (family(44), errno.EAFNOSUPPORT),
    "AF_INET": (family(2), 0),
    "O_TMPFILE": (call(2, b"/tmp", 0o20200002, 0o600), errno.EISDIR),
    "timerfd of CLOCK_BOOTTIME": (call(283, 7, 0), errno.EINVAL),
    "timerfd of CLOCK_MONOTONIC": (call(283, 1, 0), 0),
    "PR_CAP_AMBIENT": (call(157, 47, 1, 0, 0, 0), errno.EINVAL),
    "PR_GET_NO_NEW_PRIVS": (call(157, 39, 0, 0, 0, 0), 0),
}
wrong = [f"{name}: {got} instead of {wanted}" for name, (got, wanted) in answers.items() if got != wanted]
print("; ".join(wrong))
sys.exit(bool(wrong))
"""


def segments(program):
    """The types of an ELF file's segments."""
    data = pathlib.Path(program).read_bytes()
    assert data[:4] == b"\x7fELF" and data[4] == 2, "no 64-bit ELF file"
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    return [struct.unpack_from("<I", data, offset + size * at)[0] for at in range(count)]


def run(words, **options):
    """@return exit code, its output, seconds, KiB of memory at most"""
    with tempfile.TemporaryFile() as output:
        begins = time.monotonic()
        process = subprocess.Popen([str(word) for word in words], stdout=output, stderr=subprocess.STDOUT, **options)
        kib = 0
        # rusage would tell this script's own memory, which the child begins with; VmHWM begins anew with exec
        while process.poll() is None:
            try:
                found = re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())
                kib = int(found[1]) if found else kib
            except OSError:
                pass
            time.sleep(0.0005)
        seconds = time.monotonic() - begins
        output.seek(0)
        return process.returncode, output.read().decode(errors="replace"), seconds, kib


def is_static(options, folder):
    found = segments(options.probe)
    if shutil.which("file"):
        print(run(["file", "-b", options.probe])[1].strip())
    size = os.path.getsize(options.probe)
    line = f"{size / 1e6:.1f} MB"
    if shutil.which("strip"):
        subprocess.run(["strip", "-o", folder / "stripped", options.probe], check=True)
        line += f", {os.path.getsize(folder / 'stripped') / 1e6:.1f} MB without symbols"
    print(line)
    assert PT_LOAD in found
    return [f"it has a segment of type {kind}, so it is not static" for kind in (PT_DYNAMIC, PT_INTERP) if kind in found]


def policy_refuses(options, _):
    code, output, _, _ = run([options.k310, sys.executable, "-c", ASKED])
    return [f"k310: {output.strip()}"] if code else []


def starts(options, _):
    times = []
    for _ in range(7):
        code, output, seconds, kib = run([options.k310, options.probe, "--version"], env={})
        if code != 0 or not output.startswith("hoptap-probe "):
            return [f"--version ended with {code}: {output}"]
        times.append(seconds)
    print(f"starts in {min(times) * 1e3:.1f} ms (of {len(times)}), {kib / 1024:.1f} MiB resident")
    wrong = []
    for words, expected, text in ([["--help"], 0, "hoptap-probe --replay"], [["--nonsense"], 2, "--help"], [[], 2, "--replay"]):
        code, output, _, _ = run([options.k310, options.probe, *words], env={})
        if code != expected or text not in output:
            wrong.append(f"{words} ended with {code}: {output[:300]}")
    return wrong


def says_what_it_is_without(options, folder):
    """Before it is started, and in words that are true of it."""
    config, wrong = folder / "probe.yaml", []
    for text, words in (("interfaces: [{interface: lo, capture: ebpf}]", "hoptap-probe is always without"),
                        ("interfaces: [{interface: lo}]\nprocesses: ebpf", "hoptap-probe is always without"),
                        ("interfaces: [{interface: 'dpdk:p'}]", "built without DPDK")):
        config.write_text(text + "\n")
        code, output, _, _ = run([options.probe, "-c", config, "--check"], env={})
        if code != 3 or words not in output or "is right" in output:
            wrong.append(f"--check of {text} ended with {code}: {output}")
    return wrong


def replays(options, folder, inside=(), host="127.0.0.1", label="replay", root=None):
    """All captures through one probe under the policy. `root`: the folder that is / for it."""
    captures = daemons.points_of(options.pcaps / "lab" / "demo" / "captures")
    expected = daemons.offline(options.hoptap, captures)["trace"]
    words = [options.k310, *inside, "/hoptap-probe" if root else options.probe, "--wait", "60"]
    seen = "/" if root else f"{folder}/"
    for capture, point in captures:
        if root:
            shutil.copy(capture, root / f"{point}.pcap")
        words += ["--replay", f"{seen}{point}.pcap={point}" if root else f"{capture}={point}"]
    tracer = daemons.Tracer(options.hoptap, folder / "tracer")
    with daemons.running(tracer):
        port = tracer.collector.rpartition(":")[2]
        words += ["--tracer", f"{host}:{port}", "--spool", f"{seen}spool"]
        code, output, seconds, kib = run(words, env={})
        if code != 0:
            return [f"{label} ended with {code}: {output[-600:]}"]
        tracer.wait_until_settled()
        traces = tracer.traces()
    print(f"{label}: {len(traces)} traces, {seconds * 1e3:.0f} ms, {kib / 1024:.1f} MiB resident")
    return [f"{label}: {one}" for one in daemons.differences(expected, traces)] or ([] if traces else [f"{label}: none"])


def replays_in_nothing(options, folder):
    """Beneath / there is nothing but the probe, the captures and /dev/urandom: 3.10 has no getrandom()."""
    wrong = []
    for host, files in (("127.0.0.1", {}), ("localhost", {"hosts": "127.0.0.1 localhost\n"}),
                        ("tracer.example", {"hosts": "127.0.0.1 tracer.example\n"})):
        root = folder / host / "root"
        for name in ("tmp", "dev"):
            (root / name).mkdir(parents=True)
        shutil.copy(options.probe, root / "hoptap-probe")
        for name, text in files.items():
            (root / "etc").mkdir(exist_ok=True)
            (root / "etc" / name).write_text(text)
        inside = [shutil.which("chroot"), root]
        code, output, _, _ = run([options.k310, *inside, "/hoptap-probe", "--replay", "/none.pcap"], env={})
        if code != 3 or "/dev/urandom" not in output:
            wrong.append(f"without /dev/urandom it ended with {code}: {output[:300]}")
        os.mknod(root / "dev" / "urandom", stat.S_IFCHR | 0o666, os.makedev(1, 9))
        what = " and ".join(["the probe", *(f"/etc/{name}" for name in files)])
        wrong += replays(options, folder / host, inside, host, f"only {what}, to {host}", root)
    return wrong


# x86-64-v1 and nothing more, on a kernel that says it is 3.10.
OLD_PROCESSOR = ["qemu-x86_64", "-cpu", "qemu64,-sse3,-cx16,-lahf_lm,-popcnt,-sse4a,-abm", "-r", "3.10.0"]


def replays_on_an_old_processor(options, folder):
    if not shutil.which(OLD_PROCESSOR[0]):
        print("no qemu-user: not tried on an emulated x86-64-v1 processor")
        return []
    return replays(options, folder, OLD_PROCESSOR, label="emulated x86-64-v1 processor, uname 3.10.0")


def main():
    parser = argparse.ArgumentParser()
    for name in ("probe", "hoptap", "k310", "pcaps"):
        parser.add_argument("--" + name, type=lambda text: pathlib.Path(text).resolve(), required=True)
    options = parser.parse_args()
    if run([options.k310, shutil.which("true")])[0] == SKIPPED:
        print("skipped: this machine takes no seccomp filter")
        return SKIPPED
    steps = [is_static, policy_refuses, starts, says_what_it_is_without, replays, replays_on_an_old_processor]
    if os.geteuid() == 0:
        steps.append(replays_in_nothing)
    else:
        print("not root: no chroot")
    wrong = []
    for step in steps:
        with tempfile.TemporaryDirectory(prefix="hoptap-legacy-") as folder:
            wrong += step(options, pathlib.Path(folder))
    for one in wrong:
        print(f"WRONG {one}")
    print("the static probe lives without what 3.10 has not" if not wrong else f"{len(wrong)} things are wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
