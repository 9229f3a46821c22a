"""Git's own files: looked at without a process, to know that nothing happened; and a lock among them."""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.core.errors import Transient

LOCK_SECONDS = 20.0
_OF_A_CHECKOUT = ("HEAD", "gitdir", "locked", "logs/HEAD")


def stamp_of(paths: Iterable[Path]) -> str:
    """Return a digest of size, time and inode of each path, links themselves; what is missing counts too."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path}|{_stamp(path)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _stamp(path: Path) -> str:
    try:
        found = path.lstat()
    except OSError:
        return "-"
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ino}"


def stamp_of_repository(common: Path) -> str:
    """Return a text that changes with any branch, head, or record of a worktree, and with where one lies."""
    records = sorted(_listed(common / "worktrees"))
    own = [common / "worktrees" / name / part for name in records for part in _OF_A_CHECKOUT]
    fixed = [common / name for name in ("HEAD", "packed-refs", "config", "logs/HEAD")]
    return stamp_of([*fixed, *own, *_below(common / "refs" / "heads"), *_below(common / "refs" / "remotes"),
                     *_below(common / "logs" / "refs" / "heads")])  # fmt: skip


def _listed(folder: Path) -> list[str]:
    try:
        return [one.name for one in folder.iterdir()]
    except OSError:
        return []


def _below(folder: Path) -> Iterator[Path]:
    for name in sorted(_listed(folder)):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
        else:
            yield path


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold a lock file; it dies with its holder. ``Transient`` where it stays taken or cannot be made."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o664)
    except OSError as error:
        raise Transient(f"{lock.parent} cannot be written to: {error.strerror}.") from error
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise Transient("Another act on this repository's worktrees is under way; try again.") from error
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)
