"""The files that jobs write, as Sweepboard reads them.

Reading never changes a file and never blocks on one: anything that is not a regular file is refused.
Errors are ``Transient`` (the filesystem does not answer, permission denied) from ``apps.core.errors``;
a file that is not there is None or an empty list, because logs appear late and are cleaned up early.
"""

from collections.abc import Collection, Sequence
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

    def check(self, folder: Path) -> bool:
        """Tell whether the folder is there; ``Transient`` when its filesystem does not answer in time."""

    def stamp(self, path: Path) -> FileStamp | None:
        """The file's stamp; None where there is no regular file."""

    def read(self, path: Path, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes from byte ``offset`` on; ``Transient`` where there is no regular file any more."""

    def inodes(self, folder: Path) -> dict[str, int]:
        """The inode of every entry of a folder, by name; empty where there is no such folder."""

    def find(
        self,
        root: Path,
        patterns: Sequence[str],
        numbers: Collection[str] | None = None,
        also: Sequence[Path] = (),
    ) -> list[Path]:
        """The files below ``root`` that match a pattern, sorted.

        One that a link leads to counts where it lies in ``root`` or in one of ``also``, and nowhere else.

        With ``numbers``, only those in whose name one of these stands as a whole number. However many patterns and
        numbers are asked for, each folder is listed once.
        """
