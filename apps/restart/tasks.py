"""Restarts as Celery tasks: one drives one row, a beat pass sends those that nobody has in hand."""

import contextlib

from celery import shared_task
from celery.exceptions import OperationalError

from apps.checkpoints.wiring import checkpoint_store
from apps.core.clock import utcnow
from apps.core.tasks import Queue, SweepboardTask
from apps.restart.fresh import Tools
from apps.restart.models import RestartRequest
from apps.restart.services import drive_restart as drive
from apps.slurm.wiring import make_schedulers
from apps.stopping.writing import unfinished
from apps.sweeps.wiring import make_control, make_source


def tools() -> Tools:
    """The W&B, the schedulers and the files that are configured."""
    return Tools(source=make_source, control=make_control, schedulers=make_schedulers, store=checkpoint_store)


@shared_task(base=SweepboardTask, name="restart.drive_restart", lane=Queue.ACTIONS)
def drive_restart(*, request_pk: int) -> None:
    drive(request_pk=request_pk, tools=tools(), clock=utcnow)


@shared_task(base=SweepboardTask, name="restart.drive_restarts", lane=Queue.ACTIONS)
def drive_restarts() -> None:
    for request_pk in unfinished(RestartRequest, utcnow()):
        drive_restart.apply_async(kwargs={"request_pk": request_pk}, expires=60)


def send_restart(request: RestartRequest) -> None:
    """Send a request to the workers at once; when Redis is away, beat's next look does it."""
    with contextlib.suppress(OperationalError):
        drive_restart.apply_async(kwargs={"request_pk": request.pk}, retry=False)
