"""Where handover documents and indexes lie, and what git tells of the work: two outside systems.

Of ``DocumentStore``: ``Transient`` when the filesystem does not answer or ``root`` is not there, because nothing is
known then. Whatever is wrong with one document is a finding of that document. Nothing but regular files inside the
workspace's checkouts is ever opened, so that no FIFO or device can make a pass wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from apps.core.errors import Permanent
from apps.handovers.domain.document import Commit, Finding
from apps.handovers.domain.index import Pointer

FOLDER, ARCHIVE, INDEX = "CLAUDE", "archive", "CLAUDE.md"


class NothingWritten(Permanent):
    """A write of several files could not be finished, and not one of them was changed; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The main checkout or one worktree. ``branch`` is empty without git, or where no branch is checked out."""

    path: Path
    branch: str = ""
    is_main: bool = True


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """One `HO-….md` as listed. ``stamp`` tells size, time and inode, and is empty where the file may not be opened.

    ``problem`` is what is wrong with the file itself, None where nothing is.
    """

    path: Path
    checkout: Path
    archived: bool
    stamp: str = ""
    size: int = 0
    modified_at: datetime | None = None
    problem: Finding | None = None

    @property
    def shown(self) -> str:
        """The path as text; bytes of a name that are none are spelt out."""
        return str(self.path).encode(errors="surrogateescape").decode(errors="backslashreplace")


@dataclass(frozen=True, slots=True)
class Listing:
    """``complete`` is False where a folder could not be listed: what is not here is not known to be gone then."""

    documents: tuple[FoundDocument, ...] = ()
    problems: tuple[Finding, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A checkout's `CLAUDE.md`: ``data`` is None where there is none, or where ``problem`` says why it was not read."""

    path: Path
    data: bytes | None = None
    problem: Finding | None = None


@dataclass(frozen=True, slots=True)
class NewDocument:
    path: Path
    data: bytes


@dataclass(frozen=True, slots=True)
class IndexEdit:
    """Put ``pointer`` into our block of the index; ``document`` is the path that it names, relative to the checkout."""

    path: Path
    pointer: Pointer
    document: str


@dataclass(frozen=True, slots=True)
class Write:
    """New documents and edits of indexes that belong together: all of them happen, or none."""

    root: Path
    documents: tuple[NewDocument, ...]
    indexes: tuple[IndexEdit, ...] = ()


class DocumentStore(Protocol):
    def checkouts(self, root: Path) -> list[Checkout]:
        """The main checkout first, then its worktrees; ``root`` may be any of them."""

    def documents(self, checkout: Path, inside: Sequence[Path]) -> Listing:
        """Every `CLAUDE/HO-*.md` and those below `CLAUDE/archive/`; links are followed only into ``inside``."""

    def read(self, path: Path, limit: int) -> bytes:
        """At most ``limit`` bytes of a regular file; ``Transient`` where it cannot be read."""

    def index(self, checkout: Path) -> IndexFile:
        """The checkout's `CLAUDE.md`; one that is a link is a problem and is read all the same where it may be."""

    def write(self, wish: Write) -> None:
        """Make every document and edit every index, or ``NothingWritten``; no document is ever replaced.

        ``Transient`` where a failure could not be undone either: ``recover`` finishes it then.
        """

    def recover(self, root: Path) -> list[str]:
        """Finish what a writer that died had begun; a sentence for each."""

    def relink(self, checkout: Path, before: str, after: str) -> None:
        """Put the path ``after`` for ``before`` into the checkout's `CLAUDE.md`; all else in it stays.

        Both are relative to the checkout. ``NothingWritten`` where that cannot be: it is as it was.
        """

    def move(self, source: Path, target: Path) -> None:
        """Move one document; ``Permanent`` where another one lies at the target. The same one twice becomes one."""


@dataclass(frozen=True, slots=True)
class Work:
    """What git tells of a checkout since the last handover. ``problems`` are sentences: what could not be asked."""

    branch: str = ""
    author: str = ""
    commits: tuple[Commit, ...] = ()
    uncommitted: tuple[str, ...] = ()
    problems: tuple[str, ...] = field(default=())


class WorkSource(Protocol):
    def work(self, checkout: Path, since: datetime | None) -> Work:
        """Branch, commits since a time (the last 20 without one), and files that are not committed; bounded in time."""
