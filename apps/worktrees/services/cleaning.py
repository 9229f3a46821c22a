"""Cleaning a merged worktree up: what would be lost is shown first, everything is looked at again, then it goes."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from apps.core.errors import AlreadyDone, Permanent, SweepboardError
from apps.workspaces.models import Workspace
from apps.worktrees.domain.acts import JobFacts, Step, digest_of, refusals_of
from apps.worktrees.domain.facts import Facts, Place, shown
from apps.worktrees.domain.table import OWN
from apps.worktrees.models import Worktree
from apps.worktrees.services.acts import noted
from apps.worktrees.services.jobs import JobLook, jobs_now
from apps.worktrees.services.looking import Tools, look_at_branches, look_at_checkout
from apps.worktrees.services.remains import Remains, look_again

log = structlog.get_logger(__name__)
ASIDE = ".sweepboard-aside-"  # beside the worktree: what is deleted waits there until git has removed the rest


@dataclass(frozen=True, slots=True)
class CleanPlan:
    """``refusals`` are all reasons against it, empty where it may go; ``goes`` sentences on what goes with it.

    ``prunable`` are the paths of worktrees that are not there, whose records go too.
    """

    facts: Facts
    jobs: JobFacts
    refusals: tuple[str, ...]
    goes: tuple[str, ...]
    steps: tuple[Step, ...]
    digest: str
    main: Path
    prunable: tuple[str, ...] = ()


def prepare_clean(
    *, root: Path, path: Path, tools: Tools, now: datetime, jobs: JobLook = jobs_now,
    workspace: Workspace | None = None, nonce: str = "",
) -> CleanPlan:  # fmt: skip
    """Look at one worktree anew and return what cleaning it up would do. Changes nothing.

    ``AlreadyDone`` where it is gone, ``Permanent`` where the repository has no worktree there.
    """
    base = str((workspace.config if workspace else {}).get("base_branch", ""))
    links_into = workspace.links_into if workspace else []
    repository = look_at_branches(root, tools, base=base, only=[path])
    entry = next((one for one in repository.entries if one.path == path), None)
    if entry is None:
        if not path.exists():
            raise AlreadyDone(f"{path} is gone already; nothing was done a second time.")
        raise Permanent(f"{path} is no worktree of {repository.main}.")
    facts = look_at_checkout(entry, repository, tools, links_into=links_into, measure=False)
    running = jobs(path, now)
    overlooked = tools.git.overlooked(path) if facts.changes else ()
    refusals = (*_linked(path), *refusals_of(facts, running, tuple(map(shown, overlooked))))
    prunable = repository.prunable
    steps = _steps(facts, repository.main, prunable, tools)
    there = [one.name for one in facts.resources if one.place is not Place.MISSING]
    digest = digest_of(steps, [facts.head, *refusals, *there, *prunable, nonce])
    return CleanPlan(facts, running, refusals, _goes(facts, prunable), steps, digest, repository.main, prunable)


def _linked(path: Path) -> tuple[str, ...]:
    """Git would empty the folder behind a link, and then fail at the link."""
    return (f"{path} is a link to {path.readlink()}. Clean it up by hand.",) if path.is_symlink() else ()


def _steps(facts: Facts, main: Path, prunable: tuple[str, ...], tools: Tools) -> tuple[Step, ...]:
    path = Path(facts.path)
    steps = [Step("delete", path=str(path / link), note="a link; what it leads to stays") for link in facts.links]
    steps += [
        Step("delete", path=str(path / one.name))
        for one in facts.resources
        if one.name in OWN and not one.tracked and one.place is Place.LOCAL
    ]
    steps.append(Step("git", argv=tuple(tools.git.argv(main, ["worktree", "remove", facts.path]))))
    if prunable:
        steps.append(Step("git", argv=tuple(tools.git.argv(main, ["worktree", "prune"]))))
    return tuple(steps)


def _goes(facts: Facts, prunable: tuple[str, ...]) -> tuple[str, ...]:
    """What goes with it, in sentences. The branch and its commits stay."""
    said = []
    present = {one.name for one in facts.resources if one.place is Place.LOCAL}
    if "CLAUDE.md" in present:
        said.append("Its CLAUDE.md" + (f", which points at {facts.key}." if facts.key else "."))
    if "CLAUDE" in present:
        said.append("Its copies of handovers in CLAUDE/; the main checkout has each of them.")
    said.append("What git has in it, and what tools make again (caches, bytecode, a copied virtual environment).")
    if facts.branch:
        said.append(f"The branch {facts.branch} stays, with its commits: `git branch -d {facts.branch}` deletes it.")
    else:
        said.append(f"It is on no branch: nothing names {facts.head[:12]} afterwards but {facts.merge.base}.")
    if prunable:
        said.append(f"Git's records of worktrees that are not there are forgotten too: {', '.join(prunable)}.")
    return tuple(said)


def clean_up(
    *, root: Path, path: Path, digest: str, tools: Tools, now: datetime, actor: str, jobs: JobLook = jobs_now,
    workspace: Workspace | None = None, nonce: str = "",
) -> str:  # fmt: skip
    """Clean up the worktree whose steps have this ``digest``; return what was done, in a sentence.

    ``Permanent`` with every reason where it may not go, ``AlreadyDone`` where it went before.
    """

    def act() -> str:
        with tools.git.lock(root):
            plan = prepare_clean(
                root=root, path=path, tools=tools, now=now, jobs=jobs, workspace=workspace, nonce=nonce
            )
            if plan.refusals:
                raise Permanent(f"It was not cleaned up. {' '.join(plan.refusals)}")
            if plan.digest != digest:
                raise Permanent("It changed since it was shown; look at it again. Nothing was done.")
            _remove(plan, tools)
        return f"{path} is cleaned up; {plan.facts.branch or plan.facts.head[:12]} stays in the repository."

    plan = prepare_clean(root=root, path=path, tools=tools, now=now, jobs=jobs, workspace=workspace, nonce=nonce)
    said = noted(kind="clean", workspace=workspace, path=path, branch=plan.facts.branch, digest=digest,
                 steps=plan.steps, actor=actor, now=now, act=act)  # fmt: skip
    if workspace is not None:
        Worktree.objects.filter(workspace=workspace, path=str(path)).delete()
    return said


def _remove(plan: CleanPlan, tools: Tools) -> None:
    """Do the steps; where git will not remove it after all, what was deleted before is put back."""
    undo: list[Callable[[], object]] = []
    aside: Path | None = None
    plain = len(tools.git.argv(plan.main, []))
    try:
        aside = Path(tempfile.mkdtemp(dir=Path(plan.facts.path).parent, prefix=ASIDE))
        for at, step in enumerate(plan.steps):
            if step.kind == "delete":
                undo.append(_set_aside(Path(step.path), aside / str(at)))
            elif step.argv[plain:] != ("worktree", "prune"):
                tools.git.act(plan.main, list(step.argv[plain:]))
    except (SweepboardError, OSError) as error:
        remains = look_again(plan.facts, plan.main, tools)
        if not remains.gone:
            raise Permanent(f"It was not cleaned up: {_why(error)} {_put_right(undo, aside, remains, plan)}") from error
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)
    log.info("worktrees.cleaned", path=plan.facts.path, branch=plan.facts.branch)
    _forget(plan, tools)


def _forget(plan: CleanPlan, tools: Tools) -> None:
    """Prune where exactly those records would go that were shown: what is not mounted just now may come back."""
    if not plan.prunable:
        return
    try:
        gone = [str(one.path) for one in tools.git.entries(plan.main) if one.prunable]
        if sorted(gone) == sorted(plan.prunable):
            tools.git.act(plan.main, ["worktree", "prune"])
        else:
            log.warning("worktrees.prune.left", path=plan.facts.path, shown=plan.prunable, found=gone)
    except SweepboardError as error:
        log.warning("worktrees.prune.failed", path=plan.facts.path, error=str(error))


def _why(error: Exception) -> str:
    return f"{error.strerror or error}." if isinstance(error, OSError) else str(error)


def _put_right(undo: Sequence[Callable[[], object]], aside: Path | None, remains: Remains, plan: CleanPlan) -> str:
    """Put back what was deleted before git was asked; return what is there now, in sentences."""
    is_back = Path(plan.facts.path).is_dir() or not undo
    if is_back:
        is_back = all([_quietly(one, plan.facts.path) for one in reversed(undo)])  # noqa: C419 - every one is tried
    if is_back and aside is not None:
        shutil.rmtree(aside, ignore_errors=True)
    told = "What was deleted before was put back." if is_back else f"What was deleted before lies in {aside}."
    return f"{remains.said} {told}".strip()


def _set_aside(path: Path, kept: Path) -> Callable[[], object]:
    """Move a link, a file or a folder away, whatever it is; return how it is put back. Nothing is opened for it."""
    shutil.move(path, kept)
    return lambda: _put_back(kept, path)


def _put_back(kept: Path, path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    shutil.move(kept, path)


def _quietly(back: Callable[[], object], path: str) -> bool:
    try:
        back()
    except OSError as error:
        log.warning("worktrees.undo.failed", path=path, error=str(error))
        return False
    return True
