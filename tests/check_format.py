#!/usr/bin/env python3
"""Fails when clang-format would change a source file."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
if not shutil.which("clang-format"):
    print("skipped: clang-format is not installed")
    sys.exit(77)
folders = ["base", "capture", "decode", "flowtable", "linker", "export", "bpf-optional", "appliance", "tests"]
files = [str(p) for f in folders for p in sorted((ROOT / f).rglob("*")) if p.suffix in (".h", ".cpp")]
done = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], cwd=ROOT, check=False)
print("format: ./dev fmt mends it" if done.returncode else f"format: {len(files)} files are as clang-format wants them")
sys.exit(1 if done.returncode else 0)
