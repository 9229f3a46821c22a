"""The row of an act: there before it, once for a press, and ended with what became of it."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.core.errors import AlreadyDone, SweepboardError
from apps.workspaces.models import Workspace
from apps.worktrees.domain.acts import Step
from apps.worktrees.models import KEPT, WorktreeAct

log = structlog.get_logger(__name__)
LONGEST = timedelta(minutes=30)


def noted(
    *, kind: str, workspace: Workspace | None, path: Path, branch: str, digest: str, steps: Sequence[Step],
    actor: str, now: datetime, act: Callable[[], str],
) -> str:  # fmt: skip
    """Write the act down, do it, and write down how it ended; return its sentence.

    ``AlreadyDone`` where the same press was done or is under way. Without a workspace there is no database to ask,
    and it is just done.
    """
    if workspace is None:
        return act()
    row = _begun(kind, workspace, path, branch, digest, steps, actor, now)
    try:
        said = act()
    except BaseException as error:
        _end(row, "failed", str(error) if isinstance(error, SweepboardError) else "Sweepboard failed.", now)
        if not isinstance(error, SweepboardError):
            log.exception("worktrees.act.crashed", kind=kind, path=str(path), error_id=row.error_id)
        raise
    _end(row, "done", said, now)
    return said


def _begun(
    kind: str, workspace: Workspace, path: Path, branch: str, digest: str, steps: Sequence[Step], actor: str,
    now: datetime,
) -> WorktreeAct:  # fmt: skip
    commands = [one.shown for one in steps]
    try:
        with transaction.atomic():
            row = WorktreeAct.objects.create(
                workspace=workspace, kind=kind, path=str(path)[:1000], branch=branch[:300], digest=digest,
                commands=commands, by=actor[:150], at=now,
            )  # fmt: skip
            _record(row, "requested", commands=commands)
    except IntegrityError as error:
        before = WorktreeAct.objects.filter(digest=digest, state__in=KEPT).first()
        said = f" {before.said}" if before and before.said else ""
        raise AlreadyDone(f"This was done already; nothing was done a second time.{said}") from error
    return row


@transaction.atomic
def _end(row: WorktreeAct, state: str, said: str, now: datetime) -> None:
    row.state, row.said, row.finished_at = state, said, now
    row.error_id = uuid.uuid4().hex[:12] if state == "failed" else ""
    row.save(update_fields=["state", "said", "finished_at", "error_id"])
    _record(row, state, said=said)


def _record(row: WorktreeAct, what: str, **detail: object) -> None:
    record(
        type=f"worktree.{row.kind}.{what}",
        actor=row.by,
        subject=f"worktree {row.path}"[:700],
        branch=row.branch,
        **detail,
    )


def end_those_that_died(*, now: datetime) -> int:
    """End the acts whose process died in them; a pass then shows what is really there. Return how many."""
    died = list(WorktreeAct.objects.filter(state="begun", at__lt=now - LONGEST))
    for row in died:
        _end(row, "failed", "The process that did it died; look at what is there, and begin again.", now)
    return len(died)
