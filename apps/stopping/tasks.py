"""Cancelling and steering as Celery tasks: one drives one row, a beat pass sends those that nobody has in hand."""

import contextlib

from celery import shared_task
from celery.exceptions import OperationalError

from apps.core.clock import utcnow
from apps.core.tasks import Queue, SweepboardTask
from apps.slurm.wiring import make_schedulers
from apps.stopping.models import CancelRequest, SweepRequest
from apps.stopping.services import Tools
from apps.stopping.services import drive_cancel as drive_one_cancel
from apps.stopping.steering import drive_steering as drive_one_steering
from apps.stopping.writing import unfinished
from apps.sweeps.wiring import make_control


def tools() -> Tools:
    """The schedulers and the W&B that are configured."""
    return Tools(schedulers=make_schedulers, control=make_control)


@shared_task(base=SweepboardTask, name="stopping.drive_cancel", lane=Queue.ACTIONS)
def drive_cancel(*, request_pk: int) -> None:
    drive_one_cancel(request_pk=request_pk, tools=tools(), clock=utcnow)


@shared_task(base=SweepboardTask, name="stopping.drive_steering", lane=Queue.ACTIONS)
def drive_steering(*, request_pk: int) -> None:
    drive_one_steering(request_pk=request_pk, tools=tools(), clock=utcnow)


@shared_task(base=SweepboardTask, name="stopping.drive_stoppings", lane=Queue.ACTIONS)
def drive_stoppings() -> None:
    for request_pk in unfinished(CancelRequest, utcnow()):
        drive_cancel.apply_async(kwargs={"request_pk": request_pk}, expires=60)
    for request_pk in unfinished(SweepRequest, utcnow()):
        drive_steering.apply_async(kwargs={"request_pk": request_pk}, expires=60)


def send(request: CancelRequest | SweepRequest) -> None:
    """Send a request to the workers at once; when Redis is away, beat's next look does it."""
    task = drive_cancel if isinstance(request, CancelRequest) else drive_steering
    with contextlib.suppress(OperationalError):
        task.apply_async(kwargs={"request_pk": request.pk}, retry=False)
