"""What an operator asks of the machine."""

from celery.exceptions import OperationalError
from django.db import transaction

from apps.audit.services import record
from apps.ops.tasks import sync_slurm, sync_wandb


def ask_for_sync(*, actor: str) -> str:
    """Send both passes to the workers and return a sentence for the person who asked.

    A lost message costs nothing: beat sends the same passes anyway.
    """
    with transaction.atomic():
        record(type="sync.requested", actor=actor, subject="all sources")
    try:
        sync_wandb.apply_async(retry=False)
        sync_slurm.apply_async(retry=False)
    except OperationalError:
        return "Redis does not answer, so no pass could be sent. The board shows the last good data."
    return "A pass over W&B and Slurm was asked for; the board updates itself when it ends."
