#!/usr/bin/env python3
"""Runs clang-tidy (.clang-tidy) over every source of the compile database."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT, BUILD = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
if not shutil.which("clang-tidy"):
    print("skipped: clang-tidy is not installed")
    sys.exit(77)


def tidy(path):
    done = subprocess.run(["clang-tidy", "--quiet", "-p", str(BUILD), path], capture_output=True, text=True, check=False)
    return path, done.returncode, done.stdout


entries = json.loads((BUILD / "compile_commands.json").read_text())
files = sorted({os.path.realpath(os.path.join(e["directory"], e["file"])) for e in entries})
files = [f for f in files if f.startswith(str(ROOT)) and not f.startswith(str(BUILD)) and "/tests/" not in f]
failed = 0
with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
    for path, code, text in pool.map(tidy, files):
        if code != 0 or "warning:" in text:
            failed += 1
            print(text)
print(f"clang-tidy: {len(files)} files, {failed} with findings")
sys.exit(1 if failed else 0)
