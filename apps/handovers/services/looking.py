"""One look at a workspace through its port: checkouts, documents and indexes, nothing opened but indexes."""

from dataclasses import dataclass, field
from pathlib import Path

from apps.handovers.domain.document import Finding
from apps.handovers.domain.index import Pointer, mentioned_in, pointer_in
from apps.handovers.ports import Checkout, DocumentStore, FoundDocument, IndexFile


@dataclass(frozen=True, slots=True)
class SeenIndex:
    checkout: Checkout
    file: IndexFile
    pointer: Pointer | None

    @property
    def key(self) -> str:
        return self.pointer.key if self.pointer else ""

    @property
    def mentions(self) -> dict[str, int]:
        """The keys that it names without calling one current."""
        return mentioned_in(self.file.data) if self.file.data and self.pointer is None else {}


@dataclass
class Seen:
    """What lies in a workspace now. ``documents`` is by shown path; ``incomplete`` are checkouts not listed whole."""

    checkouts: list[Checkout]
    documents: dict[str, FoundDocument] = field(default_factory=dict)
    indexes: list[SeenIndex] = field(default_factory=list)
    incomplete: set[str] = field(default_factory=set)
    problems: dict[str, Finding] = field(default_factory=dict)  # of a checkout's folder, by its path

    @property
    def main(self) -> Checkout:
        return self.checkouts[0]

    @property
    def current_keys(self) -> set[str]:
        return {one.key for one in self.indexes if one.key}

    def checkout(self, path: Path) -> Checkout | None:
        return next((one for one in self.checkouts if one.path == path), None)


def look(store: DocumentStore, root: Path) -> Seen:
    """Return what lies in the checkouts of ``root``; ``Transient`` where that cannot be told."""
    seen = Seen(store.checkouts(root))
    homes = [checkout.path for checkout in seen.checkouts]
    for checkout in seen.checkouts:
        listing = store.documents(checkout.path, homes)
        for one in listing.documents:
            seen.documents.setdefault(one.shown, one)
        if listing.problems:
            seen.problems[str(checkout.path)] = listing.problems[0]
        if not listing.complete:
            seen.incomplete.add(str(checkout.path))
        file = store.index(checkout.path)
        seen.indexes.append(SeenIndex(checkout, file, pointer_in(file.data) if file.data else None))
    return seen
