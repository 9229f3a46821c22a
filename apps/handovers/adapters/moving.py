"""Moving one document without ever replacing another."""

import os
from pathlib import Path

from apps.core.errors import Permanent


def move(source: Path, target: Path) -> None:
    """Move ``source`` to ``target``, making its folder; see the port."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _linked(source, target):
            _renamed(source, target)
    except OSError as error:
        raise Permanent(f"{source} cannot be moved to {target}: {error.strerror}. It is where it was.") from error


def _linked(source: Path, target: Path) -> bool:
    """Give the file its new name, then take the old one away: a target that appears meanwhile is an error, not a loss.

    False where the filesystem has no hard links.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if source.read_bytes() != target.read_bytes():
            raise Permanent(f"{target} is there already and says something else; {source} is where it was.") from None
    except PermissionError:
        return False
    except OSError:
        if not source.exists() or not target.parent.exists():
            raise
        return False
    source.unlink()
    return True


def _renamed(source: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise Permanent(f"{target} is there already; {source} is where it was.")
    source.rename(target)
