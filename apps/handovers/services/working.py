"""What came on each checkout's branch since its newest handover, as git tells it; kept, because git takes its time."""

from datetime import datetime, timedelta
from pathlib import Path

import structlog

from apps.handovers.models import CheckoutKey, CheckoutWork
from apps.handovers.nudging import newest_of_branch
from apps.handovers.ports import Work, WorkSource
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
LOOK_BACK = timedelta(days=7)  # on a branch that was never handed over


def look_at_work(*, workspace: Workspace, source: WorkSource, now: datetime) -> int:
    """Ask git about every checkout of a workspace that is on a branch; return how many were asked.

    What git does not tell is kept as unknown with its reason. A checkout that is gone is forgotten.
    """
    keys = CheckoutKey.objects.filter(workspace=workspace).exclude(branch="")
    keys = keys.annotate(handed_over=newest_of_branch("branch"))
    before = {row.path: row for row in CheckoutWork.objects.filter(workspace=workspace)}
    for key in keys:
        since = key.handed_over or now - LOOK_BACK
        told = source.work(Path(key.path), since)
        _keep(workspace, key, told, since, before.pop(key.path, None), now)
    CheckoutWork.objects.filter(pk__in=[row.pk for row in before.values()]).delete()
    return len(keys)


def _keep(
    workspace: Workspace, key: CheckoutKey, told: Work, since: datetime, row: CheckoutWork | None, now: datetime
) -> None:
    """A branch that is another one than at the last look was switched to in between."""
    branch = (told.branch or key.branch)[:300]
    values = {
        "branch": branch,
        "commits": None if told.problems else len(told.commits),
        "problem": " ".join(told.problems)[:500],
        "since": since,
        "looked_at": now,
    }
    if row is not None and row.branch and row.branch != branch:
        values |= {"switched_from": row.branch, "switched_at": now}
    if told.problems:
        log.info("handovers.work.unknown", checkout=key.path, problem=values["problem"])
    CheckoutWork.objects.update_or_create(workspace=workspace, path=key.path, defaults=values)
