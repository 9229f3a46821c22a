"""Logs on a mounted filesystem."""

import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from apps.core.errors import Transient
from apps.core.files import is_inside
from apps.joblogs.ports import FileStamp


class FilesystemLogStore:
    """Reads regular files only: opening a FIFO would wait for ever."""

    def stamp(self, path: Path) -> FileStamp | None:
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Transient(f"{path} cannot be looked at: {error.strerror}.") from error
        if not stat.S_ISREG(found.st_mode):
            return None
        return FileStamp(found.st_ino, found.st_size, datetime.fromtimestamp(found.st_mtime, tz=UTC))

    def read(self, path: Path, offset: int, limit: int) -> bytes:
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(limit)
        except OSError as error:
            raise Transient(f"{path} cannot be read: {error.strerror}.") from error

    def find(self, root: Path, patterns: Sequence[str]) -> list[Path]:
        try:
            base = root.resolve(strict=True)
            found = {path for pattern in patterns for path in base.glob(pattern)}
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Transient(f"{root} cannot be listed: {error.strerror}.") from error
        return sorted(path for path in found if is_inside(base, path))
