"""What lies in a checkout, seen from outside: links, sizes, and files that no other place has. Nothing is changed."""

import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from apps.core.files import is_inside
from apps.handovers.domain.index import without_pointer
from apps.handovers.ports import INDEX
from apps.worktrees.adapters.clones import clones_of
from apps.worktrees.adapters.own_files import stamp_of
from apps.worktrees.domain.facts import Held, Place, Resource, shown
from apps.worktrees.domain.table import LOCAL, OWN, is_either, is_made_again, is_of_the_table, is_shared
from apps.worktrees.ports import Clone, Looked, Status

MOST_ENTRIES = 200_000
COMPARED_BYTES = 1 << 20


class TooLong(Exception):
    """The walk was broken off: what it would have found is unknown."""


@dataclass
class Budget:
    """How many entries, and until when (seconds of a monotonic clock), one walk may look at."""

    entries: int
    until: float

    def take(self) -> None:
        self.entries -= 1
        if self.entries < 0 or time.monotonic() > self.until:
            raise TooLong


class CheckoutFiles:
    """``seconds`` and ``entries`` bound the walk through one checkout."""

    def __init__(self, *, seconds: float = 10.0, entries: int = MOST_ENTRIES) -> None:
        self._seconds, self._entries = seconds, entries

    def names(self, checkout: Path) -> tuple[str, ...]:
        """Return the names of the practice's table that lie at a checkout's root."""
        try:
            return tuple(sorted(one.name for one in checkout.iterdir() if is_of_the_table(one.name)))
        except OSError:
            return ()

    def look(
        self, checkout: Path, main: Path, status: Status | None, tracked: Iterable[str],
        shared: Sequence[str], links_into: Sequence[Path], *, measure: bool = True,
    ) -> Looked:  # fmt: skip
        """Look at one checkout; ``shared`` are the table's names that the main checkout has.

        Without a ``status`` it is not known what git has, so that what only lies here is unknown.
        """
        held = _held(checkout, main, status, self._budget()) if status is not None else None
        newest = _newest(checkout, status.dirty if status else ())
        size = _size(checkout, self._budget()) if measure else None
        staged = {path for path in (status.dirty if status else ()) if path not in (status.untracked if status else ())}
        known = {*tracked, *(path.split("/", 1)[0] for path in staged)}
        ignored = {path.rstrip("/") for path in (status.ignored if status else ())}
        wanted = dict.fromkeys([*OWN, *LOCAL, *self.names(checkout), *(one for one in shared if _is_common(one))])
        found = (_resource(checkout, main, name, name in known, name in ignored, links_into) for name in wanted)
        return Looked(tuple(found), held, size, newest)

    def stamp(self, checkout: Path, folder: Path | None) -> str:
        own = [folder / "index", folder / "HEAD"] if folder else []
        return stamp_of([*own, checkout, *(checkout / name for name in dict.fromkeys((*OWN, *self.names(checkout))))])

    def clones(self, main: Path, beside: Iterable[Path]) -> list[Clone]:
        return clones_of(main, beside)

    def _budget(self) -> Budget:
        return Budget(self._entries, time.monotonic() + self._seconds)


def _is_common(name: str) -> bool:
    return is_shared(name) or is_either(name)


def _resource(
    checkout: Path, main: Path, name: str, tracked: bool, ignored: bool, links_into: Sequence[Path]
) -> Resource:
    path = checkout / name
    if not os.path.lexists(path):
        return Resource(name, Place.MISSING, "", tracked, ignored)
    if not path.is_symlink():
        return Resource(name, Place.LOCAL, "", tracked, ignored)
    target = str(path.readlink())
    return Resource(name, _place_of_link(path, checkout, main, name, links_into), target, tracked, ignored)


def _place_of_link(path: Path, checkout: Path, main: Path, name: str, links_into: Sequence[Path]) -> Place:
    """A link is shared where it leads to what the main checkout has, whatever way that goes."""
    try:
        target = path.resolve()
        same = target == (main / name).resolve()
    except (RuntimeError, OSError):
        return Place.LINK_ELSEWHERE
    if checkout != main and (same or is_inside(main.resolve(), target)) and not is_inside(checkout.resolve(), target):
        return Place.LINK
    if links_into and any(is_inside(folder.resolve(), target) for folder in links_into):
        return Place.LINK_ALLOWED
    return Place.LINK_ELSEWHERE


