"""Finding the main checkout and its worktrees in git's own files: no process, and nothing that a repository can run."""

import os
import stat
from pathlib import Path

from apps.handovers.ports import Checkout

_LIMIT = 4096


def checkouts_of(root: Path) -> list[Checkout]:
    """Return the main checkout and every worktree that still points back to it; just ``root`` where git is not."""
    common = _common_folder(root)
    if common is None:
        return [Checkout(root)]
    main = common.parent if common.name == ".git" else root
    found = [Checkout(main, _branch(common / "HEAD"))]
    for entry in _entries(common / "worktrees"):
        folder = _worktree(entry)
        if folder is not None and folder != main:
            found.append(Checkout(folder, _branch(entry / "HEAD"), is_main=False))
    return found


def small_text(path: Path) -> str:
    """Return the beginning of a small regular file; empty for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.read(descriptor, _LIMIT).decode("utf-8", "surrogateescape").strip()
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _common_folder(root: Path) -> Path | None:
    """The folder that all worktrees share: `.git` itself, or what a worktree's `.git` file leads to."""
    own = root / ".git"
    if own.is_dir():
        return own
    told = small_text(own)
    if not told.startswith("gitdir:"):
        return None
    folder = root / told.removeprefix("gitdir:").strip()
    common = small_text(folder / "commondir")
    return (folder / common).resolve() if common else None


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def _worktree(entry: Path) -> Path | None:
    """The checkout that an entry of `.git/worktrees` stands for; None for one that was deleted or moved away."""
    told = small_text(entry / "gitdir")
    if not told:
        return None
    link = entry / told
    back = small_text(link).removeprefix("gitdir:").strip()
    if not back or (link.parent / back).resolve() != entry.resolve():
        return None
    return link.parent


def _branch(head: Path) -> str:
    told = small_text(head)
    return told.removeprefix("ref: refs/heads/") if told.startswith("ref: refs/heads/") else ""
