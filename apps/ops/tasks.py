"""The passes as Celery tasks."""

from celery import shared_task

from apps.core.tasks import Queue, SweepboardTask
from apps.ops import slow_passes, sync


@shared_task(base=SweepboardTask, name="ops.sync_wandb", lane=Queue.SYNC)
def sync_wandb(*, full: bool = False) -> None:
    sync.sync_wandb(full=full)


@shared_task(base=SweepboardTask, name="ops.sync_slurm", lane=Queue.SYNC)
def sync_slurm(*, full: bool = False) -> None:
    sync.sync_slurm(full=full)


@shared_task(base=SweepboardTask, name="ops.sync_folders", lane=Queue.SYNC)
def sync_folders() -> None:
    slow_passes.sync_folders()


@shared_task(base=SweepboardTask, name="ops.sync_histories", lane=Queue.SYNC)
def sync_histories() -> None:
    slow_passes.sync_histories()


@shared_task(base=SweepboardTask, name="ops.sync_gpus", lane=Queue.SYNC)
def sync_gpus() -> None:
    slow_passes.sync_gpus()


@shared_task(base=SweepboardTask, name="ops.look_for_gone_runs", lane=Queue.SYNC)
def look_for_gone_runs() -> None:
    slow_passes.look_for_gone_runs()


@shared_task(base=SweepboardTask, name="ops.thin_out", lane=Queue.SYNC)
def thin_out() -> None:
    slow_passes.thin_out()
