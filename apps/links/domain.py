"""Which attempt of which job carries which run. Pure.

The order of trust: the run's own metadata, the job's comment, a log that names the run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SLACK = timedelta(seconds=2)
COMES_BACK = frozenset({"REQUEUED", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL"})


class How(StrEnum):
    """How we know that a job carries a run."""

    METADATA = "metadata"
    COMMENT = "comment"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class RunFact:
    """What linking needs of a run. ``until`` is the last sign of life; None while it lives.

    ``raw_ids`` are the SLURM_JOB_IDs that its processes told; a resumed run has several.
    """

    pk: int
    run_id: str
    began_at: datetime | None
    until: datetime | None
    finished: bool
    raw_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class AttemptFact:
    """What linking needs of one attempt of a job."""

    pk: int
    cluster: str
    job_id: str
    raw_id: int | None
    submit_at: datetime
    start_at: datetime | None
    end_at: datetime | None
    state: str
    run_hint: str
    logged_runs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Link:
    run_pk: int
    job_pk: int
    how: How
    evidence: str


def links_of(run: RunFact, attempts: Iterable[AttemptFact]) -> list[Link]:
    """Return the attempts that carry ``run``, oldest first; ``attempts`` may hold other runs' jobs too."""
    by_job: dict[tuple[str, str], list[AttemptFact]] = {}
    for attempt in sorted(attempts, key=lambda one: one.submit_at):
        by_job.setdefault((attempt.cluster, attempt.job_id), []).append(attempt)
    links: list[Link] = []
    for lives in by_job.values():
        how = _how(run, lives)
        if how is not None:
            links += [Link(run.pk, life.pk, how[0], how[1]) for life in _carrying(run, lives, how[0])]
    return links


def _how(run: RunFact, lives: Sequence[AttemptFact]) -> tuple[How, str] | None:
    job = lives[-1]
    # Any life's number will do: that of a pending array task is not known yet.
    named = next((life.raw_id for life in lives if life.raw_id in run.raw_ids), None)
    if named is not None and any(_overlaps(run, life) for life in lives):
        return How.METADATA, f"the run's metadata names SLURM_JOB_ID {named}"
    if any(life.run_hint == run.run_id for life in lives):
        return How.COMMENT, f"the comment of job {job.job_id} names run {run.run_id}"
    if any(run.run_id in life.logged_runs for life in lives):
        return How.LOG, f"a log of job {job.job_id} names run {run.run_id}"
    return None


def _carrying(run: RunFact, lives: Sequence[AttemptFact], how: How) -> list[AttemptFact]:
    """The lives of a job in which the run took part, and the one in which it waits to come back."""
    if how is How.COMMENT:
        return list(lives)  # a job that was submitted for one run carries no other
    carrying = [life for life in lives if _overlaps(run, life)]
    if not carrying:
        # Clocks may differ by more than our slack: the log's word counts, for the last life that began.
        carrying = [life for life in lives if life.start_at is not None][-1:]
    last = carrying[-1] if carrying else None
    if last is not None and last.state in COMES_BACK and not run.finished:
        after = [life for life in lives if life.submit_at > last.submit_at]
        carrying += after[:1] if after and after[0].start_at is None else []
    return carrying


def _overlaps(run: RunFact, life: AttemptFact) -> bool:
    if life.start_at is None or run.began_at is None:
        return False
    began_before_end = life.end_at is None or run.began_at <= life.end_at + SLACK
    lived_after_start = run.until is None or run.until >= life.start_at - SLACK
    return began_before_end and lived_after_start


def shared_seconds(
    run_began: datetime | None,
    run_until: datetime | None,
    start: datetime | None,
    end: datetime | None,
    now: datetime,
) -> float:
    """Return for how many seconds a run and an attempt lived together."""
    if run_began is None or start is None:
        return 0.0
    begin = max(run_began, start)
    finish = min(run_until or now, end or now)
    return max(0.0, (finish - begin).total_seconds())
