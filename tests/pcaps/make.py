#!/usr/bin/env python3
"""Makes the small captures of this folder with real stacks: sudo python3 tests/pcaps/make.py [case...]

A case is a function in <protocol>/cases.py with the line `@case(shape)`; its name is the capture's.
Name cases as protocol or protocol/case; without names all are made. Needs what tests/lab needs and openssl.
"""

import importlib.util
import pathlib
import sys

import rig

PROTOCOLS = ("http", "dns", "tls", "opaque", "virtual")


def cases(protocol: str) -> dict[str, tuple]:
    """name: (function, shape of its network)"""
    spec = importlib.util.spec_from_file_location(f"{protocol}_cases", rig.HERE / protocol / "cases.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {f"{protocol}/{name}": (made, made.shape) for name, made in vars(module).items() if hasattr(made, "shape")}


def make(name: str, function, shape: type[rig.Net]) -> None:
    target = rig.HERE / f"{name}.pcap"
    with shape.open({}) as net:
        if function.nginx:
            net.nginx()
        function(net, lambda: rig.Capture(net, target))
    target.chmod(0o644)
    print(f"{name}: {target.stat().st_size} bytes", flush=True)


def main(names: list[str]) -> int:
    known = {}
    for protocol in PROTOCOLS:
        known |= cases(protocol)
    unknown = [name for name in names if name not in known and name not in PROTOCOLS]
    if unknown:
        print("unknown: " + ", ".join(unknown) + "\nknown: " + ", ".join(known), file=sys.stderr)
        return 2
    try:
        rig.topology.check_requirements()
        for name, (function, shape) in known.items():
            if not names or name in names or str(pathlib.PurePath(name).parent) in names:
                make(name, function, shape)
    except rig.topology.CannotRun as reason:
        print(f"cannot run here: {reason}", file=sys.stderr)
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
