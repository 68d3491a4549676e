"""Classic pcap files (libpcap's own format), nanosecond or microsecond stamps, little endian.

Just what the lab needs: walk the records, write some, shift every stamp. Not a general reader.
"""

import pathlib
import struct
import typing

MAGIC_NS = 0xA1B23C4D
MAGIC_US = 0xA1B2C3D4
FILE_HEADER = struct.Struct("<IHHiIII")
RECORD_HEADER = struct.Struct("<IIII")
LINK_ETHERNET = 1


class Record(typing.NamedTuple):
    time_ns: int
    frame: bytes
    wire_bytes: int  # length before any cut by the snap length


def read(path: pathlib.Path) -> list[Record]:
    """All whole records, in file order. Raises ValueError when it is not such a file."""
    data = path.read_bytes()
    if len(data) < FILE_HEADER.size:
        raise ValueError(f"{path}: too short for a pcap")
    magic = FILE_HEADER.unpack_from(data)[0]
    if magic not in (MAGIC_NS, MAGIC_US):
        raise ValueError(f"{path}: not a little-endian pcap")
    unit_ns = 1 if magic == MAGIC_NS else 1000
    records, at = [], FILE_HEADER.size
    while at + RECORD_HEADER.size <= len(data):
        seconds, fraction, kept, whole = RECORD_HEADER.unpack_from(data, at)
        at += RECORD_HEADER.size
        if at + kept > len(data):
            break
        records.append(Record(seconds * 10**9 + fraction * unit_ns, data[at:at + kept], whole))
        at += kept
    return records


def write(path: pathlib.Path, records: typing.Iterable[Record]) -> None:
    """Writes Ethernet records with nanosecond stamps."""
    with open(path, "wb") as out:
        out.write(FILE_HEADER.pack(MAGIC_NS, 2, 4, 0, 0, 262144, LINK_ETHERNET))
        for record in records:
            seconds, fraction = divmod(record.time_ns, 10**9)
            out.write(RECORD_HEADER.pack(seconds, fraction, len(record.frame), record.wire_bytes))
            out.write(record.frame)


def shift(source: pathlib.Path, target: pathlib.Path, by_ns: int) -> None:
    """A copy whose every stamp is `by_ns` later: a capture from a host whose clock is ahead."""
    write(target, (record._replace(time_ns=record.time_ns + by_ns) for record in read(source)))
