"""Celery: the workers, their queues, and the schedule as code.

Start a worker with `celery -A apps.config worker` and the one beat with `celery -A apps.config beat`.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apps.config.settings")

app = Celery("sweepboard")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(
    [
        f"apps.{room}"
        for room in (
            "ops",
            "sweeps",
            "checkpoints",
            "alerts",
            "resume",
            "closing",
            "stopping",
            "restart",
            "handovers",
            "api",
            "worktrees",
            "pages",
            "review",
        )
    ]
)


@setup_logging.connect
def _keep_our_logging(**kwargs: Any) -> None:
    """Django has set logging up already; Celery would lay its own over it."""
    import django

    django.setup()


@app.on_after_finalize.connect
def _schedule(sender: Celery, **kwargs: Any) -> None:
    from apps.config.schedule import beat_schedule

    sender.conf.beat_schedule = beat_schedule()
