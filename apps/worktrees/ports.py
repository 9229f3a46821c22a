"""What is asked of a repository. ``Transient`` where git does not answer in time, ``Permanent`` with its words where
it refuses; paths are absolute. Nothing that a repository configures is run but the filters without which its files
would be wrong, and nothing is ever asked of a terminal.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from apps.core.errors import Permanent
from apps.worktrees.domain.facts import Changes, Held, Resource
from apps.worktrees.domain.merging import History, Noted
from apps.worktrees.domain.picking import Change, Commit, Trial


class NoRepository(Permanent):
    """The folder is no checkout of git."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A checkout as git lists it. ``folder`` is where git keeps what belongs to this checkout alone.

    ``locked`` is None where nobody locked it, else the reason; ``prunable`` is empty, or why it can be forgotten.
    """

    path: Path
    head: str
    branch: str
    is_main: bool
    folder: Path | None
    locked: str | None = None
    prunable: str = ""
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Ref:
    """``upstream`` is a full name, empty without one; ``leads_to`` is that of a symbolic ref such as origin/HEAD."""

    name: str
    sha: str
    upstream: str = ""
    leads_to: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """``dirty`` are paths that are not committed, ``ignored`` paths that git ignores; folders end with a slash."""

    changes: Changes
    dirty: tuple[str, ...]
    untracked: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """What lies in a checkout. ``held`` and ``size`` are None where the walk was broken off.

    ``newest`` is when the newest file that is not committed was written.
    """

    resources: tuple[Resource, ...]
    held: tuple[Held, ...] | None
    size: int | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Clone:
    path: Path
    branch: str = ""


class GitRepository(Protocol):
    """Facts of a repository and its worktrees, and the few acts on them."""

    def entries(self, root: Path) -> list[Entry]:
        """Every checkout, the main one first; ``NoRepository`` where ``root`` is none."""

    def refs(self, root: Path) -> list[Ref]:
        """Branches and those of remotes."""

    def history(self, root: Path, tips: Sequence[str]) -> History:
        """Parents and times of everything that ``tips`` reach; what goes beyond a limit is left out."""

    def patches(self, root: Path, shas: Iterable[str], sums: Iterable[tuple[str, str]] = ()) -> Mapping[str, str]:
        """The identity of each commit's patch, and of the sums ``(from, to)`` by ``from..to``; empty for no change."""

    def adds_nothing(self, root: Path, base: str, tip: str) -> bool:
        """Whether a merge of ``tip`` into ``base`` would leave its tree as it is; writes nothing that stays."""

    def tracked(self, root: Path, wanted: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Of ``(commit, path)`` those that are there."""

    def status(self, checkout: Path) -> Status:
        """What is not committed, and what is ignored."""

    def overlooked(self, checkout: Path) -> tuple[str, ...]:
        """Files that are there and that git was told not to look at, so that ``status`` tells nothing of them."""

    def noted(self, entry: Entry) -> Noted:
        """What git's log of the branch (of the checkout, on a detached head) says."""

    def busy(self, entry: Entry) -> str:
        """What git is in the middle of there, such as a rebase; empty for nothing."""

    def argv(self, root: Path, arguments: Sequence[str]) -> list[str]:
        """The exact arguments that ``act`` runs."""

    def act(self, root: Path, arguments: Sequence[str]) -> str:
        """Run one act; what git said."""

    def stamp(self, root: Path) -> str:
        """A text that changes when a branch, a head or a worktree's record does; no process is started for it."""

    def lock(self, root: Path) -> AbstractContextManager[None]:
        """Hold the repository against another act of ours; ``Transient`` where it stays taken."""

    def commit_of(self, root: Path, name: str) -> str:
        """The commit that a name means; ``Permanent`` where it means none."""

    def may_be_branch(self, root: Path, name: str) -> bool:
        """Whether git takes this for a branch's name, as it stands, and people can read it."""


class CheckoutFiles(Protocol):
    """What lies in checkouts. Nothing is changed, links are not followed, and every walk is bounded."""

    def names(self, checkout: Path) -> tuple[str, ...]:
        """The names of the practice's table that lie at a checkout's root."""

    def look(
        self, checkout: Path, main: Path, status: Status | None, tracked: Iterable[str],
        shared: Sequence[str], links_into: Sequence[Path], *, measure: bool = True,
    ) -> Looked:  # fmt: skip
        """Resources, what only lies there, size; ``shared`` are the table's names that the main checkout has."""

    def stamp(self, checkout: Path, folder: Path | None) -> str:
        """A text that changes when the checkout's index, head or one of the table's names does."""

    def clones(self, main: Path, beside: Iterable[Path]) -> list[Clone]:
        """Clones of the repository at ``main``, in the folders in which ``beside`` lie."""


class PickSource(Protocol):
    """What the planner of cherry-picks asks."""

    def commit_of(self, root: Path, name: str) -> str: ...

    def commits(self, root: Path, source: str, target: str) -> list[Commit]:
        """What ``source`` has and ``target`` does not, in an order in which parents come first."""

    def changes(self, root: Path, shas: Sequence[str]) -> Mapping[str, tuple[Change, ...]]:
        """What each commit does to each file; renames are found."""

    def patches(self, root: Path, shas: Iterable[str], sums: Iterable[tuple[str, str]] = ()) -> Mapping[str, str]: ...

    def own_changes_of_merge(self, root: Path, sha: str) -> tuple[str, ...]:
        """Files that a merge changed beyond both its sides."""

    def origins(self, root: Path, sha: str, path: str, ranges: Sequence[tuple[int, int]], since: str) -> set[str]:
        """Which commits after ``since`` wrote these lines (from, to; counted from 1) of the file before ``sha``."""

    def try_picks(self, root: Path, target: str, shas: Sequence[str]) -> Mapping[str, Trial]:
        """Pick the commits one after the other in a scratch worktree, which is gone afterwards."""
