"""Looking at a repository: the facts of every worktree, with few questions to git however many there are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from apps.core.errors import SweepboardError
from apps.handovers.domain.index import pointer_in
from apps.handovers.ports import DocumentStore, IndexFile
from apps.worktrees.domain.bases import Base, Branches, best_of, unpushed_of
from apps.worktrees.domain.facts import Facts, How, Merge, shown
from apps.worktrees.domain.merging import Evidence, History, Noted, judge
from apps.worktrees.domain.picking import is_scratch
from apps.worktrees.ports import CheckoutFiles, Entry, GitRepository, Status
from apps.worktrees.services.comparing import evidence_for

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Tools:
    """What is looked with."""

    git: GitRepository
    files: CheckoutFiles
    store: DocumentStore


@dataclass(frozen=True, slots=True)
class Told:
    """How a branch stands to its base, and the names by which that is known to hold still."""

    merge: Merge
    unpushed: int | None
    unpushed_why: str
    committed_at: datetime | None


@dataclass(frozen=True)
class Repository:
    """The checkouts that git lists and how each branch stands; ``main`` is the folder of the main checkout."""

    entries: tuple[Entry, ...]
    main: Path
    standing: Mapping[str, Told]
    tracked: frozenset[tuple[str, str]]
    shared: tuple[str, ...]
    prunable: tuple[str, ...] = ()


def look_at(root: Path, tools: Tools, *, base: str = "", links_into: Sequence[Path] = ()) -> list[Facts]:
    """Return the facts of the main checkout and of every worktree of the repository at ``root``.

    ``NoRepository`` where there is none. What one worktree does not tell is None there, with a sentence.
    """
    repository = look_at_branches(root, tools, base=base)
    return [look_at_checkout(entry, repository, tools, links_into=links_into) for entry in repository.entries]


def look_at_branches(root: Path, tools: Tools, *, base: str = "", only: Iterable[Path] | None = None) -> Repository:
    """Return how every branch stands; of ``only`` these checkouts where they are named."""
    every = [one for one in tools.git.entries(root) if not one.bare and not is_scratch(one.path)]
    if not every:
        return Repository((), root, {}, frozenset(), ())
    wanted = None if only is None else set(only)
    entries = [one for one in every if wanted is None or one.path in wanted]
    refs = tools.git.refs(root)
    branches = Branches(
        {one.name: one.sha for one in refs},
        {one.name: one.upstream for one in refs if one.upstream},
        {one.name: one.leads_to for one in refs if one.leads_to},
    )
    bases = branches.bases(base, every[0].branch if every[0].is_main else "")
    main = every[0].path
    shared = tools.files.names(main)
    heads = [one.head for one in entries if not one.prunable]
    tracked = tools.git.tracked(
        root, ((head, name) for head in dict.fromkeys(heads) for name in _names(entries, tools, shared))
    )
    standing = _standing(root, entries, branches, bases, tools)
    prunable = tuple(str(one.path) for one in every if one.prunable)
    return Repository(tuple(entries), main, standing, frozenset(tracked), shared, prunable)


def _names(entries: Sequence[Entry], tools: Tools, shared: Sequence[str]) -> list[str]:
    here = (name for entry in entries if not entry.prunable for name in tools.files.names(entry.path))
    return list(dict.fromkeys([*shared, *here]))


def _standing(
    root: Path, entries: Sequence[Entry], branches: Branches, bases: Sequence[Base], tools: Tools
) -> dict[str, Told]:
    """Judge every branch against the bases; the history and all patches are one question each."""
    tips = [one.head for one in entries if one.head and set(one.head) != {"0"}]
    remotes = branches.remote_shas
    history = tools.git.history(root, [*tips, *(one.sha for one in bases), *remotes])
    evidence = evidence_for(root, tips, bases, history, tools.git)
    on_remotes = history.reach_of_all(remotes)
    found: dict[str, Told] = {}
    for entry in entries:
        noted = tools.git.noted(entry)
        chosen, merge = best_of((one, _judged(entry, one, history, noted, evidence)) for one in bases)
        count, why = unpushed_of(entry.head, merge, chosen, bases, on_remotes, history)
        at = history.times.get(entry.head)
        found[str(entry.path)] = Told(merge, count, why, datetime.fromtimestamp(at, tz=UTC) if at else None)
    return found


def _judged(entry: Entry, base: Base, history: History, noted: Noted, evidence: Evidence) -> Merge:
    """The base itself is merged into nothing, and neither is the branch that its remote's base follows."""
    if entry.branch and entry.branch == base.name.partition("/")[2 if base.is_remote else 0]:
        return Merge(How.BASE, base.name, "It is the branch that others are merged into.")
    return judge(entry.head, base.sha, base.name, history, noted, evidence)


def look_at_checkout(
    entry: Entry, repository: Repository, tools: Tools, *, links_into: Sequence[Path] = (), measure: bool = True
) -> Facts:
    """Return the facts of one checkout: how its branch stands, and what lies there now."""
    told = repository.standing[str(entry.path)]
    facts = Facts(
        path=str(entry.path), kind="main" if entry.is_main else "worktree", branch=entry.branch, head=entry.head,
        active_at=told.committed_at, unpushed=told.unpushed, unpushed_why=told.unpushed_why, merge=told.merge,
        locked=entry.locked, prunable=entry.prunable, busy=tools.git.busy(entry),
    )  # fmt: skip
    if entry.prunable or not entry.path.is_dir():
        return replace(facts, prunable=entry.prunable or "the folder is not there")
    try:
        status: Status | None = tools.git.status(entry.path)
        problems: tuple[str, ...] = ()
    except SweepboardError as error:
        log.warning("worktrees.status.unknown", path=facts.path, error=str(error))
        status, problems = None, (str(error),)
    tracked = [name for sha, name in repository.tracked if sha == entry.head]
    seen = tools.files.look(
        entry.path, repository.main, status, tracked, repository.shared, links_into, measure=measure
    )
    index = tools.store.index(entry.path)
    pointer = pointer_in(index.data) if index.data else None
    dirty = _work(status, entry.path) if status else None
    return replace(
        facts,
        active_at=max((one for one in (facts.active_at, seen.newest) if one), default=None),
        changes=replace(status.changes, untracked=len(dirty[1])) if status and dirty else None,
        dirty_paths=tuple(map(shown, (dirty[0] + dirty[1])[:50])) if dirty else (),
        links=_links(status, entry.path) if status else (),
        size=seen.size, held=seen.held, resources=seen.resources,
        has_index=index.data is not None if index.problem is None else index.path.exists(),
        key=pointer.key if pointer else "", focus=pointer.focus if pointer else "",
        problems=(*problems, *_unread(index)),
    )  # fmt: skip


def _unread(index: IndexFile) -> tuple[str, ...]:
    return (index.problem.sentence,) if index.problem and index.problem.id == "unreadable" else ()


def _work(status: Status, checkout: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Changed files and new ones. What agents keep here, and links, are nobody's uncommitted work."""
    new = tuple(
        one for one in status.untracked
        if one.split("/", 1)[0] not in ("CLAUDE.md", "CLAUDE") and not (checkout / one.rstrip("/")).is_symlink()
    )  # fmt: skip
    untracked = set(status.untracked)
    return tuple(one for one in status.dirty if one not in untracked), new


def _links(status: Status, checkout: Path) -> tuple[str, ...]:
    """Links that git does not have, ignored or not; they hold nothing, and `git worktree remove` minds them."""
    here = dict.fromkeys(one.rstrip("/") for one in (*status.untracked, *status.ignored))
    return tuple(one for one in here if (checkout / one).is_symlink())
