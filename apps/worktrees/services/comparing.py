"""Comparing branches with their base by what their commits do: all patches that are needed are one question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from apps.core.errors import SweepboardError
from apps.worktrees.domain.bases import Base
from apps.worktrees.domain.merging import Evidence, History
from apps.worktrees.ports import GitRepository

log = structlog.get_logger(__name__)
MOST_COMPARED = 5000  # commits of a branch and its base whose patches are compared; beyond that they tell nothing


@dataclass
class _Wanted:
    """The patches that are needed: of single commits, of sums (from, to), and where each tip left each base."""

    shas: dict[str, None] = field(default_factory=dict)
    sums: dict[tuple[str, str], None] = field(default_factory=dict)
    forks: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, tip: str, base: str, history: History) -> None:
        reach = history.reach(base)
        if tip in reach or tip not in history.parents:
            return
        own = history.between(tip, reach)
        fork = history.fork(own, reach)
        theirs = history.between(base, history.reach(fork)) if fork else []
        if not fork or len(own) + len(theirs) > MOST_COMPARED:
            return
        self.shas |= dict.fromkeys(sha for sha in (*own, *theirs) if not history.is_merge(sha))
        self.forks[(base, tip)] = fork
        if len(own) > 1:  # the sum of one commit is its patch
            self.sums[(fork, tip)] = None


def evidence_for(
    root: Path, tips: Sequence[str], bases: Sequence[Base], history: History, git: GitRepository
) -> Evidence:
    """Return what the domain decides by; what could not be asked or is too much is unknown."""
    wanted = _Wanted()
    for base in bases:
        for tip in dict.fromkeys(tips):
            wanted.add(tip, base.sha, history)
    patches = _patches(root, wanted, git)

    def whole(fork: str, tip: str) -> str | None:
        return patches.get(f"{fork}..{tip}") if (fork, tip) in wanted.sums else patches.get(tip)

    def adds_nothing(base: str, tip: str) -> bool | None:
        if wanted.forks.get((base, tip)) == base:
            return whole(base, tip) == ""  # the base went no further, so that a merge is the branch
        try:
            return git.adds_nothing(root, base, tip)
        except SweepboardError as error:
            log.warning("worktrees.merge.unknown", root=str(root), error=str(error))
            return None

    return Evidence(patches.get, whole, adds_nothing)


def _patches(root: Path, wanted: _Wanted, git: GitRepository) -> Mapping[str, str]:
    try:
        return git.patches(root, wanted.shas, wanted.sums) if wanted.shas else {}
    except SweepboardError as error:
        log.warning("worktrees.patches.unknown", root=str(root), error=str(error))
        return {}
