"""Pulling jobs and their attempts from the scheduler into the database."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps.audit.selectors import last_good_cursor
from apps.audit.services import PassTally, sync_pass
from apps.core.errors import Transient
from apps.core.upsert import upsert
from apps.slurm.domain import run_named_in
from apps.slurm.models import Job
from apps.slurm.ports import JobAttempt, Scheduler

SOURCE = "slurm"
OVERLAP = timedelta(minutes=2)  # accounting is written a little later than things happen
KEY = ("cluster", "job_id", "submit_at")
# Accounting of older versions does not keep these; what the live queue said of them stays.
KEEP_IF_EMPTY = (
    "comment",
    "work_dir",
    "stdout_path",
    "stderr_path",
    "command",
    "nodes",
    "raw_id",
    "name",
    "run_hint",
)


@dataclass
class JobChanges:
    """What a pass changed, by primary key; ``ok`` is False when it ended in an error."""

    jobs: set[int] = field(default_factory=set)
    ok: bool = True


def sync_jobs(
    *, scheduler: Scheduler, now: datetime, users: list[str], history_days: int, full: bool = False
) -> JobChanges:
    """Bring jobs up to date: the live queue, and every attempt that accounting saw since the last good pass.

    When accounting does not answer the live queue is stored all the same, but nothing is concluded from
    a job's absence, and the pass counts as failed.
    """
    changes = JobChanges()
    scope = ""
    with sync_pass(source=SOURCE, scope=_scope_of(scheduler), full=full) as tally:
        scope = scheduler.cluster()
        since = _since(scope, now, history_days, full)
        live = scheduler.queue(users)
        past, problem = _history(scheduler, since, users)
        attempts = _merged(past, live)
        tally.seen, tally.requests = len(attempts), 2
        with transaction.atomic():
            result = upsert(Job, key=KEY, rows=[_row(attempt) for attempt in attempts], keep_if_empty=KEEP_IF_EMPTY)
            changes.jobs = {job.pk for job in result.changed}
            if problem is None:
                changes.jobs |= _mark_gone(scope, attempts)
        tally.changed = len(changes.jobs)
        _finish(tally, problem, now)
    changes.ok = not tally.error
    return changes


def _scope_of(scheduler: Scheduler) -> str:
    """The cluster's name, even for a note about a cluster that does not answer; empty before it ever told it."""
    try:
        return scheduler.cluster()
    except Transient:
        last = Job.objects.order_by("-pk").values_list("cluster", flat=True).first()
        return last or ""


def _since(cluster: str, now: datetime, history_days: int, full: bool) -> datetime:
    cursor = {} if full else last_good_cursor(SOURCE, cluster)
    if cursor.get("until"):
        return datetime.fromisoformat(cursor["until"]) - OVERLAP
    return now - timedelta(days=history_days)


def _history(scheduler: Scheduler, since: datetime, users: list[str]) -> tuple[list[JobAttempt], Transient | None]:
    try:
        return scheduler.history(since, users), None
    except Transient as problem:
        return [], problem


def _merged(past: Iterable[JobAttempt], live: Iterable[JobAttempt]) -> list[JobAttempt]:
    """One entry per attempt: accounting's, unless the queue still holds it and accounting knows no end."""
    merged = {(attempt.cluster, attempt.job_id, attempt.submit_at): attempt for attempt in past}
    for attempt in live:
        key = (attempt.cluster, attempt.job_id, attempt.submit_at)
        known = merged.get(key)
        if known is None or not known.ended:
            merged[key] = attempt
    return list(merged.values())


def _row(attempt: JobAttempt) -> dict[str, Any]:
    return {**asdict(attempt), "run_hint": run_named_in(attempt.comment)}


def _mark_gone(cluster: str, attempts: list[JobAttempt]) -> set[int]:
    """Mark live rows that neither queue nor accounting knows any more: both answered, so the job is gone."""
    present = {(attempt.job_id, attempt.submit_at) for attempt in attempts}
    held = Job.objects.live().filter(cluster=cluster)
    gone = {job.pk for job in held if (job.job_id, job.submit_at) not in present}
    Job.objects.filter(pk__in=gone).update(state="GONE")
    return gone


def _finish(tally: PassTally, problem: Transient | None, now: datetime) -> None:
    if problem is not None:
        raise Transient(f"The live queue was read, accounting was not: {problem}")
    tally.cursor = {"until": now.isoformat()}
