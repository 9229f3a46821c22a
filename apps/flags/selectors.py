"""Reading what was judged."""

from django.db.models import F, Q

from apps.links.states import MOVED_ON
from apps.sweeps.models import Run


def overdue_runs() -> dict[int, int | None]:
    """Return ``{run: job}`` of runs that changed, or whose job did, after they were last judged.

    A pass that was killed between storing and joining leaves such runs behind.
    """
    job_changed = ~Q(status__slurm_state=F("status__job__state")) & ~Q(status__slurm_state=MOVED_ON)
    overdue = Run.objects.filter(
        Q(status=None) | ~Q(status__wandb_state=F("state")) | (Q(status__job__isnull=False) & job_changed)
    )
    return {row["pk"]: row["status__job_id"] for row in overdue.values("pk", "status__job_id")}
