#!/usr/bin/env python3
"""usage: embed.py OUT.cpp NAME=FILE...    makes a C++ source that holds the files as hoptap::bpf::NAME, base::Bytes"""
import pathlib
import sys

out, *pairs = sys.argv[1:]
text = '#include "bpf-optional/program.h"\n\nnamespace hoptap::bpf {\n'
for pair in pairs:
    name, file = pair.split("=", 1)
    data = pathlib.Path(file).read_bytes()
    lines = "\n".join("    " + " ".join(f"{byte}," for byte in data[at:at + 32]) for at in range(0, len(data), 32))
    text += (f"\nnamespace {{\nalignas(8) constexpr std::uint8_t k{name}Data[] = {{\n{lines}\n}};\n}}  // namespace\n"
             f"const base::Bytes {name}{{k{name}Data}};\n")
pathlib.Path(out).write_text(text + "\n}  // namespace hoptap::bpf\n")
