"""Opening what is to be proven: only regular files, read in pieces, seen whether they move meanwhile."""

import io
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO

from apps.checkpoints.proof.outcome import Broken, Unclear, Unsafe

CHUNK = 1 << 20
Stamp = tuple[int, int, int]  # size, modification time in ns, inode
SETTLES = 60.0  # seconds after its last change in which a broken file may still be on its way
LOOKS = 8
PAUSE = 0.25
_KINDS = {
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


_heard: ContextVar[Callable[[int], None] | None] = ContextVar("heard", default=None)


@contextmanager
def watched(heard: Callable[[int], None]) -> Iterator[None]:
    """Tell ``heard`` of the bytes that are read of files, until the block ends."""
    token = _heard.set(heard)
    try:
        yield
    finally:
        _heard.reset(token)


class _Watched(io.BufferedReader):
    """A file that tells somebody how much was read of it."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if (heard := _heard.get()) is not None:
            heard(len(data))
        return data


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file for reading. ``Unsafe`` for a pipe or a device, ``Unclear`` where it cannot be read.

    Never blocks: a pipe is seen before it is opened, and again after it, should it have been exchanged in between.
    """
    try:
        _check_regular(path, path.stat())
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Unclear("it is gone by now") from error
    except OSError as error:
        raise Unclear(f"it cannot be read ({error.strerror})") from error
    with _Watched(io.FileIO(descriptor, "rb")) as file:
        _check_regular(path, os.fstat(file.fileno()))
        yield file


def _check_regular(path: Path, found: os.stat_result) -> None:
    for is_kind, name in _KINDS.items():
        if is_kind(found.st_mode):
            raise Unsafe(f"it is {name}, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise Unsafe("it is no regular file")


def stamp_of(path: Path) -> Stamp:
    """Return what changes when a file is written; zeros where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_size, found.st_mtime_ns, found.st_ino)


def still_moves(path: Path, before: Stamp) -> bool:
    """Tell whether a file is being written: it changed since ``before``, or changes while we watch it.

    A file that was last written a while ago is not watched.
    """
    if stamp_of(path) != before:
        return True
    if time.time() - before[1] / 1e9 > SETTLES:
        return False
    for _ in range(LOOKS):
        time.sleep(PAUSE)
        if stamp_of(path) != before:
            return True
    return False


def emptiness(file: IO[bytes]) -> str:
    """Say so where a file is empty, or begins as one that was never filled: a reason for what else is wrong with it."""
    found = os.fstat(file.fileno())
    if found.st_size == 0:
        raise Broken("it is empty (0 bytes)")
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    if head.count(0) == len(head):
        raise Broken(f"it begins with NUL bytes only: it was never filled{sparse(found)}")
    return sparse(found)


def sparse(found: os.stat_result) -> str:
    """Say how much of a file the disk holds, where that is much less than its size; else nothing."""
    held = found.st_blocks * 512
    if found.st_size < 1 << 16 or held >= found.st_size * 0.9:
        return ""
    return f"; the disk holds {held} of its {found.st_size} bytes"


class Window(io.RawIOBase):
    """A part of a file that looks like a file of its own."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        self._file, self._start, self._length, self._at = file, start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # what io hands over
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, min(len(buffer), self._length - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
