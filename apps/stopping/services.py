"""Cancelling jobs: a wish is a row for one attempt, acts on a fresh look, and is verified by a later one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction

from apps.core.errors import AlreadyDone, Permanent, SweepboardError
from apps.resume.places import scheduler_named
from apps.slurm.models import Job
from apps.slurm.ports import JobAttempt, Scheduler
from apps.stopping.domain import Next, Seen, judge
from apps.stopping.models import CancelRequest
from apps.stopping.selectors import CancelLine, lines_of
from apps.stopping.writing import Clock, Writer, drive, note
from apps.sweeps.control import SweepControl

log = structlog.get_logger(__name__)
MARGIN = timedelta(days=1)


@dataclass(frozen=True)
class Tools:
    """How to reach the schedulers and W&B. Each is made when it is needed, because making one may fail."""

    schedulers: Callable[[], Mapping[str, Scheduler]]
    control: Callable[[], SweepControl]


def ask_to_cancel(*, jobs: Iterable[Job], actor: str, now: datetime) -> tuple[list[CancelRequest], list[str]]:
    """Note a wish for each of these attempts, and return them, with a sentence for each that was left out."""
    asked: list[CancelRequest] = []
    left_out: list[str] = []
    for line in lines_of(jobs, now):
        try:
            asked.append(_ask(line, actor, now))
        except SweepboardError as error:
            left_out.append(str(error))
    return asked, left_out


def _ask(line: CancelLine, actor: str, now: datetime) -> CancelRequest:
    if line.refusal:
        raise AlreadyDone(line.refusal)
    job = line.job
    try:
        with transaction.atomic():
            request = CancelRequest.objects.create(
                attempt=job, cluster=job.cluster, job_id=job.job_id, submit_at=job.submit_at, asked_by=actor[:150],
                asked_at=now, loss=line.loss, run_id=line.run.run_id if line.run else "", sweep_id=line.sweep_id,
            )  # fmt: skip
            note(request, "requested", actor)
    except IntegrityError as error:
        raise AlreadyDone(f"Job {job.job_id} is being cancelled already; nothing was done a second time.") from error
    return request


def drive_cancel(*, request_pk: int, tools: Tools, clock: Clock) -> str:
    """Bring one wish to cancel a job one step on; return its state, ``gone`` where there is none."""
    return drive(CancelRequest, request_pk, lambda request, writer: _step(request, writer, tools, clock), clock)


def _step(request: CancelRequest, writer: Writer, tools: Tools, clock: Clock) -> str:
    scheduler = scheduler_named(tools.schedulers(), request.cluster)
    lives = _lives(scheduler, request)
    seen = Seen(clock(), request.job_id, request.submit_at, request.asked_at, request.tried_at, lives)
    what, said = judge(seen)
    if what is Next.ACT:
        return _act(scheduler, request, writer, clock)
    if what is Next.WAIT:
        return writer.wait(said)
    return writer.end(str(what), said)


def _lives(scheduler: Scheduler, request: CancelRequest) -> tuple[JobAttempt, ...]:
    """Return every life of the job that queue and accounting know now."""
    queued = [one for one in scheduler.queue() if one.job_id == request.job_id]
    accounted = scheduler.attempts_of([request.job_id], request.submit_at - MARGIN)
    return tuple(sorted([*accounted, *queued], key=lambda one: one.submit_at))


def _act(scheduler: Scheduler, request: CancelRequest, writer: Writer, clock: Clock) -> str:
    """Write down that Slurm is told, and tell it: this job by its id, and never anything else."""
    if not writer.hold(state="sent", tried_at=clock()):
        return request.state
    request.state = "sent"
    try:
        scheduler.cancel(request.job_id)
    except Permanent as error:
        log.info("stopping.cancel.over", job=request.job_id, error=str(error))  # the next look says what it is
    return writer.wait(f"Slurm was told to cancel job {request.job_id}.")
