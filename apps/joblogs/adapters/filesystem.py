"""Logs on a mounted filesystem."""

import fnmatch
import os
import re
import stat
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import ClassVar

from apps.core.errors import Transient
from apps.core.files import is_inside
from apps.joblogs.ports import FileStamp

NO_ANSWER_SECONDS = 10.0
_MAGIC = re.compile(r"[*?\[]")
_NUMBER = re.compile(r"\d+")


class FilesystemLogStore:
    """Reads regular files only: opening a FIFO would wait for ever."""

    _waiting: ClassVar[dict[Path, threading.Thread]] = {}

    def __init__(self, *, seconds: float = NO_ANSWER_SECONDS, look: Callable[[Path], bool] = Path.is_dir) -> None:
        self._seconds, self._look = seconds, look

    def check(self, folder: Path) -> bool:
        """A lost NFS server blocks whoever asks and cannot be interrupted, so that a thread asks."""
        before = self._waiting.get(folder)
        if before is not None and before.is_alive():
            raise Transient(f"{folder} has not answered since an earlier pass.")
        said: list[bool] = []
        asking = threading.Thread(target=lambda: said.append(self._is_there(folder)), daemon=True)
        asking.start()
        asking.join(self._seconds)
        if not said:
            self._waiting[folder] = asking
            raise Transient(f"{folder} does not answer within {self._seconds:g} seconds.")
        self._waiting.pop(folder, None)
        return said[0]

    def _is_there(self, folder: Path) -> bool:
        try:
            return self._look(folder)
        except OSError:
            return False

    def stamp(self, path: Path) -> FileStamp | None:
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise Transient(f"{path} cannot be looked at: {_reason(error)}.") from error
        if not stat.S_ISREG(found.st_mode):
            return None
        return FileStamp(found.st_ino, found.st_size, datetime.fromtimestamp(found.st_mtime, tz=UTC))

    def read(self, path: Path, offset: int, limit: int) -> bytes:
        try:
            # Not waiting for a writer, should a FIFO have taken the file's place a moment ago.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise Transient(f"{path} is no regular file any more.")
                return os.pread(descriptor, limit, offset)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Transient(f"{path} cannot be read: {_reason(error)}.") from error

    def inodes(self, folder: Path) -> dict[str, int]:
        try:
            with os.scandir(folder) as entries:
                return {entry.name: entry.inode() for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise Transient(f"{folder} cannot be listed: {_reason(error)}.") from error

    def find(
        self,
        root: Path,
        patterns: Sequence[str],
        numbers: Collection[str] | None = None,
        also: Sequence[Path] = (),
    ) -> list[Path]:
        try:
            base = root.resolve(strict=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Transient(f"{root} cannot be listed: {_reason(error)}.") from error
        names: dict[Path, list[str]] = defaultdict(list)
        for pattern in patterns:
            folder, name = os.path.split(pattern)
            for found in self._folders(base, folder):
                names[found].append(name)
        found_paths = {path for folder, wanted in names.items() for path in self._matching(folder, wanted, numbers)}
        return sorted(path for path in found_paths if is_inside(base, path, also))

    def _folders(self, base: Path, pattern: str) -> list[Path]:
        if not _MAGIC.search(pattern):
            return [base / PurePosixPath(pattern)]
        try:
            return [path for path in base.glob(pattern) if path.is_dir()]
        except OSError as error:
            raise Transient(f"{base} cannot be listed: {_reason(error)}.") from error

    def _matching(self, folder: Path, patterns: list[str], numbers: Collection[str] | None) -> list[Path]:
        matches = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match
        return [
            folder / name
            for name in self.inodes(folder)
            if matches(name) and (numbers is None or not set(_NUMBER.findall(name)).isdisjoint(numbers))
        ]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
