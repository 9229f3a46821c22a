"""Closings as Celery tasks: one drives one request, a beat pass sends those that nobody drives and confirms others."""

import contextlib

from celery import shared_task
from celery.exceptions import OperationalError

from apps.closing.confirming import confirm_closings
from apps.closing.fresh import Tools
from apps.closing.models import CloseRequest
from apps.closing.services import drive_closing as drive
from apps.closing.services import unfinished_closings
from apps.core.clock import utcnow
from apps.core.tasks import Queue, SweepboardTask
from apps.slurm.wiring import make_schedulers
from apps.sweeps.wiring import make_closer, make_source


def tools() -> Tools:
    """The W&B and the schedulers that are configured."""
    return Tools(source=make_source, schedulers=make_schedulers, closer=make_closer)


@shared_task(base=SweepboardTask, name="closing.drive_closing", lane=Queue.ACTIONS)
def drive_closing(*, request_pk: int) -> None:
    drive(request_pk=request_pk, tools=tools(), clock=utcnow)


@shared_task(base=SweepboardTask, name="closing.drive_closings", lane=Queue.ACTIONS)
def drive_closings() -> None:
    confirm_closings(now=utcnow())
    for request_pk in unfinished_closings(utcnow()):
        drive_closing.apply_async(kwargs={"request_pk": request_pk}, expires=60)


def send_closing(request: CloseRequest) -> None:
    """Send a request to the workers at once; when Redis is away, beat's next look does it."""
    with contextlib.suppress(OperationalError):
        drive_closing.apply_async(kwargs={"request_pk": request.pk}, retry=False)
