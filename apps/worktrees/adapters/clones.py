"""Clones beside a checkout where a worktree would do, told by the addresses in git's own files. No process."""

import re
from collections.abc import Iterable
from pathlib import Path

from apps.handovers.adapters.checkouts import small_text
from apps.worktrees.ports import Clone

MOST = 300
_URL = re.compile(r"^\s*url\s*=\s*\"?([^\"\n]+?)\"?\s*$", re.MULTILINE)


def clones_of(main: Path, beside: Iterable[Path]) -> list[Clone]:
    """Return the clones of ``main``'s repository in the folders in which ``beside`` and it lie.

    A clone has the same remote, or ``main`` itself as its remote. Of a very full folder the first are looked at.
    """
    own = {_plain(url, main) for url in _urls(main)} | {str(main.resolve())}
    folders = dict.fromkeys([main.parent, *(path.parent for path in beside)])
    found: dict[Path, Clone] = {}
    for folder in folders:
        for path in _checkouts(folder):
            if path.resolve() != main.resolve() and {_plain(url, path) for url in _urls(path)} & own:
                head = small_text(path / ".git" / "HEAD")
                found[path] = Clone(path, head.removeprefix("ref: refs/heads/") if head.startswith("ref: ") else "")
    return list(found.values())


def _checkouts(folder: Path) -> list[Path]:
    """Folders with a `.git` of their own; a worktree's `.git` is a file."""
    try:
        names = sorted(path for path in folder.iterdir() if not path.is_symlink())[:MOST]
    except OSError:
        return []
    return [path for path in names if (path / ".git").is_dir()]


def _urls(checkout: Path) -> list[str]:
    return _URL.findall(small_text(checkout / ".git" / "config"))


def _plain(url: str, at: Path) -> str:
    """Return an address without what makes no difference: a `.git` at its end, a user, the way it is asked."""
    told = url.strip().removeprefix("file://").rstrip("/").removesuffix("/.git").removesuffix(".git").rstrip("/")
    if told.startswith((".", "/")):
        return str((at / told).resolve())
    told = re.sub(r"^[a-z+]+://", "", told)
    return re.sub(r"^[^@/]+@", "", told).replace(":", "/", 1)
