"""Checkpoints on a mounted filesystem."""

import os
import stat
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from apps.checkpoints.domain import epoch_in_name, step_in_name
from apps.checkpoints.ports import ConfigFile, FoundCheckpoint
from apps.core.errors import Transient
from apps.core.files import is_inside


class FilesystemCheckpointStore:
    """Lists files and folders; opens configs only, never a checkpoint."""

    def find(self, root: Path, patterns: Sequence[str], also: Sequence[Path] = ()) -> list[FoundCheckpoint]:
        try:
            base = root.resolve(strict=True)
            _check_readable(base, patterns)
            paths = {path for pattern in patterns for path in base.glob(pattern)}
            inside = sorted(path for path in paths if is_inside(base, path, also))
            return [found for path in inside if (found := _look(path)) is not None]
        except FileNotFoundError as error:
            raise Transient(f"{root} is not there; is its filesystem mounted?") from error
        except OSError as error:
            raise Transient(f"{root} cannot be listed: {error.strerror}.") from error

    def find_config(self, root: Path, patterns: Sequence[str], also: Sequence[Path] = ()) -> ConfigFile | None:
        try:
            base = root.resolve(strict=True)
            for pattern in patterns:
                for path in sorted(base.glob(pattern)):
                    found = path.stat()
                    if stat.S_ISREG(found.st_mode) and is_inside(base, path, also):
                        return ConfigFile(path, found.st_size, datetime.fromtimestamp(found.st_mtime, tz=UTC))
        except FileNotFoundError as error:
            raise Transient(f"{root} is not there; is its filesystem mounted?") from error
        except OSError as error:
            raise Transient(f"{root} cannot be listed: {error.strerror}.") from error
        return None

    def read_text(self, path: Path, limit: int) -> str:
        try:
            with path.open("rb") as file:
                return file.read(limit).decode("utf-8", errors="replace")
        except OSError as error:
            raise Transient(f"{path} cannot be read: {error.strerror}.") from error


def _check_readable(base: Path, patterns: Sequence[str]) -> None:
    """Raise OSError where a pattern's first folder cannot be listed: globbing would silently find nothing there."""
    for name in {Path(pattern).parts[0] for pattern in patterns if Path(pattern).parts}:
        if (base / name).is_dir():
            os.scandir(base / name).close()


def _look(path: Path) -> FoundCheckpoint | None:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            entries = [entry.stat() for entry in os.scandir(path) if entry.is_file()]
        elif stat.S_ISREG(found.st_mode) and not path.name.startswith("."):
            entries = [found]
        else:
            return None
    except FileNotFoundError:
        return None  # training rotates its checkpoints while we look
    kind = "folder" if stat.S_ISDIR(found.st_mode) else path.suffix.lstrip(".")
    return FoundCheckpoint(
        path=path,
        kind=kind[:20],
        step=step_in_name(path.name),
        epoch=epoch_in_name(path.name),
        bytes=sum(entry.st_size for entry in entries),
        modified_at=_newest_time(entries or [found]),
    )


def _newest_time(entries: Iterable[os.stat_result]) -> datetime:
    return datetime.fromtimestamp(max(entry.st_mtime for entry in entries), tz=UTC)
