"""Pulling jobs and their attempts from the scheduler into the database."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps.audit.selectors import last_good_cursor
from apps.audit.services import PassTally, sync_pass
from apps.core.errors import SweepboardError, Transient
from apps.core.upsert import upsert
from apps.slurm.domain import run_named_in
from apps.slurm.models import GONE, Job
from apps.slurm.ports import JobAttempt, Scheduler
from apps.slurm.selectors import SOURCE, Held, gone_since, held_live, last_cluster

OVERLAP = timedelta(minutes=2)  # accounting is written a little later than things happen
# Accounting may hear of a job's end long after it. Missing jobs are therefore asked for by their ids: the
# number bounds one question, and what stays unheard of for longer than this is asked for no more.
MOST_MISSING = 500
ASK_FOR_GONE = timedelta(days=1)
COLUMNS = tuple(one.name for one in fields(JobAttempt))
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
    "requeue_count",
    "max_rss_bytes",
)


@dataclass
class JobChanges:
    """What a pass changed, by primary key; ``ok`` is False when it ended in an error."""

    jobs: set[int] = field(default_factory=set)
    ok: bool = True


@dataclass
class Answers:
    """What the scheduler told in one pass. ``problem`` is why accounting is missing from it.

    ``gone`` holds the attempts that we hold as live and that nobody knows, though they were asked for by id.
    """

    attempts: list[JobAttempt]
    requests: int
    gone: list[Held] = field(default_factory=list)
    problem: SweepboardError | None = None


def sync_jobs(
    *,
    scheduler: Scheduler,
    now: datetime,
    users: list[str],
    history_days: int,
    scope: str = "",
    full: bool = False,
) -> JobChanges:
    """Bring one cluster's jobs up to date: the live queue, and every attempt that accounting saw since.

    ``scope`` is the cluster's configured name; empty for the only one, which then tells its name itself.
    When accounting does not answer the live queue is stored all the same, but nothing is concluded from
    a job's absence, and the pass counts as failed.
    """
    changes = JobChanges()
    with sync_pass(source=SOURCE, scope=scope or _scope_of(scheduler), full=full) as tally:
        cluster = scheduler.cluster()
        answers = _ask(scheduler, cluster, _since(cluster, now, history_days, full), users, now)
        tally.seen, tally.requests = len(answers.attempts), answers.requests
        with transaction.atomic():
            rows = [_row(attempt) for attempt in answers.attempts]
            result = upsert(Job, key=KEY, rows=rows, keep_if_empty=KEEP_IF_EMPTY)
            changes.jobs = {job.pk for job in result.changed}
            changes.jobs |= _mark_gone(answers.gone, now)
        tally.changed = len(changes.jobs)
        _finish(tally, answers.problem, now)
    changes.ok = not tally.error
    return changes


def _scope_of(scheduler: Scheduler) -> str:
    """The cluster's name, even for a note about a cluster that does not answer; empty before it ever told it."""
    try:
        return scheduler.cluster()
    except SweepboardError:
        return last_cluster()


def note_unreachable(*, scope: str, error: SweepboardError, full: bool = False) -> None:
    """Note a pass over a cluster for which there is no adapter at all."""
    with sync_pass(source=SOURCE, scope=scope or last_cluster(), full=full):
        raise error


def _since(cluster: str, now: datetime, history_days: int, full: bool) -> datetime:
    cursor = {} if full else last_good_cursor(SOURCE, cluster)
    if cursor.get("until"):
        return datetime.fromisoformat(cursor["until"]) - OVERLAP
    return now - timedelta(days=history_days)


def _ask(scheduler: Scheduler, cluster: str, since: datetime, users: list[str], now: datetime) -> Answers:
    """Ask for the live queue, for history, and for the jobs that both should have told and did not."""
    live = scheduler.queue(users)
    try:
        attempts = _merged(scheduler.history(since, users), live)
        absent = _absent(held_live(cluster), attempts)[:MOST_MISSING]
        missing = [*absent, *gone_since(cluster, now - ASK_FOR_GONE)[:MOST_MISSING]]
        if not missing:
            return Answers(attempts, 2)
        oldest = min(held.submit_at for held in missing)
        found = scheduler.attempts_of(sorted({held.job_id for held in missing}), oldest)
    except SweepboardError as problem:
        return Answers(live, 2, problem=problem)
    return Answers(_merged(found, attempts), 3, gone=_absent(absent, found))


def _absent(held: list[Held], attempts: list[JobAttempt]) -> list[Held]:
    """The held attempts that are not among ``attempts``."""
    present = {(attempt.job_id, attempt.submit_at) for attempt in attempts}
    return [one for one in held if (one.job_id, one.submit_at) not in present]


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
    row: dict[str, Any] = {name: getattr(attempt, name) for name in COLUMNS}
    if not attempt.ended:
        # How long a live attempt has run follows from its start: stored, it would change at every pass.
        row["elapsed_seconds"] = 0
    return {**row, "run_hint": run_named_in(attempt.comment), "gone_at": None}


def _mark_gone(gone: list[Held], now: datetime) -> set[int]:
    """Mark live rows that neither queue nor accounting knows: both answered, so the jobs are gone."""
    keys = {one.pk for one in gone}
    if keys:
        Job.objects.filter(pk__in=keys).update(state=GONE, gone_at=now)
    return keys


def _finish(tally: PassTally, problem: SweepboardError | None, now: datetime) -> None:
    if problem is not None:
        raise Transient(f"The live queue was read, accounting was not: {problem}")
    tally.cursor = {"until": now.isoformat()}
