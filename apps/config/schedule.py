"""What beat sends, and when. A pass that is late is not sent twice: it expires when the next one is due."""

from typing import Any

from apps.core.tasks import Queue
from apps.workspaces.selectors import current_config


def beat_schedule() -> dict[str, dict[str, Any]]:
    config = current_config()
    return {
        "sync-wandb": _every(config.wandb.sync_seconds, "ops.sync_wandb"),
        "sync-slurm": _every(config.slurm.sync_seconds, "ops.sync_slurm"),
    }


def _every(seconds: int, task: str) -> dict[str, Any]:
    return {
        "task": task,
        "schedule": float(seconds),
        "options": {"expires": seconds, "queue": Queue.SYNC.value},
    }
