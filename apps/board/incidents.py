"""The discrepancy log and the preemption history: what happened to runs, and what was done about it, by whom."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet

from apps.audit.models import AuditEvent
from apps.checkpoints.models import Checkpoint
from apps.flags.history import Moment, moment_of
from apps.flags.models import Flag, RunStatus
from apps.flags.rules.cross_reference import DISCREPANCIES
from apps.links.models import RunLink
from apps.slurm.models import Job
from apps.sweeps.models import Run

ROWS = 50
FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """That W&B and Slurm disagreed about a run: since when, until when (None: they still do), and what was done.

    ``rule`` is empty where no flag says so, such as for 'finished' beside TIMEOUT; ``what`` then names the pair.
    """

    run: Run
    what: str
    wandb_state: str
    slurm_state: str
    since: datetime | None
    until: datetime | None = None
    rule: str = ""
    flag_pk: int | None = None
    action: str = ""
    seen: str = ""
    done: tuple[Moment, ...] = ()


def flagged_discrepancies(now: datetime, *, sweeps: Sequence[int] | None = None, **asked: Any) -> list[Discrepancy]:
    """Return one page of the flags that speak of a discrepancy, the newest first; two queries.

    ``sweeps`` are primary keys, None for every one; ``asked`` narrows further: ``workspace``, ``show`` (open or
    over) and ``page`` (from 1).
    """
    every = Flag.objects.filter(run__isnull=False, rule__in=DISCREPANCIES)
    flags = _narrowed(every, sweeps, asked.get("workspace", ""))
    if asked.get("show") in ("open", "over"):
        flags = flags.filter(cleared_at__isnull=asked["show"] == "open")
    rows = flags.select_related("run__sweep").defer("run__config", "run__summary", "run__sweep__config")
    start = (asked.get("page", 1) - 1) * ROWS
    shown = list(rows.order_by("-opened_at", "-pk")[start : start + ROWS])
    acts = _acts(shown)
    return [_flagged(flag, acts, now) for flag in shown]


def _narrowed(rows: QuerySet[Any], sweeps: Sequence[int] | None, workspace: str) -> QuerySet[Any]:
    if sweeps is not None:
        rows = rows.filter(run__sweep__in=sweeps)
    return rows.filter(run__sweep__workspace__name=workspace) if workspace else rows


def _flagged(flag: Flag, acts: dict[str, list[AuditEvent]], now: datetime) -> Discrepancy:
    assert flag.run is not None  # noqa: S101 - the query asks for run flags only
    events = acts[flag.subject] + [event for event in acts[run_subject(flag.run)] if _is_of(event, flag.run)]
    within = [one for one in events if flag.opened_at <= one.at <= (flag.cleared_at or one.at)]
    return Discrepancy(
        run=flag.run,
        what=flag.rule,
        wandb_state=flag.wandb_state,
        slurm_state=flag.slurm_state,
        since=flag.opened_at,
        until=flag.cleared_at,
        rule=flag.rule,
        flag_pk=flag.pk,
        action=flag.action,
        seen="" if flag.cleared_at else flag.seen_at(now),
        done=tuple(moment_of(event) for event in sorted(within, key=lambda one: (one.at, one.pk))),
    )


def run_subject(run: Run) -> str:
    """Return what the audit trail calls a run, and its namesakes in other projects too."""
    return f"run {run.run_id}"


def _is_of(event: AuditEvent, run: Run) -> bool:
    """Tell a run from its namesake of another project by the sweep, where the event names one."""
    told = event.detail.get("sweep")
    return told is None or told == (run.sweep.sweep_id if run.sweep else "")


def _acts(flags: Iterable[Flag]) -> dict[str, list[AuditEvent]]:
    subjects = {flag.subject for flag in flags} | {run_subject(flag.run) for flag in flags if flag.run}
    found: dict[str, list[AuditEvent]] = defaultdict(list)
    for event in AuditEvent.objects.filter(subject__in=subjects):
        found[event.subject].append(event)
    return found


def unflagged_discrepancies(*, sweeps: Sequence[int] | None = None, workspace: str = "") -> list[Discrepancy]:
    """Return the runs whose two sides disagree now without any such flag saying so.

    The ``ROWS`` newest runs at the most; one query.
    """
    flagged = Flag.objects.open().filter(run__isnull=False, rule__in=DISCREPANCIES).values("run")
    every = RunStatus.objects.filter(agree=False).exclude(run__in=flagged)
    rows = _narrowed(every, sweeps, workspace).select_related("run__sweep", "job")
    rows = rows.defer("run__config", "run__summary", "run__sweep__config", "chain")
    return [_unflagged(status) for status in rows.order_by("-run")[:ROWS]]


def _unflagged(status: RunStatus) -> Discrepancy:
    run = status.run
    since = (status.job.end_at if status.job else None) or run.heartbeat_at
    return Discrepancy(run, status.pair, run.state, status.slurm_state, since, action=status.action)


@dataclass(frozen=True, slots=True)
class Preemption:
    """One job that was preempted while it carried a run, and what came of it.

    ``following`` is the next attempt that carried the run; ``lost_seconds`` the training after the newest checkpoint
    that the preemption cost, None where the checkpoint is newer or there is none.
    """

    run: Run
    job: Job
    checkpoint: Checkpoint | None
    following: Job | None

    @property
    def at(self) -> datetime | None:
        return self.job.end_at

    @property
    def outcome(self) -> str:
        """Say what the run was resumed as, such as ``job 12 (RUNNING)``."""
        if self.following is not None:
            return f"job {self.following.job_id} ({self.following.state})"
        return "not needed: W&B says finished" if self.run.state == FINISHED else "not yet"

    @property
    def how(self) -> str:
        """Say who brought it back: Slurm by itself, or the user who submitted another job."""
        if self.following is None:
            return ""
        same = self.following.job_id == self.job.job_id
        return "requeued by Slurm" if same else f"submitted by {self.following.user or 'somebody'}"

    @property
    def waited_seconds(self) -> float | None:
        """How long no job carried the run; None while it waits still, or where a time is missing."""
        start = self.following.start_at if self.following else None
        return (start - self.job.end_at).total_seconds() if start and self.job.end_at else None

    @property
    def lost_seconds(self) -> float | None:
        if self.checkpoint is None or self.job.end_at is None or self.checkpoint.modified_at > self.job.end_at:
            return None
        return (self.job.end_at - self.checkpoint.modified_at).total_seconds()


def preemptions(*, sweeps: Sequence[int] | None = None, workspace: str = "", page: int = 1) -> list[Preemption]:
    """Return one page of the preemptions, the newest first; two queries."""
    links = _narrowed(RunLink.objects.filter(job__state="PREEMPTED"), sweeps, workspace)
    rows = links.select_related("run__checkpoint", "run__sweep", "job").defer(
        "run__config", "run__summary", "run__sweep__config"
    )
    shown = list(rows.order_by("-job__end_at", "-pk")[(page - 1) * ROWS : page * ROWS])
    carried: dict[int, list[Job]] = defaultdict(list)
    for link in RunLink.objects.filter(run__in={one.run_id for one in shown}).select_related("job"):
        carried[link.run_id].append(link.job)
    return [_preemption(one, carried[one.run_id]) for one in shown]


def _preemption(one: RunLink, jobs: list[Job]) -> Preemption:
    later = [job for job in jobs if job.submit_at > one.job.submit_at]
    return Preemption(one.run, one.job, checkpoint_of(one.run), min(later, key=lambda job: job.submit_at, default=None))


def checkpoint_of(run: Run) -> Checkpoint | None:
    try:
        found: Checkpoint = run.checkpoint
    except ObjectDoesNotExist:
        return None
    return found
