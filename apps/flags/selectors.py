"""Reading what was judged."""

from dataclasses import dataclass

from django.db.models import F, Prefetch, Q

from apps.flags.models import SEVERITY_ORDER, Flag, RunStatus
from apps.links.states import MOVED_ON
from apps.sweeps.models import Run
from apps.sweeps.ports import LIVE_RUN_STATES


def overdue_runs() -> dict[int, int | None]:
    """Return ``{run: job}`` of runs that changed, or whose job did, after they were last judged.

    A pass that was killed between storing and joining leaves such runs behind.
    """
    job_changed = ~Q(status__slurm_state=F("status__job__state")) & ~Q(status__slurm_state=MOVED_ON)
    overdue = Run.objects.filter(
        Q(status=None) | ~Q(status__wandb_state=F("state")) | (Q(status__job__isnull=False) & job_changed)
    )
    return {row["pk"]: row["status__job_id"] for row in overdue.values("pk", "status__job_id")}


@dataclass(frozen=True)
class CheckedRun:
    """A run with its verdict and its open flags, worst first; ``severity`` is the worst one's, empty without any."""

    run: Run
    status: RunStatus
    flags: list[Flag]

    @property
    def severity(self) -> str:
        return self.flags[0].severity if self.flags else ""


def checked_runs(sweep_id: str = "", *, everything: bool = False) -> list[CheckedRun]:
    """Return the runs that live or have an open flag (or all), of one sweep or of every one, in two queries."""
    runs = Run.objects.filter(status__isnull=False).select_related("sweep", "status__job").defer("config", "summary")
    if sweep_id:
        runs = runs.filter(sweep__sweep_id=sweep_id)
    if not everything:
        flagged = Flag.objects.open().filter(run__isnull=False).values("run")
        runs = runs.filter(Q(state__in=LIVE_RUN_STATES) | Q(pk__in=flagged))
    held = Prefetch("flags", Flag.objects.open(), to_attr="open_flags")
    return [CheckedRun(run, run.status, _worst_first(run)) for run in runs.prefetch_related(held).order_by("pk")]


def _worst_first(run: Run) -> list[Flag]:
    flags: list[Flag] = run.open_flags  # type: ignore[attr-defined]  # prefetched under this name
    return sorted(flags, key=lambda flag: (SEVERITY_ORDER.get(flag.severity, 9), flag.rule))
