"""The one Celery base class. A task loads by id and calls one service; what must happen is a row first."""

from enum import StrEnum
from typing import Any, ClassVar

import structlog
from celery import Task

from apps.core.errors import Transient

log = structlog.get_logger(__name__)


class Queue(StrEnum):
    """Every task names one of these as its lane."""

    SYNC = "sync"
    ACTIONS = "actions"
    CHECKS = "checks"


class SweepboardTask(Task):  # type: ignore[type-arg]  # celery-types' parameters say nothing here
    """Acks late, survives a killed worker, ends in bounded time, retries only what is ``Transient``.

    Results are ignored: the outcome is a row in the database.
    """

    acks_late = True
    reject_on_worker_lost = True
    ignore_result = True
    soft_time_limit = 600  # below the broker's visibility timeout, or a message would be delivered twice
    time_limit = 660
    autoretry_for = (Transient,)
    retry_backoff = 2
    retry_backoff_max = 120
    retry_jitter = True
    max_retries = 3
    lane: ClassVar[Queue]

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        log.error("task.failed", task=self.name, task_id=task_id, error=str(exc), kwargs=kwargs)


def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **rest: Any) -> dict[str, str] | None:
    """Send each task to the queue that it names as its lane; Celery calls this for every message."""
    lane = getattr(task, "lane", None)
    return {"queue": lane.value} if lane is not None else None
