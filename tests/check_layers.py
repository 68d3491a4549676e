#!/usr/bin/env python3
"""Fails when a folder includes what its row in docs/architecture.md does not allow."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()

# What each folder may include, by prefix of the include path. Its own headers are always allowed.
ALLOWED = {
    "base": [],
    "capture": ["base/"],
    "decode": ["base/", "capture/packet.h"],
    "flowtable": ["base/", "decode/decoded.h", "decode/l7/parser.h"],
    "linker": ["base/", "flowtable/record.h", "flowtable/record_codec.h"],
    "export": ["base/", "flowtable/metrics.h", "flowtable/record.h", "flowtable/record_codec.h", "linker/group.h", "linker/path_model.h", "linker/point.h",
               "linker/run_verdict.h", "linker/trace.h", "linker/verdict", "linker/virtual_points.h",
               "linker/window_verdicts.h"],
    "bpf-optional": ["base/", "capture/source.h"],
    "appliance": ["base/", "bpf-optional/", "capture/", "decode/", "flowtable/", "linker/", "export/"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
# Clocks: time comes from packets (capture may read none either, it only passes stamps on).
CLOCK = re.compile(r"\b(steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday|time\s*\(\s*(?:NULL|nullptr|0)\s*\))")
NO_CLOCK = {"base", "capture", "decode", "flowtable", "linker", "export"}
# Waiting on a network needs a clock; no record's time comes from it. A port of DPDK has no kernel behind it that stamps.
MAY_READ_CLOCK = {"export/transport", "capture/dpdk"}


def complaints():
    for folder, allowed in ALLOWED.items():
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".h", ".cpp"):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                where = f"{path.relative_to(ROOT)}:{number}"
                exempt = str(path.relative_to(ROOT).parent) in MAY_READ_CLOCK
                if folder in NO_CLOCK and not exempt and CLOCK.search(line):
                    yield f"{where}: reads a clock; time comes from packets"
                match = INCLUDE.match(line)
                if not match:
                    continue
                name = match.group(1)
                if not (ROOT / name).exists():
                    yield f'{where}: "{name}" is not a path from the top of the tree'
                elif not any(name.startswith(prefix) for prefix in [folder + "/"] + allowed):
                    yield f'{where}: {folder}/ may not include "{name}"'


found = list(complaints())
print("\n".join(found) if found else "layers: every include is allowed")
sys.exit(1 if found else 0)
