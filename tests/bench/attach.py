"""Attaches a program that a probe has loaded to another interface, at once and for as short as one likes: bpf(2), tcx (Linux 6.6)."""
import contextlib
import ctypes
import os
import platform
import socket
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_BPF = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
_PROG_LOAD, _PROG_GET_NEXT_ID, _PROG_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD, _LINK_CREATE = 5, 11, 13, 15, 28  # enum bpf_cmd
_SCHED_CLS, _TCX_INGRESS, _TCX_EGRESS = 3, 46, 47
_ATTRIBUTE_BYTES, _INFO_BYTES, _NAME_AT, _NAME_BYTES = 128, 256, 64, 16  # union bpf_attr, of what is used; bpf_prog_info


def _bpf(command: int, attribute: bytes) -> tuple[int, bytes]:
    """@return what the kernel returns, and the attribute as it left it; OSError"""
    buffer = ctypes.create_string_buffer(attribute, _ATTRIBUTE_BYTES)
    done = _LIBC.syscall(_BPF, command, buffer, _ATTRIBUTE_BYTES)
    if done < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return done, buffer.raw


def _name_of(program: int) -> str:
    info = ctypes.create_string_buffer(_INFO_BYTES)
    _bpf(_OBJ_GET_INFO_BY_FD, struct.pack("IIQ", program, _INFO_BYTES, ctypes.addressof(info)))
    return info.raw[_NAME_AT:_NAME_AT + _NAME_BYTES].split(b"\0")[0].decode()


def newest(name: str) -> int:
    """A descriptor of the program of this name that was loaded last."""
    number, found = 0, -1
    with contextlib.suppress(FileNotFoundError):  # behind the last
        while True:
            _, attribute = _bpf(_PROG_GET_NEXT_ID, struct.pack("I", number))
            number = struct.unpack_from("I", attribute, 4)[0]
            program, _ = _bpf(_PROG_GET_FD_BY_ID, struct.pack("I", number))
            if _name_of(program) != name:
                os.close(program)
                continue
            if found >= 0:
                os.close(found)
            found = program
    return found


def empty() -> int:
    """A descriptor of a program that lets every packet go on: TCX_NEXT."""
    instructions = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, -1, 0x95, 0, 0, 0), 16)
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    return _bpf(_PROG_LOAD, struct.pack("IIQQ", _SCHED_CLS, 2, ctypes.addressof(instructions), ctypes.addressof(licence)))[0]


@contextlib.contextmanager
def namespace(name: str):
    """What is opened within belongs to it."""
    with open("/proc/thread-self/ns/net", "rb") as own, open(f"/run/netns/{name}", "rb") as other:
        if _LIBC.setns(other.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {name}")
        try:
            yield
        finally:
            _LIBC.setns(own.fileno(), 0)


@contextlib.contextmanager
def attached(program: int, inside: str, interface: str):
    """What comes in and goes out there passes through the program until this is left."""
    with namespace(inside):
        index = socket.if_nametoindex(interface)
        links = [_bpf(_LINK_CREATE, struct.pack("IIII", program, index, way, 0))[0] for way in (_TCX_INGRESS, _TCX_EGRESS)]
    try:
        yield
    finally:
        for link in links:
            os.close(link)
