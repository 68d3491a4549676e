"""Attaches a program that a probe has loaded to another interface, at once and for as short as one likes: bpf(2), tcx (Linux 6.6)."""
import contextlib
import ctypes
import os
import platform
import socket
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_BPF = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
_PROG_LOAD, _PROG_GET_FD_BY_ID, _PROG_QUERY, _LINK_CREATE = 5, 13, 16, 28  # enum bpf_cmd
_SCHED_CLS, _TCX_INGRESS, _TCX_EGRESS = 3, 46, 47
_ATTRIBUTE_BYTES = 128  # union bpf_attr, of what is used


def _bpf(command: int, attribute: bytes) -> int:
    """@return what the kernel returns; OSError"""
    buffer = ctypes.create_string_buffer(attribute, _ATTRIBUTE_BYTES)
    done = _LIBC.syscall(_BPF, command, buffer, _ATTRIBUTE_BYTES)
    if done < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return done


def empty() -> int:
    """A descriptor of a program that lets every packet go on: TCX_NEXT."""
    instructions = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, -1, 0x95, 0, 0, 0), 16)
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    return _bpf(_PROG_LOAD, struct.pack("IIQQ", _SCHED_CLS, 2, ctypes.addressof(instructions), ctypes.addressof(licence)))


@contextlib.contextmanager
def namespace(name: str):
    """What is opened within belongs to it."""
    with open("/proc/thread-self/ns/net", "rb") as own, open(f"/run/netns/{name}", "rb") as other:
        if _LIBC.setns(other.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {name}")
        try:
            yield
        finally:
            if _LIBC.setns(own.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), "cannot go back to the namespace of before")


def program_at(inside: str, interface: str) -> int:
    """A descriptor of the one program that gets what comes in there."""
    numbers = ctypes.create_string_buffer(4)
    with namespace(inside):
        query = struct.pack("IIIIQI", socket.if_nametoindex(interface), _TCX_INGRESS, 0, 0, ctypes.addressof(numbers), 1)
        _bpf(_PROG_QUERY, query)
    return _bpf(_PROG_GET_FD_BY_ID, numbers.raw)


@contextlib.contextmanager
def attached(program: int, inside: str, interface: str):
    """What comes in and goes out there passes through the program until this is left."""
    with contextlib.ExitStack() as links:
        with namespace(inside):
            index = socket.if_nametoindex(interface)
            for way in (_TCX_INGRESS, _TCX_EGRESS):
                links.callback(os.close, _bpf(_LINK_CREATE, struct.pack("IIII", program, index, way, 0)))
        yield
