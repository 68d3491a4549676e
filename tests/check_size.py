#!/usr/bin/env python3
"""Fails on a file of more than 800 lines, or a C++ function of more than 70."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
OPENS_NO_FUNCTION = re.compile(r"^\s*(namespace|class|struct|enum|union|extern)\b|=\s*\{?$|^\s*(TEST|TEST_P|TEST_F)\b.*;$")


def sources():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split("\n") if listed.returncode == 0 else [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")]
    return [ROOT / n for n in names if n.endswith((".cpp", ".h", ".py")) and not n.startswith("build") and (ROOT / n).is_file()]


def long_functions(path):
    """A function body begins with a line that ends in ") {" or "} {" style and ends at its closing brace's column."""
    lines = path.read_text().splitlines()
    opened = None
    for number, line in enumerate(lines, 1):
        if opened is None:
            head = re.match(r"^(\s*)[^\s#/].*\{$", line) or re.match(r"^(\s*)[^\s#/].*\{\s*//.*$", line)
            if head and "(" in line + lines[max(0, number - 2)] and not OPENS_NO_FUNCTION.match(line):
                opened = (number, head.group(1))
        elif re.match(rf"^{opened[1]}\}}", line):
            if number - opened[0] > FUNCTION_LINES_MAX:
                yield opened[0], number - opened[0]
            opened = None


found = []
for source in sources():
    count = len(source.read_text().splitlines())
    if count > FILE_LINES_MAX:
        found.append(f"{source.relative_to(ROOT)}: {count} lines, at most {FILE_LINES_MAX}")
    if source.suffix in (".cpp", ".h"):
        found += [f"{source.relative_to(ROOT)}:{at}: a function of {n} lines, at most {FUNCTION_LINES_MAX}"
                  for at, n in long_functions(source)]
print("\n".join(found) if found else "sizes: every file and function fits")
sys.exit(1 if found else 0)
