"""Looking before submitting: whether a job of this press exists, whatever became of the worker that asked for it."""

from datetime import datetime, timedelta

import structlog

from apps.core.errors import Permanent
from apps.resume.models import ResumeRequest
from apps.resume.places import requeued
from apps.slurm.domain import key_named_in
from apps.slurm.ports import JobAttempt, Scheduler

log = structlog.get_logger(__name__)
MARGIN = timedelta(hours=1)  # Slurm's clock and ours


def job_of_press(scheduler: Scheduler, request: ResumeRequest) -> str:
    """Return the id of the job that this press has made already; empty where queue and accounting know none.

    By the key in its comment or, where accounting keeps no comments, in its name; for a requeue by a later life of its
    job. ``Transient`` when Slurm does not answer. Should there be two, the later one is cancelled before it can train.
    """
    plan = request.planned
    if plan.how == "requeue" and requeued(scheduler, plan):
        return plan.job_id
    if request.tried_at is None:
        return ""  # nobody has begun to submit anything
    found = _carrying(scheduler, request.key, request.asked_at - MARGIN)
    if not found:
        return ""
    first, *others = found
    for other in others:
        _cancel_second(scheduler, request, other)
    return first.job_id


def _carrying(scheduler: Scheduler, key: str, since: datetime) -> list[JobAttempt]:
    """Return the last life of each job that carries the key, the first submitted first."""
    lives: dict[str, JobAttempt] = {}
    for attempt in [*scheduler.history(since), *scheduler.queue()]:
        named = key_named_in(attempt.comment) == key or attempt.name.endswith(f"-{key}")
        if named and (attempt.job_id not in lives or attempt.submit_at >= lives[attempt.job_id].submit_at):
            lives[attempt.job_id] = attempt
    return sorted(lives.values(), key=lambda one: (one.submit_at, one.raw_id or 0))


def _cancel_second(scheduler: Scheduler, request: ResumeRequest, attempt: JobAttempt) -> None:
    if attempt.ended:
        return
    log.error("resume.second_job", request=request.pk, key=request.key, job=attempt.job_id)
    try:
        scheduler.cancel(attempt.job_id)
    except Permanent as error:
        log.info("resume.second_job.over", job=attempt.job_id, error=str(error))
