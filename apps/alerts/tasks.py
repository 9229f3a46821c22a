"""Alerts as Celery tasks: beat looks for changes and sends on whatever nobody sent."""

import contextlib

from celery import shared_task
from celery.exceptions import OperationalError

from apps.alerts.models import AlertDelivery
from apps.alerts.selectors import due_deliveries
from apps.alerts.services.delivering import deliver, give_up_on_the_dead
from apps.alerts.services.watching import look
from apps.alerts.wiring import make_sender
from apps.core.clock import utcnow
from apps.core.locks import Busy
from apps.core.tasks import Queue, SweepboardTask
from apps.workspaces.selectors import current_config


@shared_task(base=SweepboardTask, name="alerts.watch", lane=Queue.ACTIONS)
def watch() -> None:
    with contextlib.suppress(Busy):
        look(config=current_config().alerts, now=utcnow())
    give_up_on_the_dead(utcnow())
    for pk in due_deliveries(utcnow()):
        send.apply_async(kwargs={"delivery_pk": pk}, expires=60)


@shared_task(base=SweepboardTask, name="alerts.send", lane=Queue.ACTIONS)
def send(*, delivery_pk: int) -> None:
    deliver(delivery_pk=delivery_pk, sender=make_sender(), clock=utcnow)


def send_soon(delivery: AlertDelivery) -> None:
    """Send a message to the workers at once; when Redis is away, beat's next look does it."""
    with contextlib.suppress(OperationalError):
        send.apply_async(kwargs={"delivery_pk": delivery.pk}, retry=False)
