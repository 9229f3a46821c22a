"""Which attempt of which job carries which run. Pure.

The order of trust: the run's own metadata, the job's comment, a log that names the run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

SLACK = timedelta(seconds=2)
QUIET = timedelta(minutes=10)  # heartbeats come every half minute; W&B waits 5 minutes before it says crashed
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
    if last is not None and last.state in COMES_BACK and not run.finished and _lived_to_its_end(run, last):
        after = [life for life in lives if life.submit_at > last.submit_at]
        carrying += after[:1] if after and after[0].start_at is None else []
    return carrying


def _lived_to_its_end(run: RunFact, life: AttemptFact) -> bool:
    """Tell whether the job was taken away from the run, and not from one that its agent had pulled after it."""
    return run.until is None or life.end_at is None or run.until >= life.end_at - QUIET


def _overlaps(run: RunFact, life: AttemptFact) -> bool:
    if life.start_at is None or run.began_at is None:
        return False
    began_before_end = life.end_at is None or run.began_at <= life.end_at + SLACK
    lived_after_start = run.until is None or run.until >= life.start_at - SLACK
    return began_before_end and lived_after_start


@dataclass(frozen=True, slots=True)
class JobTime:
    """Time that a run spent in its jobs: what is over, and since when it goes on, on how many GPUs.

    Kept like this it stays the same while nothing happens, although time passes.
    """

    seconds: float = 0.0
    gpu_seconds: float = 0.0
    since: datetime | None = None
    gpus: int = 0

    def seconds_at(self, now: datetime) -> float:
        return self.seconds + self._ticked(now)

    def gpu_seconds_at(self, now: datetime) -> float:
        return self.gpu_seconds + self._ticked(now) * self.gpus

    def _ticked(self, now: datetime) -> float:
        return max(0.0, (now - self.since).total_seconds()) if self.since else 0.0


LIVE_AGENT_JOB = frozenset({"RUNNING", "COMPLETING"})
# Jobs that left as they should are no longer expected back; everything else is missed.
LEFT_FOR_GOOD = frozenset({"COMPLETED", "CANCELLED", "REVOKED"})


def agents_alive(states: Iterable[str], *, wanted: bool) -> tuple[int, int]:
    """Return (active, expected) agent jobs of a sweep, by the last state of each job.

    ``wanted`` says that the sweep still runs: then at least one agent is expected, whoever left for good.
    """
    listed = list(states)
    active = sum(state in LIVE_AGENT_JOB for state in listed)
    return active, max(sum(state not in LEFT_FOR_GOOD for state in listed), int(wanted))


Life = tuple[datetime | None, datetime | None, int]


def job_time(began: datetime | None, until: datetime | None, lives: Iterable[Life]) -> JobTime:
    """Add up the (start, end, GPUs) of a run's attempts, cut to when the run lived; ``until`` is None while it does.

    Attempts that a later one replaced count as well. Where the run shares no moment with any of them, W&B's clock and
    the cluster's are apart: then the run took its own span, but no longer than the last attempt.
    """
    lives = list(lives)
    total = JobTime()
    for start, end, gpus in lives:
        stop = min((moment for moment in (until, end) if moment is not None), default=None)
        if began is None or start is None:
            continue
        if stop is None:
            total = replace(total, since=max(began, start), gpus=gpus)
        else:
            spent = max(0.0, (stop - max(began, start)).total_seconds())
            total = replace(total, seconds=total.seconds + spent, gpu_seconds=total.gpu_seconds + spent * gpus)
    return total if total != JobTime() else _time_by_two_clocks(began, until, lives)


def _time_by_two_clocks(began: datetime | None, until: datetime | None, lives: Sequence[Life]) -> JobTime:
    known = [(end - start, gpus) for start, end, gpus in lives if start is not None and end is not None]
    if not known or began is None or until is None:
        return JobTime()
    span, gpus = known[-1]
    seconds = max(0.0, min(until - began, span).total_seconds())
    return JobTime(seconds, seconds * gpus)
