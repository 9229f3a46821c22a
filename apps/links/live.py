"""Whether a job carries a run at this moment, asked of the schedulers themselves."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from apps.core.errors import Transient
from apps.links.models import RunLink
from apps.slurm.domain import run_named_in
from apps.slurm.ports import JobAttempt, Scheduler
from apps.sweeps.models import Run

MARGIN = timedelta(days=1)


def live_attempt_now(schedulers: Iterable[Scheduler], run: Run, now: datetime) -> JobAttempt | None:
    """Return a queued or running attempt that is or may be the run's, asked of every cluster; None where there is none.

    By link, by the numbers that W&B was told, and by the run that a comment names. ``Transient`` when a cluster does
    not answer, or when queue and accounting contradict each other.
    """
    linked = list(RunLink.objects.filter(run=run).select_related("job").order_by("job__submit_at"))
    own = {(link.job.cluster, link.job.job_id) for link in linked}
    # A number that no linked job explains may be a job of any cluster.
    numbers = run.raw_job_ids - {link.job.raw_id for link in linked}
    for scheduler in schedulers:
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
    attempts = scheduler.attempts_of([job.job_id], min(job.submit_at, now) - MARGIN)
    last = max((one for one in attempts if one.submit_at >= job.submit_at), key=lambda one: one.submit_at, default=None)
    if last is not None and not last.ended:
        raise Transient(
            f"Unknown whether job {job.job_id} is alive: it is not in the queue, and accounting says {last.state}."
        )
