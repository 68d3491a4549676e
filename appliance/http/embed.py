#!/usr/bin/env python3
"""usage: embed.py FILE OUT.cpp    makes a C++ source that holds the text as hoptap::appliance::kOpenApi"""
import pathlib
import sys

PIECE = 80  # bytes in a line; C++ puts neighbouring literals together


def literal(piece: bytes) -> str:
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in piece) + '"'


text = pathlib.Path(sys.argv[1]).read_bytes()
lines = "\n    ".join(literal(text[at:at + PIECE]) for at in range(0, len(text), PIECE)) or '""'
pathlib.Path(sys.argv[2]).write_text(
    '#include "appliance/http/answers.h"\n\nnamespace hoptap::appliance {\n\n'
    f"const std::string_view kOpenApi =\n    {lines};\n\n}}  // namespace hoptap::appliance\n")
