"""The paths in a checkout's CLAUDE.md follow a document that moves; other documents keep every byte, for their hash."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from apps.core.errors import SweepboardError
from apps.handovers.domain.index import with_path
from apps.handovers.ports import ARCHIVE, FOLDER, DocumentStore

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Moved:
    """``paths`` are the new ones, ``error`` is what went wrong with the last that stayed, ``links`` tell of indexes."""

    paths: tuple[str, ...]
    error: str
    links: tuple[str, ...]


def move_files(store: DocumentStore, places: Iterable[Path], *, into_archive: bool) -> Moved:
    """Move the copies of a document, and the paths to them in each checkout's index."""
    paths, links, error = [], [], ""
    for path in places:
        target = _target(path, into_archive=into_archive)
        try:
            store.move(path, target)
        except SweepboardError as problem:
            error = str(problem)
            continue
        paths.append(str(target))
        links += _followed(store, path, target)
    return Moved(tuple(paths), error, tuple(links))


def would_follow(store: DocumentStore, places: Iterable[Path], *, into_archive: bool) -> tuple[str, ...]:
    """Return a sentence for each index that would be edited if these copies were moved."""
    wishes = [_Wish.of(path, _target(path, into_archive=into_archive)) for path in places]
    return tuple(f"{one.index} would name {one.after}." for one in wishes if one.is_named(store))


def _target(path: Path, *, into_archive: bool) -> Path:
    return path.parent / ARCHIVE / path.name if into_archive else _home(path) / path.name


def _home(path: Path) -> Path:
    """The `CLAUDE/` folder above a path in the archive, however deep it lies there."""
    return next((folder for folder in path.parents if folder.name == FOLDER), path.parent.parent)


@dataclass(frozen=True, slots=True)
class _Wish:
    """``before`` and ``after`` are paths relative to the checkout."""

    checkout: Path
    before: str
    after: str

    @classmethod
    def of(cls, source: Path, target: Path) -> "_Wish":
        checkout = _home(source).parent
        return cls(checkout, source.relative_to(checkout).as_posix(), target.relative_to(checkout).as_posix())

    @property
    def index(self) -> str:
        return f"{self.checkout}/CLAUDE.md"

    def is_named(self, store: DocumentStore) -> bool:
        data = store.index(self.checkout).data
        return data is not None and with_path(data, self.before, self.after) != data


def _followed(store: DocumentStore, source: Path, target: Path) -> list[str]:
    """The move is done: whatever goes wrong here is said and stops nothing."""
    wish = _Wish.of(source, target)
    try:
        if not wish.is_named(store):
            return []
        store.relink(wish.checkout, wish.before, wish.after)
    except SweepboardError as problem:
        log.warning("handovers.relink.failed", index=wish.index, error=str(problem))
        return [str(problem)]
    return [f"{wish.index} names {wish.after} now."]
