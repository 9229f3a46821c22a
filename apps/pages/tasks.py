"""Importances as Celery tasks: one finds one sweep's, a beat pass sends those that nobody works on."""

import contextlib

from celery import shared_task
from celery.exceptions import OperationalError

from apps.core.clock import utcnow
from apps.core.tasks import Queue, SweepboardTask
from apps.pages.models import Importance
from apps.pages.services.importances import drive_importance, unfinished_importances


@shared_task(base=SweepboardTask, name="pages.find_importance", lane=Queue.CHECKS)
def find_importance(*, importance_pk: int) -> None:
    drive_importance(importance_pk=importance_pk, clock=utcnow)


@shared_task(base=SweepboardTask, name="pages.find_importances", lane=Queue.CHECKS)
def find_importances() -> None:
    for pk in unfinished_importances(utcnow()):
        find_importance.apply_async(kwargs={"importance_pk": pk}, expires=60)


def send_importance(one: Importance) -> None:
    """Send a wish to the workers at once; when Redis is away, beat's next look does it."""
    with contextlib.suppress(OperationalError):
        find_importance.apply_async(kwargs={"importance_pk": one.pk}, retry=False)
