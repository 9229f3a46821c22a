"""Handover documents held in memory, for unit tests; they pass the same contract suite as the filesystem."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apps.core.errors import Permanent, Transient
from apps.handovers.domain.index import with_path, with_pointer
from apps.handovers.ports import (
    ARCHIVE,
    FOLDER,
    INDEX,
    Checkout,
    FoundDocument,
    IndexFile,
    Listing,
    NothingWritten,
    Write,
)

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryDocumentStore:
    """``homes`` are the checkouts, the main one first; ``reads`` lists what was opened; ``full`` refuses writes."""

    def __init__(self, *homes: Checkout) -> None:
        self.homes = list(homes)
        self.files: dict[Path, bytes] = {}
        self.reads: list[Path] = []
        self.full = False
        self._stamps: dict[Path, int] = {}

    def put(self, path: Path, data: bytes) -> None:
        """Make or replace a file; it has another stamp than before."""
        self.files[path] = data
        self._stamps[path] = max(self._stamps.values(), default=0) + 1

    def checkouts(self, root: Path) -> list[Checkout]:
        if not any(home.path == root for home in self.homes):
            raise Transient(f"{root} is not there; is its filesystem mounted?")
        return list(self.homes)

    def documents(self, checkout: Path, inside: Sequence[Path]) -> Listing:
        folder = checkout / FOLDER
        found = [
            FoundDocument(path, checkout, path.parent != folder, self._stamp(path), len(data), self._time(path))
            for path, data in sorted(self.files.items())
            if path.name.startswith("HO-") and path.name.endswith(".md") and self._is_place(path, folder)
        ]
        return Listing(tuple(sorted(found, key=lambda one: (one.archived, one.path))))

    def _is_place(self, path: Path, folder: Path) -> bool:
        return path.parent == folder or path.is_relative_to(folder / ARCHIVE)

    def _stamp(self, path: Path) -> str:
        return f"{len(self.files[path])}:{self._stamps[path]}:0"

    def _time(self, path: Path) -> datetime:
        return _BEGIN + timedelta(seconds=self._stamps[path])

    def read(self, path: Path, limit: int) -> bytes:
        if path not in self.files:
            raise Transient(f"{path} cannot be read: it is not there.")
        self.reads.append(path)
        return self.files[path][:limit]

    def index(self, checkout: Path) -> IndexFile:
        path = checkout / INDEX
        return IndexFile(path, self.files.get(path))

    def write(self, wish: Write) -> None:
        there = next((one.path for one in wish.documents if one.path in self.files), None)
        if there is not None:
            raise NothingWritten(f"{there} is there already. Nothing was written.")
        if self.full:
            raise NothingWritten("No space left on device. Nothing was written, in no place.")
        for document in wish.documents:
            self.put(document.path, document.data)
        for edit in wish.indexes:
            self.put(edit.path, with_pointer(self.files.get(edit.path, b""), edit.pointer, edit.document))

    def relink(self, checkout: Path, before: str, after: str) -> None:
        path = checkout / INDEX
        if self.full or path not in self.files:
            raise NothingWritten(f"{path} could not be written and still names {before}.")
        self.put(path, with_path(self.files[path], before, after))

    def recover(self, root: Path) -> list[str]:
        return []

    def move(self, source: Path, target: Path) -> None:
        if self.files.get(target, self.files.get(source)) != self.files.get(source):
            raise Permanent(f"{target} is there already and says something else; {source} is where it was.")
        if source not in self.files:
            raise Permanent(f"{source} cannot be moved to {target}: it is not there.")
        self.put(target, self.files.pop(source))
