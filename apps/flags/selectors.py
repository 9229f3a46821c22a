"""Reading what was judged."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Prefetch, Q, QuerySet

from apps.flags.causes import OpenFlag
from apps.flags.models import SEVERITY_ORDER, Flag, RunStatus
from apps.links.states import MOVED_ON, Pair
from apps.sweeps.models import Run
from apps.sweeps.ports import LIVE_RUN_STATES

MOST_SHOWN = 5000
ONE_NODE = frozenset("[,")  # what a list of several nodes is written with


def overdue_runs() -> dict[int, int | None]:
    """Return ``{run: job}`` of runs that changed, or whose job did, after they were last judged.

    A pass that was killed between storing and joining leaves such runs behind.
    """
    job_changed = ~Q(status__slurm_state=F("status__job__state")) & ~Q(status__slurm_state=MOVED_ON)
    overdue = Run.objects.filter(
        Q(status=None) | ~Q(status__wandb_state=F("state")) | (Q(status__job__isnull=False) & job_changed)
    )
    return {row["pk"]: row["status__job_id"] for row in overdue.values("pk", "status__job_id")}


def runs_that_wait() -> set[int]:
    """Return the runs that W&B calls dead and Slurm alive: none of their rows may change, and yet the wait ends."""
    waiting = RunStatus.objects.filter(agree=False, verdict="wait", pair=Pair.DEAD_BUT_ALIVE.value)
    return set(waiting.values_list("run_id", flat=True))


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
        flagged = Flag.objects.standing().filter(run__isnull=False).values("run")
        runs = runs.filter(Q(state__in=LIVE_RUN_STATES) | Q(pk__in=flagged))
    held = Prefetch("flags", Flag.objects.standing(), to_attr="open_flags")
    return [CheckedRun(run, run.status, _worst_first(run)) for run in runs.prefetch_related(held).order_by("pk")]


def _worst_first(run: Run) -> list[Flag]:
    flags: list[Flag] = run.open_flags  # type: ignore[attr-defined]  # prefetched under this name
    return sorted(flags, key=lambda flag: (SEVERITY_ORDER.get(flag.severity, 9), flag.rule))


def open_flags(*, dismissed: bool = False) -> list[OpenFlag]:
    """Return the standing flags, worst and then newest first, at most ``MOST_SHOWN`` of them, in one query.

    With ``dismissed`` those instead that people cleared by hand while their condition goes on.
    """
    rows = (
        Flag.objects.open()
        .filter(dismissed_at__isnull=not dismissed)
        .select_related("sweep__workspace", "run__status__job")
        .defer("run__config", "run__summary", "sweep__config", "run__status__chain")
        .worst_first("-opened_at", "-pk")
    )
    return [open_flag_of(flag) for flag in rows[:MOST_SHOWN]]


def open_flag_of(flag: Flag) -> OpenFlag:
    """Return a flag as lists see it; fetch its run with status and job, and its sweep with workspace, along."""
    run, sweep = flag.run, flag.sweep
    status = getattr(run, "status", None)
    nodes = status.job.nodes if status and status.job else ""
    return OpenFlag(
        pk=flag.pk,
        rule=flag.rule,
        severity=flag.severity,
        evidence=flag.evidence,
        action=flag.action,
        uncertain=flag.uncertain,
        opened_at=flag.opened_at,
        sweep_pk=sweep.pk if sweep else None,
        sweep_id=sweep.sweep_id if sweep else "",
        sweep_name=sweep.name if sweep else "",
        workspace=sweep.workspace.name if sweep and sweep.workspace else "",
        run_id=run.run_id if run else "",
        run_name=run.name if run else "",
        url=run.url if run else sweep.url if sweep else "",
        crash_class=status.crash_class if status else "",
        node="" if ONE_NODE & set(nodes) else nodes,
        acknowledged_by=flag.acknowledged_by,
        snoozed_until=flag.snoozed_until,
        snoozed_by=flag.snoozed_by,
        assignee=flag.assignee,
        dismissed_by=flag.dismissed_by,
        dismissed_reason=flag.dismissed_reason,
        dismissed_at=flag.dismissed_at,
        quiet_since=flag.quiet_since,
        run_pk=flag.run_id,
        verdict=status.verdict if status else "",
    )


def assigned_flags(name: str, now: datetime) -> QuerySet[Flag]:
    """Return the standing flags that somebody was asked to see to, worst first, then oldest; none put off or quiet."""
    awake = Q(snoozed_until=None) | Q(snoozed_until__lte=now)
    rows = Flag.objects.standing().filter(awake, assignee=name, quiet_since=None).exclude(assignee="")
    rows = rows.select_related("run", "sweep").defer("run__config", "run__summary", "sweep__config")
    return rows.worst_first("opened_at", "pk")


def standing_count() -> int:
    return Flag.objects.standing().count()


def flag_counts(now: datetime) -> dict[str, int]:
    """Return how many flags wait for a person by severity, every severity named."""
    counted = Flag.objects.calling(now).order_by().values_list("severity").annotate(n=Count("pk"))
    return dict.fromkeys(SEVERITY_ORDER, 0) | dict(counted)
