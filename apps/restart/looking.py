"""Looking before submitting: which of the wished agents have a job, whatever became of the worker that asked for it."""

from contextlib import suppress
from datetime import timedelta

import structlog

from apps.core.errors import Permanent
from apps.restart.models import RestartRequest
from apps.slurm.domain import key_named_in
from apps.slurm.ports import JobAttempt, Scheduler

log = structlog.get_logger(__name__)
MARGIN = timedelta(hours=1)  # Slurm's clock and ours


def agents_of(scheduler: Scheduler, request: RestartRequest) -> dict[str, str]:
    """Return ``{the agent's place: job id}`` by the key in comment or name; the first job where there are two."""
    if request.tried_at is None:
        return {}
    found: dict[str, str] = {}
    for attempt in sorted(_told(scheduler, request), key=lambda one: (one.submit_at, one.raw_id or 0)):
        key = key_named_in(attempt.comment) or attempt.name.rpartition(".")[2]
        head, _, place = key.rpartition("-")
        if head != request.key or not place.isdecimal():
            continue
        if found.setdefault(place, attempt.job_id) != attempt.job_id and not attempt.ended:
            _cancel_second(scheduler, request, attempt)
    return found


def _cancel_second(scheduler: Scheduler, request: RestartRequest, attempt: JobAttempt) -> None:
    """Two jobs for one agent: Slurm took a submission late that was given up. The later one must not train."""
    log.error("restart.second_job", request=request.pk, job=attempt.job_id)
    with suppress(Permanent):  # it has ended
        scheduler.cancel(attempt.job_id)


def states_of(scheduler: Scheduler, request: RestartRequest) -> dict[str, str]:
    """Return the last state of each job of this request that Slurm knows."""
    ids = set(request.job_ids.values())
    lives = [one for one in _told(scheduler, request) if one.job_id in ids]
    return {one.job_id: one.state for one in sorted(lives, key=lambda one: (one.submit_at, one.ended))}


def _told(scheduler: Scheduler, request: RestartRequest) -> list[JobAttempt]:
    return [*scheduler.history(request.asked_at - MARGIN), *scheduler.queue()]
