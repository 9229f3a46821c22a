"""The one Celery base class. A task loads by id and calls one service; what must happen is a row first."""

from enum import StrEnum
from typing import Any, ClassVar

import structlog
from celery import Task

from apps.core.errors import Transient

log = structlog.get_logger(__name__)


class Queue(StrEnum):
    """Every task names one of these."""

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
    soft_time_limit = 300
    time_limit = 330
    autoretry_for = (Transient,)
    retry_backoff = 2
    retry_backoff_max = 120
    retry_jitter = True
    max_retries = 3
    queue: ClassVar[str]

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        log.error("task.failed", task=self.name, task_id=task_id, error=str(exc), kwargs=kwargs)
