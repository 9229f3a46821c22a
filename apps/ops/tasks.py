"""The passes as Celery tasks."""

from celery import shared_task

from apps.core.tasks import Queue, SweepboardTask
from apps.ops import sync


@shared_task(base=SweepboardTask, name="ops.sync_wandb", lane=Queue.SYNC)
def sync_wandb(*, full: bool = False) -> None:
    sync.sync_wandb(full=full)


@shared_task(base=SweepboardTask, name="ops.sync_slurm", lane=Queue.SYNC)
def sync_slurm(*, full: bool = False) -> None:
    sync.sync_slurm(full=full)
