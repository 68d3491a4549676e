#!/usr/bin/env python3
"""Our own machine code in hoptap-probe needs no more than x86-64-v1, but for functions that are called only after the
processor was asked (ASKED_FIRST).

    baseline_test.py LIBRARY...      also objects or programs: every function of namespace hoptap is looked at

Debian's libraries are built for x86-64-v1; those that have more (OpenSSL, glibc) ask the processor themselves.
"""

import re
import shutil
import subprocess
import sys

SKIPPED = 77

# Functions built with [[gnu::target("avx")]] and reached behind __builtin_cpu_supports("avx").
ASKED_FIRST = re.compile(r"hoptap::(decode::Decoder::decode_ethernet|decode::.*[Pp]lain|flowtable::(\S*RecentFlows|FlowTable::add_cached))")

# Names of instructions that x86-64-v1 (SSE2) has not. tzcnt is not among them: gcc writes it for bsf, with a prefix that older
# processors ignore, where both give the same.
BEYOND = re.compile(
    r"v[a-z0-9]+|lddqu|h(add|sub)p[sd]|addsubp[sd]|mov(ddup|shdup|sldup)|fisttp\w*|"
    r"pshufb|ph(add|sub)\w+|pmaddubsw|pmulhrsw|psign[bwd]|palignr|pabs[bwd]|"
    r"pmul(dq|ld)|dpp[sd]|movntdqa|p?blend\w+|p(min|max)(sb|uw|ud|sd)|p(insr|extr)[bdq]|(insert|extract)ps|pmov[sz]x\w+|"
    r"mpsadbw|phminposuw|ptest|pcmpeqq|packusdw|round[ps][sd]|pcmp[ei]str[im]|crc32\w?|pcmpgtq|popcnt\w?|"
    r"aes\w+|pclmul\w+|sha(1|256)\w+|andn|bextr|bls(i|msk|r)|bzhi|pdep|pext|rorx|s[ah][rl]x|mulx|lzcnt\w?|adcx|adox|movbe|"
    r"cmpxchg16b|lahf|sahf|rdrand|rdseed|gf2p8\w+|k(mov|and|or|xor|ortest|test)\w*[bwdq]")
NO_VECTOR = {"verr", "verw", "vmcall"}


def functions_beyond(path):
    """Of namespace hoptap: name, and the instructions that are too new."""
    found, name = {}, None
    with subprocess.Popen(["objdump", "-d", "-C", "--no-show-raw-insn", path], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            head = re.match(r"[0-9a-f]+ <(.*)>:$", line)
            if head:
                name = head[1] if "hoptap::" in head[1] else None
            elif name and "\t" in line:
                word = line.split("\t", 1)[1].split(None, 1)[0]
                if BEYOND.fullmatch(word) and word not in NO_VECTOR:
                    found.setdefault(name, set()).add(word)
    return found


def main():
    if not shutil.which("objdump"):
        print("skipped: objdump is not installed")
        return SKIPPED
    allowed, wrong = set(), {}
    for path in sys.argv[1:]:
        for name, words in functions_beyond(path).items():
            if ASKED_FIRST.search(name):
                allowed.add(name)
            else:
                wrong[name] = sorted(words)
    for name, words in wrong.items():
        print(f"WRONG {name} needs {', '.join(words)}, which x86-64-v1 has not; nobody asked the processor")
    print(f"{len(sys.argv) - 1} files; beyond x86-64-v1 only behind a question to the processor: {len(allowed)} functions")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
