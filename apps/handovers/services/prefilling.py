"""What a new handover begins with: git's facts, the workspace's runs and flags, and what the last one left open."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog
from django.db.models import Q

from apps.flags.selectors import open_flags
from apps.handovers.domain.document import Box, Check, Commit
from apps.handovers.models import Handover
from apps.handovers.ports import DocumentStore, Work, WorkSource
from apps.handovers.selectors import previous_of
from apps.handovers.services.reading import parsed
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace

MOST = 20
log = structlog.get_logger(__name__)
Supplier = Callable[[Workspace, str, datetime | None], Sequence[Check]]
_SUPPLIERS: list[Supplier] = []


def tells_checks(supplier: Supplier) -> Supplier:
    """Register a function that tells what was validated on a branch since a time, such as by its plan's reports."""
    _SUPPLIERS.append(supplier)
    return supplier


@dataclass(frozen=True, slots=True)
class Prefill:
    """``previous`` is the key of the branch's last handover, ``problems`` sentences on what could not be told.

    ``checks`` are the last handover's commands, without their results that were true then, and what was reported since.
    """

    checkout: Path
    main: Path
    branch: str = ""
    author: str = ""
    commits: tuple[Commit, ...] = ()
    uncommitted: tuple[str, ...] = ()
    pending: tuple[Box, ...] = ()
    checks: tuple[Check, ...] = ()
    previous: str = ""
    runs: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Previous:
    """The last handover of a branch: its key, when it was written, what it left open and validated."""

    key: str = ""
    at: datetime | None = None
    pending: tuple[Box, ...] = ()
    checks: tuple[Check, ...] = ()


def prefill(
    *,
    checkout: Path,
    store: DocumentStore,
    work: WorkSource,
    workspace: Workspace | None,
    previous: Previous | None = None,
) -> Prefill:
    """Return what a new handover of ``checkout`` begins with; what cannot be told is empty and said.

    Without a workspace there are no runs or flags, and ``previous`` comes from the disk.
    """
    homes = store.checkouts(checkout)
    here = next((home for home in homes if home.path.resolve() == checkout.resolve()), homes[0])
    if workspace is not None:
        previous = previous_in_registry(workspace, here.branch)
    previous = previous or Previous()
    reported = reported_since(workspace, here.branch, previous.at) if workspace is not None else []
    told: Work = work.work(here.path, previous.at)
    return Prefill(
        checkout=here.path,
        main=homes[0].path,
        branch=told.branch or here.branch,
        author=told.author,
        commits=told.commits,
        uncommitted=told.uncommitted,
        pending=tuple(box for box in previous.pending if not box.done),
        checks=once((*(replace(one, result="") for one in previous.checks), *reported))[:MOST],
        previous=previous.key,
        runs=runs_of(workspace) if workspace else (),
        flags=flags_of(workspace) if workspace else (),
        problems=told.problems,
    )


def previous_in_registry(workspace: Workspace, branch: str) -> Previous:
    row: Handover | None = previous_of(workspace, branch) if branch else None
    if row is None or row.content is None:
        return Previous()
    document = parsed(row.content, row.name)
    return Previous(row.key, row.date, document.pending, document.checks)


def reported_since(workspace: Workspace, branch: str, since: datetime | None) -> list[Check]:
    """Return what rooms above know of validations; one that fails is noted and keeps nobody from writing."""
    found: list[Check] = []
    for supplier in _SUPPLIERS if branch else ():
        try:
            found += supplier(workspace, branch, since)
        except Exception:
            log.exception("handovers.prefill.supplier_failed", supplier=supplier.__qualname__)
    return found


def once(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return each command once, where it came first, with the last result that was told for it."""
    found: dict[str, Check] = {}
    for check in checks:
        command = check.command.strip()
        if command and (check.result or command not in found):
            found[command] = Check(command, check.result)
    return tuple(found.values())


def runs_of(workspace: Workspace) -> tuple[str, ...]:
    """Return a sentence for each live run of a workspace: where it is, and the next action."""
    own = Q(pk=None)
    for path in workspace.projects:
        entity, _, project = path.partition("/")
        own |= Q(entity=entity, project=project)
    runs = Run.objects.live().filter(own).select_related("sweep", "status").order_by("-heartbeat_at")
    return tuple(_run(run) for run in runs.defer("config", "summary")[:MOST])


def _run(run: Run) -> str:
    status = getattr(run, "status", None)
    sweep = f" of sweep {run.sweep.sweep_id}" if run.sweep else ""
    epoch = f", epoch {status.epoch:g}" if status and status.epoch is not None else ""
    verdict = f", next action {status.verdict}" if status and status.verdict else ""
    return f"Run {run.run_id}{sweep}: {run.state}{epoch}{verdict} {run.url}".rstrip()


def flags_of(workspace: Workspace) -> tuple[str, ...]:
    """Return a sentence for each open flag of a workspace, the worst first."""
    own = [flag for flag in open_flags() if flag.workspace == workspace.name]
    return tuple(
        f"Flag {flag.rule} ({flag.severity}) on {f'run {flag.run_id}' if flag.run_id else f'sweep {flag.sweep_id}'}"
        for flag in own[:MOST]
    )
