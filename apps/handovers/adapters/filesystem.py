"""Handover documents on a mounted filesystem."""

import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from apps.core.errors import Transient
from apps.handovers.adapters.checkouts import checkouts_of
from apps.handovers.adapters.dual_write import DualWriter
from apps.handovers.adapters.moving import move
from apps.handovers.domain.document import Finding
from apps.handovers.ports import ARCHIVE, FOLDER, INDEX, Checkout, FoundDocument, IndexFile, Listing, Write

NO_ANSWER_SECONDS = 10.0
INDEX_BYTES = 1 << 20
DEEPEST = 3


class FilesystemDocumentStore:
    """Opens regular files only, inside the workspace's checkouts only."""

    def __init__(self, *, seconds: float = NO_ANSWER_SECONDS, step: Callable[[str], None] = lambda step: None) -> None:
        """``step`` is told each step of a write, for tests that end the process there."""
        self._seconds, self._writer = seconds, DualWriter(step)

    def checkouts(self, root: Path) -> list[Checkout]:
        _answering(root, self._seconds)
        return checkouts_of(root)

    def documents(self, checkout: Path, inside: Sequence[Path]) -> Listing:
        homes = [home.resolve() for home in inside]
        folder = checkout / FOLDER
        if not _is_within(folder, homes):
            told = f"{folder} leads out of the workspace; what lies there is not read."
            return Listing(problems=(Finding("link-leads-out", told),)) if folder.is_symlink() else Listing()
        linked = [_linked_folder(folder)] if folder.is_symlink() else []
        folder = folder.resolve() if linked else folder  # or what lies there would be another document each time
        problems: list[Finding] = []
        # The archive last: a document that is moved there meanwhile is seen twice rather than not at all.
        found = [
            one
            for archived, place in ((False, folder), (True, folder / ARCHIVE))
            for path in _names(place, problems, DEEPEST if archived else 0)
            for one in [_look(path, checkout, archived, homes)]
            if one is not None
        ]
        return Listing(tuple(found), (*problems, *linked), complete=not problems)

    def read(self, path: Path, limit: int) -> bytes:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise Transient(f"{path} is no regular file any more.")
                return file.read(limit)
        except (OSError, ValueError) as error:
            raise Transient(f"{path} cannot be read: {_reason(error)}.") from error

    def index(self, checkout: Path) -> IndexFile:
        path = checkout / INDEX
        problem = None
        if path.is_symlink():
            told = f"{path} is a link; each checkout's index is its own (practice: worktrees)."
            problem = Finding("index-is-link", told)
            if not _is_within(path, [checkout.resolve()]):
                return IndexFile(path, None, problem)
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                return IndexFile(path, None, Finding("not-a-file", f"{path} is no regular file."))
            return IndexFile(path, self.read(path, INDEX_BYTES), problem)
        except FileNotFoundError:
            return IndexFile(path, None, problem)
        except (OSError, Transient) as error:
            return IndexFile(path, None, Finding("unreadable", f"{path} cannot be read: {_reason(error)}."))

    def write(self, wish: Write) -> None:
        self._writer.write(wish)

    def recover(self, root: Path) -> list[str]:
        return self._writer.recover(root)

    def relink(self, checkout: Path, before: str, after: str) -> None:
        self._writer.relink(checkouts_of(checkout)[0].path, checkout / INDEX, before, after)

    def move(self, source: Path, target: Path) -> None:
        move(source, target)


def _answering(root: Path, seconds: float) -> None:
    """Raise ``Transient`` unless ``root`` is there; a lost NFS server blocks whoever asks, so that a thread asks."""
    said: list[bool] = []
    asking = threading.Thread(target=lambda: said.append(root.is_dir()), daemon=True)
    asking.start()
    asking.join(seconds)
    if not said:
        raise Transient(f"{root} does not answer within {seconds:g} seconds.")
    if not said[0]:
        raise Transient(f"{root} is not there; is its filesystem mounted?")


def _names(folder: Path, problems: list[Finding], deep: int) -> Iterator[Path]:
    """Yield what is named like a handover in ``folder`` and ``deep`` levels below it, sorted; links are not entered."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        problems.append(Finding("unreadable", f"{folder} cannot be listed: {_reason(error)}."))
        return
    for entry in found:
        if entry.name[:3].upper() == "HO-" and entry.name.lower().endswith(".md"):
            yield folder / entry.name
        elif deep and entry.is_dir(follow_symlinks=False):
            yield from _names(folder / entry.name, problems, deep - 1)


def _look(path: Path, checkout: Path, archived: bool, homes: Sequence[Path]) -> FoundDocument | None:
    """Look at one entry without opening it; None for one that is gone again."""
    linked = path.is_symlink()
    if linked and not _is_within(path, homes):
        return _odd(path, checkout, archived, "link-leads-out", "It is a link that leads out of the workspace.")
    try:
        found = path.stat()
    except FileNotFoundError:
        return _odd(path, checkout, archived, "dangling-link", "It is a link to nothing.") if linked else None
    except OSError as error:
        return _odd(path, checkout, archived, "unreadable", f"It cannot be looked at: {_reason(error)}.")
    if not stat.S_ISREG(found.st_mode):
        told = f"It is {_sort(found.st_mode)} and no document; it is not opened."
        return _odd(path, checkout, archived, "not-a-file", told)
    stamp = f"{found.st_size}:{found.st_mtime_ns}:{found.st_ino}"
    problem = Finding("link", "It is a link to another file of the workspace.") if linked else None
    return FoundDocument(path, checkout, archived, stamp, found.st_size, _time(found.st_mtime), problem)


def _odd(path: Path, checkout: Path, archived: bool, name: str, sentence: str) -> FoundDocument:
    return FoundDocument(path, checkout, archived, problem=Finding(name, sentence))


def _sort(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _linked_folder(folder: Path) -> Finding:
    return Finding("folder-is-link", f"{folder} is a link; each checkout's folder is its own (practice: worktrees).")


def _is_within(path: Path, homes: Sequence[Path]) -> bool:
    try:
        resolved = path.resolve()
    except (RuntimeError, OSError):
        return False
    return any(resolved.is_relative_to(home) for home in homes)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