def _held(checkout: Path, main: Path, status: Status, budget: Budget) -> tuple[Held, ...] | None:
    """What git does not have and no tool makes again; copies of what the main checkout has are none."""
    found: list[Held] = []
    try:
        for relative, ignored in [
            *((one, False) for one in status.untracked),
            *((one, True) for one in status.ignored),
        ]:
            name = relative.rstrip("/")
            if is_made_again(name):
                continue
            files = [
                one for one in _files(checkout / name, budget)
                if not is_made_again(str(one.relative_to(checkout))) and not _has_copy(one, checkout, main)
                and not (one == checkout / INDEX and _is_index_only(one, main / INDEX, checkout))
            ]  # fmt: skip
            if files:
                found.append(Held(shown(relative), len(files), sum(_bytes(one) for one in files), ignored))
    except TooLong:
        return None
    return tuple(found)


def _files(path: Path, budget: Budget) -> Iterator[Path]:
    """Yield every file at or below ``path``; links hold nothing. ``TooLong`` at the budget's end.

    A stack of its own, as folders may lie deeper than Python may call itself.
    """
    waiting = [path]
    while waiting:
        one = waiting.pop()
        budget.take()
        below = _below(one)
        if below is None:
            yield one
        else:
            waiting += [one / name for name in reversed(below)]


def _below(path: Path) -> list[str] | None:
    """Return what lies in a folder, sorted; None for a file. ``TooLong`` for what may hold anything."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return []
        if not stat.S_ISDIR(mode):
            return None
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TooLong from error  # what cannot be listed may hold anything


def _has_copy(one: Path, checkout: Path, main: Path) -> bool:
    """Tell whether the main checkout has it too; a handover may have gone to the archive there."""
    relative = one.relative_to(checkout)
    places = [main / relative]
    if relative.parts[0] == "CLAUDE":
        places.append(main / "CLAUDE" / "archive" / relative.name)
    return checkout != main and any(_is_copy(one, place) and _is_elsewhere(place, checkout) for place in places)


def _is_elsewhere(place: Path, checkout: Path) -> bool:
    """Tell whether a place stays when the checkout goes: the main checkout may have no more than a link into it."""
    try:
        return not is_inside(checkout.resolve(), place)
    except (RuntimeError, OSError):
        return False


def _is_copy(one: Path, other: Path) -> bool:
    """Tell whether the main checkout has the very same file, or a small one that says the same."""
    try:
        mine, theirs = one.stat(), other.stat()
        if (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino):
            return True
        if not stat.S_ISREG(mine.st_mode) or mine.st_size != theirs.st_size or mine.st_size > COMPARED_BYTES:
            return False
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _is_index_only(one: Path, other: Path, checkout: Path) -> bool:
    """Tell whether an index says nothing beside our block that the main checkout's does not say."""
    own = _notes(one)
    return own is not None and (not own or (_is_elsewhere(other, checkout) and own == _notes(other)))


def _notes(index: Path) -> bytes | None:
    """What people wrote into an index; None for anything but a small regular file, which is not opened."""
    try:
        found = index.stat(follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) or found.st_size > COMPARED_BYTES:
            return None
        return without_pointer(index.read_bytes()).strip()
    except OSError:
        return None


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _size(checkout: Path, budget: Budget) -> int | None:
    try:
        below = [one for one in checkout.iterdir() if one.name != ".git"]
        return sum(_bytes(path) for one in below for path in _files(one, budget))
    except OSError:
        return None
    except TooLong:
        return None


def _newest(checkout: Path, dirty: Sequence[str]) -> datetime | None:
    """When the newest of these paths was written; of very many the first thousand are looked at."""
    times: list[float] = []
    for name in dirty[:1000]:
        try:
            times.append((checkout / name).lstat().st_mtime)
        except OSError:
            continue
    return datetime.fromtimestamp(max(times), tz=UTC) if times else None
