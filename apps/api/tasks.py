"""Answers that are sent to webhooks, and those that are kept for a day, as Celery tasks that beat sends."""

from celery import shared_task

from apps.api.services.once import forget_answers as forget
from apps.api.services.posting import post_by_http
from apps.api.services.webhooks import deliver, due_webhooks
from apps.core.clock import utcnow
from apps.core.tasks import Queue, SweepboardTask
from apps.workspaces.selectors import current_config


@shared_task(base=SweepboardTask, name="api.send_answers", lane=Queue.ACTIONS)
def send_answers() -> None:
    for pk in due_webhooks(utcnow()):
        send_answer.apply_async(kwargs={"webhook_pk": pk}, expires=60)


# A server that answers a byte at a time must not hold a worker: the time-out of a connection does not end that.
@shared_task(base=SweepboardTask, name="api.send_answer", lane=Queue.ACTIONS, soft_time_limit=40, time_limit=50)
def send_answer(*, webhook_pk: int) -> None:
    deliver(webhook_pk=webhook_pk, post=post_by_http, clock=utcnow, config=current_config().api)


@shared_task(base=SweepboardTask, name="api.forget_answers", lane=Queue.CHECKS)
def forget_answers() -> None:
    forget(utcnow())
