"""CPU seconds, memory and instructions of programs, and the machine they were measured on."""
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Failed(Exception):
    """A program that did not end as it should."""


def measure(*words, limit_mib: int | None = None, limit_s: int = 600) -> tuple[float, float, str]:
    """CPU seconds and peak resident MiB (of a child of Python: 10 at least) of a command, and the last 4 kB of its
    standard output. limit_mib: address space it may take; limit_s: CPU seconds, and 5 times that by the
    clock, for some wait for ever when they get no memory."""
    limited = ("timeout", "--kill-after=5", str(5 * limit_s),
               "prlimit", f"--cpu={limit_s}", f"--as={limit_mib << 20 if limit_mib else 'unlimited'}")
    wrapped = ("/usr/bin/env", "python3", "-c",
               "import os,resource,subprocess,sys\n"
               "code=subprocess.call(sys.argv[1:])\n"
               "use=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
               "print('\\nUSED',use.ru_utime+use.ru_stime,use.ru_maxrss,code,file=sys.stderr)",
               *limited, *map(str, words))
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        done = subprocess.run(wrapped, stdout=out, stderr=subprocess.PIPE, text=True, errors="replace", check=True)
        out.seek(max(0, out.seek(0, 2) - 4096))
        seconds, kilobytes, code = re.search(r"USED (\S+) (\S+) (\S+)", done.stderr).groups()
        if int(code) != 0:
            said = [line for line in (out.read() + done.stderr.split("USED")[0]).splitlines() if line.strip()]
            raise Failed(f"{words[0]} ended with {code}: {said[-1][-200:] if said else 'it said nothing'}")
        return float(seconds), int(kilobytes) / 1024, out.read()


def instructions(*words) -> int | None:
    """By callgrind; None where it is not installed or the program does not run in it."""
    if not shutil.which("valgrind"):
        return None
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(("valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch}/out", *map(str, words)),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    collected = re.findall(r"Collected : (\d+)", done.stderr)
    return int(collected[-1]) if collected and done.returncode == 0 else None


def per_packet(words: tuple, few: tuple[pathlib.Path, int], more: tuple[pathlib.Path, int]) -> float | None:
    """Instructions per packet: the difference of two lengths of a capture, (path, packets) each, so that start-up is out.
    A word "{}" stands for the capture, which is the last word otherwise."""
    totals = []
    for path, _ in (few, more):
        filled = [str(path) if word == "{}" else word for word in words]
        totals.append(instructions(*filled, *(() if "{}" in words else (path,))))
    return None if None in totals else (totals[1] - totals[0]) / (more[1] - few[1])


def head_of(pcap: pathlib.Path, target: pathlib.Path, megabytes: float = 1e9, packets: int = 1 << 62) -> int:
    """The first megabytes or packets of a little-endian capture, whole records only. @return packets"""
    count, used = 0, 24
    with open(pcap, "rb") as source, open(target, "wb") as out:
        out.write(source.read(24))
        while count < packets and len(head := source.read(16)) == 16:
            captured = int.from_bytes(head[8:12], "little")
            frame = source.read(captured)
            used += 16 + captured
            if used > megabytes * 1e6 or len(frame) < captured:
                break
            out.write(head + frame)
            count += 1
    return count


def json_of(*words) -> dict:
    """What a program of ours prints as one line of JSON."""
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{words[0]} ended with {done.returncode}: {done.stderr[-300:]}")
    return json.loads(done.stdout)


def machine() -> str:
    """One line: processor, cores, kernel, compiler."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    compiler = subprocess.run(("g++", "--version"), stdout=subprocess.PIPE, text=True, check=False).stdout.splitlines()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, "
            f"{compiler[0] if compiler else 'compiler not known'}")
