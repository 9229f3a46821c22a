"""Logs held in memory, for unit tests."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from apps.core.errors import Transient
from apps.joblogs.ports import FileStamp


class MemoryLogStore:
    """A dict of paths and bytes that passes the same contract suite as the filesystem."""

    def __init__(self) -> None:
        self.files: dict[Path, bytes] = {}
        self._inodes: dict[Path, int] = {}

    def write(self, path: Path, content: bytes) -> None:
        """Replace a file, as a rotation does: the new one has another inode."""
        self.files[path] = content
        self._inodes[path] = max(self._inodes.values(), default=0) + 1

    def append(self, path: Path, content: bytes) -> None:
        if path not in self.files:
            self.write(path, b"")
        self.files[path] += content

    def check(self, folder: Path) -> bool:
        return any(path.is_relative_to(folder) for path in self.files)

    def stamp(self, path: Path) -> FileStamp | None:
        if path not in self.files:
            return None
        return FileStamp(self._inodes[path], len(self.files[path]), datetime(2026, 1, 1, tzinfo=UTC))

    def read(self, path: Path, offset: int, limit: int) -> bytes:
        if path not in self.files:
            raise Transient(f"{path} cannot be read: it is not there.")
        return self.files[path][offset : offset + limit]

    def inodes(self, folder: Path) -> dict[str, int]:
        return {path.name: inode for path, inode in self._inodes.items() if path.parent == folder}

    def find(
        self,
        root: Path,
        patterns: Sequence[str],
        numbers: Collection[str] | None = None,
        also: Sequence[Path] = (),
    ) -> list[Path]:
        below = [path for path in self.files if path.is_relative_to(root)]
        return sorted(
            path
            for path in below
            if any(_matches(path.relative_to(root), pattern) for pattern in patterns)
            and (numbers is None or not set(re.findall(r"\d+", path.name)).isdisjoint(numbers))
        )


def _matches(path: Path, pattern: str) -> bool:
    """`match` alone would let a pattern begin at any folder."""
    return len(path.parts) == len(PurePosixPath(pattern).parts) and path.match(pattern)
