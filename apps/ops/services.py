"""What an operator asks of the machine."""

from celery.exceptions import OperationalError
from django.db import transaction

from apps.audit.services import record
from apps.core.tasks import SweepboardTask
from apps.handovers.tasks import scan as scan_handovers
from apps.ops import tasks
from apps.worktrees.tasks import scan as scan_worktrees

PASSES: dict[str, tuple[SweepboardTask, ...]] = {
    "": (tasks.sync_wandb, tasks.sync_slurm),
    "wandb": (tasks.sync_wandb,),
    "slurm": (tasks.sync_slurm,),
    "folders": (tasks.sync_folders,),
    "histories": (tasks.sync_histories,),
    "deletions": (tasks.look_for_gone_runs,),
    "handovers": (scan_handovers,),
    "worktrees": (scan_worktrees,),
}
NAMES = {
    "": "W&B and Slurm",
    "wandb": "W&B",
    "slurm": "Slurm",
    "folders": "the run folders",
    "histories": "what runs logged",
    "deletions": "deleted runs",
    "handovers": "the handover documents",
    "worktrees": "the worktrees",
}


def ask_for_sync(*, actor: str, source: str = "") -> str:
    """Send the passes over one source, or over W&B and Slurm, and return a sentence for the person who asked.

    A lost message costs nothing: beat sends the same passes anyway.
    """
    if source not in PASSES:
        return "There is no such source; nothing was asked for."
    with transaction.atomic():
        record(type="sync.requested", actor=actor, subject=NAMES[source])
    try:
        for task in PASSES[source]:
            task.apply_async(retry=False)
    except OperationalError:
        return "Redis does not answer, so no pass could be sent. The board shows the last good data."
    return f"A pass over {NAMES[source]} was asked for; the screen updates itself when it ends."
