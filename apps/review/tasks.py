"""The review as Celery tasks: weeks are frozen when they are over, and told on Monday morning."""

import contextlib

from celery import shared_task

from apps.core.clock import utcnow
from apps.core.locks import Busy, lease
from apps.core.tasks import Queue, SweepboardTask
from apps.review.services.digesting import send_digests
from apps.review.services.freezing import close_weeks


@shared_task(base=SweepboardTask, name="review.close_weeks", lane=Queue.CHECKS)
def close_weeks_task() -> None:
    with contextlib.suppress(Busy), lease("review-close", seconds=120):
        close_weeks(now=utcnow())


@shared_task(base=SweepboardTask, name="review.send_digests", lane=Queue.ACTIONS)
def send_digests_task() -> None:
    """The messages are queued; the next look of alerts sends them."""
    send_digests(now=utcnow())
