"""Reading which jobs could be cancelled, what each carries, and what would go with it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from apps.checkpoints.models import Checkpoint
from apps.flags.models import RunStatus
from apps.links.models import AgentLink, RunLink
from apps.slurm.models import Job
from apps.stopping.domain import LossFacts, loss_of
from apps.stopping.models import CancelRequest, SweepRequest
from apps.sweeps.models import Run, Sweep
from apps.sweeps.ports import LIVE_RUN_STATES

MOST = 500  # jobs on one page


@dataclass(frozen=True, slots=True)
class CancelLine:
    """One attempt with the run that it carries now, if one is known, and what would be lost.

    ``refusal`` says why it cannot be cancelled; ``request`` is the last wish about it. ``elapsed`` in seconds.
    """

    job: Job
    run: Run | None
    status: RunStatus | None
    checkpoint: Checkpoint | None
    sweep_id: str
    elapsed: int
    loss: str
    refusal: str
    request: CancelRequest | None

    @property
    def task(self) -> int | None:
        return self.job.array_task_id


def lines_of(jobs: Iterable[Job], now: datetime) -> list[CancelLine]:
    """Return a line for each attempt, in the order given, in a handful of queries."""
    held = list(jobs)
    carried, agents, asked = _runs_in(held), _sweeps_of(held), _requests_of(held)
    return [_line(job, carried.get(job.pk), agents.get(job.pk, ""), asked.get(job.pk), now) for job in held]


def _line(job: Job, run: Run | None, sweep_id: str, request: CancelRequest | None, now: datetime) -> CancelLine:
    status: RunStatus | None = getattr(run, "status", None)
    checkpoint: Checkpoint | None = getattr(run, "checkpoint", None)
    facts = LossFacts(
        now=now,
        started_at=job.start_at,
        gpus=job.gpus,
        run=run.run_id if run else "",
        epoch=status.epoch if status else None,
        step=status.step if status else None,
        checkpoint_at=checkpoint.modified_at if checkpoint else None,
        checkpoint_step=checkpoint.step if checkpoint else None,
        checkpoint_epoch=checkpoint.epoch if checkpoint else None,
    )
    sweep = run.sweep.sweep_id if run is not None and run.sweep is not None else sweep_id
    return CancelLine(
        job, run, status, checkpoint, sweep, job.elapsed(now), loss_of(facts), _refusal(job, request), request
    )


def _refusal(job: Job, request: CancelRequest | None) -> str:
    """Why this attempt cannot be cancelled; empty if it can."""
    if request is not None and request.is_open:
        return f"Job {job.job_id} is being cancelled already; nothing was done a second time."
    if job.ended:
        return f"Job {job.job_id} has ended as {job.state}: there is nothing to cancel."
    return ""


def _runs_in(jobs: Sequence[Job]) -> dict[int, Run]:
    """The run that each job carries now: the last that began in it, if it lives; else the one its comment names."""
    links = RunLink.objects.filter(job__in=jobs).select_related("run__sweep", "run__status", "run__checkpoint")
    last = {link.job_id: link.run for link in links.order_by("run__created_at")}
    found = {pk: run for pk, run in last.items() if run.state in LIVE_RUN_STATES}
    hinted = [job for job in jobs if job.run_hint and job.pk not in last]
    named: dict[str, list[Run]] = defaultdict(list)
    wanted = {job.run_hint for job in hinted}
    for run in Run.objects.filter(run_id__in=wanted).select_related("sweep", "status", "checkpoint"):
        named[run.run_id].append(run)
    # A run's id is unique only in its project: of two, nobody knows which one is meant.
    return found | {job.pk: named[job.run_hint][0] for job in hinted if len(named[job.run_hint]) == 1}


def _sweeps_of(jobs: Sequence[Job]) -> dict[int, str]:
    return dict(AgentLink.objects.filter(job__in=jobs).values_list("job_id", "sweep__sweep_id"))


def _requests_of(jobs: Sequence[Job]) -> dict[int, CancelRequest]:
    """The last wish about each attempt."""
    rows = CancelRequest.objects.filter(attempt__in=jobs).order_by("pk")
    return {row.attempt_id: row for row in rows if row.attempt_id is not None}


def live_jobs_of(sweep: Sweep) -> list[Job]:
    """Return the queued and running attempts that work for a sweep or carry a run of it, by their names."""
    hinted = Run.objects.filter(sweep=sweep).values("run_id")
    own = Q(agent_links__sweep=sweep) | Q(run_links__run__sweep=sweep) | (~Q(run_hint="") & Q(run_hint__in=hinted))
    return list(Job.objects.live().filter(own).distinct().order_by("cluster", "raw_id", "pk")[:MOST])


def jobs_named(pks: Iterable[int]) -> list[Job]:
    """Return these attempts; those that nobody knows are left out."""
    return list(Job.objects.filter(pk__in=list(pks)[:MOST]).order_by("cluster", "raw_id", "pk"))


def controls_of(sweep: Sweep) -> list[SweepRequest]:
    """Return the last wishes about a sweep, the latest first."""
    return list(SweepRequest.objects.filter(sweep=sweep)[:5])
