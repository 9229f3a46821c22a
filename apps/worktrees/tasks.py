"""The pass over worktrees as a Celery task."""

from datetime import timedelta

from celery import shared_task

from apps.core.clock import utcnow
from apps.core.locks import Busy, lease
from apps.core.tasks import Queue, SweepboardTask
from apps.workspaces.selectors import active_workspaces
from apps.worktrees.services.scanning import scan_worktrees
from apps.worktrees.wiring import tools, worktrees_config

LEASE = 45.0  # renewed while a pass runs


@shared_task(base=SweepboardTask, name="worktrees.scan", lane=Queue.SYNC)
def scan() -> None:
    """Pass over every workspace; one that is away, or that another pass holds, does not stop the others."""
    look_again = timedelta(seconds=worktrees_config().look_again_seconds)
    for workspace in active_workspaces():
        try:
            with lease(f"worktrees:{workspace.pk}", seconds=LEASE):
                scan_worktrees(workspace=workspace, tools=tools(), now=utcnow(), look_again=look_again)
        except Busy:
            continue
