"""What W&B and the schedulers say of a run at this moment, asked at driving time: nothing is closed on stored words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apps.audit.selectors import held_until
from apps.closing.domain import ClosingFacts, NotKnown, Refused
from apps.core.errors import Transient
from apps.links.models import RunLink
from apps.slurm.domain import run_named_in
from apps.slurm.ports import JobAttempt, Scheduler
from apps.sweeps.models import Run
from apps.sweeps.ports import RunCloser, RunRecord, SweepSource

SOON = timedelta(days=1)


@dataclass(frozen=True)
class Tools:
    """How to reach W&B and the schedulers. Each is made when it is needed, because making one may fail."""

    source: Callable[[], SweepSource]
    schedulers: Callable[[], Mapping[str, Scheduler]]
    closer: Callable[[], RunCloser]


def wandb_now(tools: Tools, run: Run, now: datetime) -> RunRecord:
    """Return the run as W&B has it now; ``Refused`` where W&B no longer knows it."""
    held = held_until("wandb", run.project_path)
    if held is not None and held > now:
        raise Transient(f"W&B asked to be left alone until {held:%H:%M:%S} UTC.")
    source = tools.source()
    try:
        # No heartbeat is from tomorrow: only the run that is named is told.
        for record in source.runs(run.project_path, now + SOON, [run.run_id]):
            if record.run_id == run.run_id:
                return record
    finally:
        source.close()
    raise Refused(f"W&B no longer knows run {run.run_id} of {run.project_path}.")


def with_fresh(facts: ClosingFacts, record: RunRecord, attempt: JobAttempt | None, now: datetime) -> ClosingFacts:
    """Return the facts with what was just asked in place of what was stored; ``attempt`` is a live one of the run."""
    facts = replace(
        facts,
        wandb_state=record.state,
        judged_state=record.state,
        heartbeat_at=record.heartbeat_at,
        slurm_read_at=now,
        slurm_problem="",
    )
    if attempt is None:
        return facts
    return replace(facts, slurm_state=attempt.state, job_id=attempt.job_id, job_ended=False)


def live_attempt(tools: Tools, run: Run, now: datetime) -> JobAttempt | None:
    """Return a queued or running attempt that is or may be the run's, asked of every cluster; None where there is none.

    ``Transient`` when one of them does not answer, ``NotKnown`` when queue and accounting contradict each other.
    """
    linked = list(RunLink.objects.filter(run=run).select_related("job").order_by("job__submit_at"))
    own = {(link.job.cluster, link.job.job_id) for link in linked}
    # A number that no linked job explains may be a job of any cluster.
    numbers = run.raw_job_ids - {link.job.raw_id for link in linked}
    for scheduler in tools.schedulers().values():
        for attempt in scheduler.queue():
            key = (attempt.cluster, attempt.job_id)
            named = run_named_in(attempt.comment) == run.run_id
            if not attempt.ended and (key in own or attempt.raw_id in numbers or named):
                return attempt
        if linked:
            _check_accounting(scheduler, linked[-1], now)
    return None


def _check_accounting(scheduler: Scheduler, link: RunLink, now: datetime) -> None:
    """The queue does not hold the run's last job: accounting must not say that it goes on."""
    job = link.job
    if scheduler.cluster() != job.cluster:
        return
    attempts = scheduler.attempts_of([job.job_id], min(job.submit_at, now) - SOON)
    last = max((one for one in attempts if one.submit_at >= job.submit_at), key=lambda one: one.submit_at, default=None)
    if last is not None and not last.ended:
        raise NotKnown(
            f"Unknown whether job {job.job_id} is alive: it is not in the queue, and accounting says {last.state}."
        )
