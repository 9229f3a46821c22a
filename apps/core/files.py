"""Writing into a workspace: whole or not at all, and never outside of it."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from apps.core.errors import Permanent


def confined(root: Path, relative: str | Path) -> Path:
    """Return ``root/relative`` with links resolved; ``Permanent`` if that leaves ``root``."""
    resolved_root = root.resolve()
    try:
        path = (resolved_root / relative).resolve()
    except RuntimeError as error:
        raise Permanent(f"{relative} in {root} is a link that leads to itself.") from error
    if not path.is_relative_to(resolved_root):
        raise Permanent(f"{relative} leads out of {root}; nothing was read or written there.")
    return path


def is_inside(root: Path, path: Path, also: Iterable[Path] = ()) -> bool:
    """Tell whether ``path``, links resolved, lies below the resolved ``root`` or one of ``also``.

    A link to itself does not.
    """
    try:
        target = path.resolve()
        return any(target.is_relative_to(one) for one in (root, *(folder.resolve() for folder in also)))
    except RuntimeError:
        return False


def write_atomically(path: Path, text: str) -> bool:
    """Replace ``path`` by ``text`` through a temporary file beside it; False if it said so already.

    A reader sees the old file or the new one, never half of either. OSError passes through.
    """
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    return True


def free_bytes(path: Path) -> int | None:
    """Return how many bytes may still be written to the filesystem of ``path``; None where it does not tell."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None
