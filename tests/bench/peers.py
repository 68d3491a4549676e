"""Programs of others that do some of the same work, where they are installed."""
import pathlib
import shutil
import tempfile

import measuring

LIMIT_MIB = 6144           # address space a peer may take
LIMIT_S = 60               # CPU seconds it may take
SLOW_PACKETS = 150_000     # of a capture, for those marked slow
CAPTURE, SCRATCH = "{}", "SCRATCH"

# name, what it does, command, slow, its Debian package
PEERS = (
    ("softflowd", "flows", ("softflowd", "-r", CAPTURE, "-n", "127.0.0.1:9995", "-d"), False, "softflowd"),
    ("nfpcapd", "flows", ("nfpcapd", "-r", CAPTURE, "-l", SCRATCH), False, "nfdump"),
    ("argus", "flows, TCP metrics", ("argus", "-X", "-r", CAPTURE, "-w", "/dev/null"), False, "argus-server"),
    ("tcptrace -r", "TCP metrics", ("tcptrace", "-n", "-r", "-q", CAPTURE), False, "tcptrace"),
    ("ndpiReader", "flows, which protocol", ("ndpiReader", "-q", "-i", CAPTURE), False, "libndpi-bin"),
    ("suricata", "flows, HTTP, TLS, DNS", ("suricata", "-r", CAPTURE, "-l", SCRATCH, "--runmode", "single", "-S", "/dev/null"),
     False, "suricata"),
    ("tshark", "dissects everything", ("tshark", "-n", "-r", CAPTURE, "-Y", "http.request", "-T", "fields", "-e", "frame.number"),
     True, "tshark"),
)


def rows_of(path: pathlib.Path, packets: int, scratch: pathlib.Path) -> list[dict]:
    """Each peer on one capture: seconds, peak MiB; or why not."""
    rows = []
    slow_path, slow_packets = path, packets
    if packets > SLOW_PACKETS:
        slow_path = scratch / "slow.pcap"
        slow_packets = measuring.head_of(path, slow_path, packets=SLOW_PACKETS)
    for name, does, words, slow, package in PEERS:
        row = {"name": name, "does": does}
        rows.append(row)
        if not shutil.which(words[0]):
            row["skipped"] = f"not installed (package {package})"
            continue
        taken, count = (slow_path, slow_packets) if slow else (path, packets)
        try:
            with tempfile.TemporaryDirectory() as folder:
                filled = [folder if word == SCRATCH else str(taken) if word == CAPTURE else word for word in words]
                seconds, peak_mib, _ = measuring.measure(*filled, limit_mib=LIMIT_MIB, limit_s=LIMIT_S)
            row |= {"packets": count, "cpu_s": seconds, "peak_mib": peak_mib}
        except measuring.Failed as failure:
            row["skipped"] = f"{failure}; it may take {LIMIT_MIB} MiB of address space and {LIMIT_S} CPU s"
    return rows


def instructions_of(few: tuple, more: tuple) -> dict[str, float | None]:
    """Instructions per packet of each peer that is installed and runs in callgrind; few, more: (path, packets)."""
    found = {}
    for name, _, words, _, _ in PEERS:
        if not shutil.which(words[0]):
            continue
        with tempfile.TemporaryDirectory() as folder:
            found[name] = measuring.per_packet(tuple(folder if word == SCRATCH else word for word in words), few, more)
    return found
