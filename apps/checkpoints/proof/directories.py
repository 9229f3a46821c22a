"""The directory at the end of a zip, looked at strictly: torch's reader takes less than Python's does.

It is looked at before ``zipfile`` reads a directory of whatever length into memory, and so that what passes here is
what torch opens.
"""

import os
import struct
from typing import IO

from apps.checkpoints.proof.files import sparse
from apps.checkpoints.proof.outcome import Broken, Unsafe

MOST_MEMBERS = 200_000
MOST_DIRECTORY_BYTES = 64 << 20
_ENTRY = b"PK\x01\x02"
END, _LONG_END, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"


def check_directory(file: IO[bytes], size: int) -> None:
    """Look at the end records before ``zipfile`` reads a directory of whatever length into memory."""
    start = max(0, size - (1 << 16) - 128)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(END)
    if at < 0:
        raise Broken(f"its end is missing: it was cut off{sparse(os.fstat(descriptor_of(file)))}")
    if len(tail) < at + 22:
        raise Broken("its end record is cut off")
    disk, first_disk, here, entries, length, offset = struct.unpack_from("<4H2L", tail, at + 4)
    directory_end = start + at
    if (locator := tail.rfind(_LOCATOR64, 0, at)) >= 0:
        disks = struct.unpack_from("<4xL8xL", tail, locator)
        told, directory_end = _end64(file, struct.unpack_from("<8xQ", tail, locator)[0], size)
        if disks != (0, 1) or not _agree((entries, length, offset), told):
            raise Broken("its end records contradict each other")
        entries, length, offset = told
    if disk or first_disk or here not in (entries, 0xFFFF):
        raise Broken("its end record is damaged: it speaks of several disks")
    _check_amount(entries, length)
    if offset + length != directory_end:
        raise Broken("its directory does not stand where its end record says: something was put before it or taken out")
    file.seek(offset)
    _check_entries(file.read(length), entries)


def _check_entries(directory: bytes, entries: int) -> None:
    """The entries of the directory, each as long as it says, are as many as the end record says and fill it."""
    at = 0
    for _ in range(entries):
        if directory[at : at + 4] != _ENTRY or len(directory) < at + 46:
            raise Broken("its directory is damaged")
        at += 46 + sum(struct.unpack_from("<3H", directory, at + 28))
    if at != len(directory):
        raise Broken("its directory is damaged: it is longer or shorter than its entries")


def _check_amount(entries: int, length: int) -> None:
    if entries > MOST_MEMBERS or length > MOST_DIRECTORY_BYTES:
        raise Unsafe(f"it claims {entries} members in a directory of {length} bytes, more than any checkpoint has")


def _agree(short: tuple[int, ...], long: tuple[int, ...]) -> bool:
    """The fields of the short record are those of the long one, or full where they have no room."""
    return all(one in (other, 0xFFFF, 0xFFFFFFFF) for one, other in zip(short, long, strict=True))


def _end64(file: IO[bytes], at: int, size: int) -> tuple[tuple[int, int, int], int]:
    """Return entries, length and offset of the directory as the long end record has them, and where that stands."""
    if at + 56 > size:
        raise Broken("its end record lies outside of it")
    file.seek(at)
    record = file.read(56)
    if record[:4] != _LONG_END:
        raise Broken("its end record is damaged")
    _check_amount(*struct.unpack_from("<32xQQ", record))
    rest, disk, first_disk, here, entries, length, offset = struct.unpack_from("<4xQ4x2L4Q", record)
    if rest < 44 or disk or first_disk or here != entries:
        raise Broken("its end record is damaged: it speaks of several disks")
    return (entries, length, offset), at


def descriptor_of(file: IO[bytes]) -> int:
    """Return the descriptor of a file, or of the one that a window looks into."""
    inner = getattr(file, "raw", file)
    descriptor: int = getattr(inner, "_file", file).fileno()
    return descriptor
