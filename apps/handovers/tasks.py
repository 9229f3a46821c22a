"""The passes over handovers as Celery tasks."""

import structlog
from celery import shared_task

from apps.core.clock import utcnow
from apps.core.errors import Permanent
from apps.core.locks import Busy, lease
from apps.core.tasks import Queue, SweepboardTask
from apps.handovers.search.indexing import index_new
from apps.handovers.services.archiving import archive_old
from apps.handovers.services.scanning import scan_workspace
from apps.handovers.services.working import look_at_work
from apps.handovers.wiring import document_store, work_source
from apps.workspaces.config import ConfigError
from apps.workspaces.selectors import active_workspaces, current_config

log = structlog.get_logger(__name__)
AT_ONCE = 2000  # versions that one pass takes into the index; the newest first, the others with the next
LEASE = 45.0  # renewed while a pass runs


@shared_task(base=SweepboardTask, name="handovers.scan", lane=Queue.SYNC)
def scan() -> None:
    """Pass over every workspace; one that is away does not stop the others."""
    limit = byte_limit()
    for workspace in active_workspaces():
        try:
            with lease(f"handovers:{workspace.pk}", seconds=LEASE):
                scan_workspace(workspace=workspace, store=document_store(), now=utcnow(), limit=limit)
        except Busy:
            continue
    try:
        with lease("handovers:words", seconds=LEASE):
            index_new(limit=AT_ONCE)
    except Busy:
        return


@shared_task(base=SweepboardTask, name="handovers.archive", lane=Queue.CHECKS)
def archive() -> None:
    """Archive what the policy of each workspace says; what cannot be moved stays and is noted."""
    for workspace in active_workspaces():
        try:
            with lease(f"handovers:{workspace.pk}", seconds=LEASE, wait=30):
                archive_old(workspace=workspace, store=document_store(), now=utcnow(), actor="sweepboard")
        except Busy:
            continue
        except Permanent as error:
            log.warning("handovers.archive.refused", workspace=workspace.name, error=str(error))


@shared_task(base=SweepboardTask, name="handovers.work", lane=Queue.CHECKS)
def work() -> None:
    """Ask git how much came on each checkout's branch since its newest handover."""
    for workspace in active_workspaces():
        try:
            with lease(f"handovers-work:{workspace.pk}", seconds=LEASE):
                look_at_work(workspace=workspace, source=work_source(), now=utcnow())
        except Busy:
            continue


def byte_limit() -> int:
    """How much of a document is kept; the default while sweepboard.toml cannot be used."""
    try:
        return current_config().handovers.max_bytes
    except ConfigError:
        return 10 << 20
