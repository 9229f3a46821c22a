"""The files that jobs write, as Sweepboard reads them.

Reading never changes a file and never blocks on one: anything that is not a regular file is refused.
Errors are ``Transient`` (the filesystem does not answer, permission denied) from ``apps.core.errors``;
a file that is not there is None or an empty list, because logs appear late and are cleaned up early.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells one state of a file from another. ``size`` in bytes."""

    inode: int
    size: int
    modified_at: datetime


class LogStore(Protocol):
    """Where job logs are."""

    def stamp(self, path: Path) -> FileStamp | None:
        """The file's stamp; None where there is no regular file."""

    def read(self, path: Path, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes from byte ``offset`` on."""

    def find(self, root: Path, patterns: Sequence[str]) -> list[Path]:
        """The files below ``root`` that match a pattern, sorted; none outside of ``root``."""
