"""Reading links."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.links.domain import How, JobTime, job_time
from apps.links.models import AgentLink, RunLink
from apps.slurm.models import Job
from apps.slurm.selectors import GpuAttempt
from apps.sweeps.models import Run

BATCH = 1000


@dataclass(frozen=True, slots=True)
class LinkedJob:
    """One attempt of a run. ``next_run`` is the run that the same job went on to, if it did."""

    job: Job
    how: How
    evidence: str
    next_run: str
    next_run_at: datetime | None


# Long texts that nobody asks of an attempt that carried a run.
_HOW_IT_WAS_SUBMITTED = tuple(
    f"job__{name}" for name in ("comment", "work_dir", "command", "stdout_path", "stderr_path", "run_hint")
)


def jobs_of_runs(run_pks: Iterable[int]) -> dict[int, list[LinkedJob]]:
    """Return the attempts of each run, oldest first, in two queries."""
    wanted = set(run_pks)
    rows = RunLink.objects.filter(run__in=wanted).select_related("job").defer(*_HOW_IT_WAS_SUBMITTED)
    links = list(rows.order_by("job__submit_at"))
    siblings = _siblings({link.job_id for link in links})
    found: dict[int, list[LinkedJob]] = defaultdict(list)
    for link in links:
        following = _next_run(siblings[link.job_id], link.run_id)
        found[link.run_id].append(LinkedJob(link.job, How(link.how), link.evidence, *(following or ("", None))))
    return found


def _siblings(job_pks: set[int]) -> dict[int, list[tuple[datetime | None, int, str]]]:
    """Return the runs of each attempt in the order in which they began."""
    rows = RunLink.objects.filter(job__in=job_pks).values_list("job_id", "run__created_at", "run_id", "run__run_id")
    found: dict[int, list[tuple[datetime | None, int, str]]] = defaultdict(list)
    for job_pk, began, run_pk, run_id in rows.order_by("run__created_at"):
        found[job_pk].append((began, run_pk, run_id))
    return found


def _next_run(siblings: list[tuple[datetime | None, int, str]], run_pk: int) -> tuple[str, datetime | None] | None:
    order = [pk for _, pk, _ in siblings]
    position = order.index(run_pk) + 1
    return (siblings[position][2], siblings[position][0]) if position < len(siblings) else None


def agent_jobs(sweep_pks: Iterable[int]) -> dict[int, list[Job]]:
    """Return every attempt that works or worked for each sweep, oldest first, in one query."""
    found: dict[int, list[Job]] = defaultdict(list)
    links = AgentLink.objects.filter(sweep__in=set(sweep_pks)).select_related("job")
    for link in links.order_by("job__submit_at"):
        found[link.sweep_id].append(link.job)
    return found


def agent_job_states(sweep_pks: Iterable[int]) -> dict[int, list[str]]:
    """Return the last state of each agent job of each sweep, in one query."""
    found: dict[int, list[str]] = defaultdict(list)
    for pk, jobs in agent_jobs(sweep_pks).items():
        found[pk] = [job.state for job in last_attempts(jobs)]
    return found


def last_attempts(jobs: Iterable[Job]) -> list[Job]:
    """Return the last attempt of each job; ``jobs`` are attempts, oldest first."""
    return list({(job.cluster, job.job_id): job for job in jobs}.values())


def nodes_of_nobodys_jobs(states: Iterable[str]) -> set[str]:
    """Return the nodes, as Slurm lists them, of live jobs in these states of which no sweep is known: one query."""
    live = Job.objects.live().filter(state__in=set(states), agent_links=None).exclude(nodes="")
    return set(live.order_by().values_list("nodes", flat=True).distinct())


def jobs_with_runs(job_pks: Iterable[int]) -> set[int]:
    """Return those of these attempts that carry a run, in one query; none where none are given."""
    wanted = set(job_pks)
    return set(RunLink.objects.filter(job__in=wanted).values_list("job_id", flat=True)) if wanted else set()


def gpu_hours_by_run(run_pks: Iterable[int], now: datetime) -> dict[int, float]:
    """Return the GPU hours of each run over all its attempts, for as long as run and attempt lived together.

    One agent's job carries many runs one after another, so a job's hours are not its run's. Attempts that a
    later one replaced count as well.
    """
    runs = Run.objects.in_bulk(set(run_pks))
    linked = jobs_of_runs(runs)
    return {pk: time_in_jobs(run, linked.get(pk, [])).gpu_seconds_at(now) / 3600 for pk, run in runs.items()}


def time_in_jobs(run: Run, linked: Iterable[LinkedJob]) -> JobTime:
    """Return the time that a run spent in its attempts."""
    linked = list(linked)
    lives = ((one.job.start_at, left_at(run, one, linked), one.job.gpus) for one in linked)
    return job_time(run.created_at, run.ended_at, lives)


def left_at(run: Run, one: LinkedJob, linked: Iterable[LinkedJob]) -> datetime | None:
    """Return when the run was no longer in this attempt for sure; None while it may be.

    An agent that went on to its next run left this one behind, whatever W&B says of it: also where the run was heard
    of again since, from a later attempt.
    """
    job, over = one.job, one.job.over_at
    if over is None and job.ended and job.start_at is not None:
        over = job.start_at + timedelta(seconds=job.elapsed_seconds or 0)
    went_on = one.next_run_at
    if went_on is None:
        return over
    if run.heartbeat_at is not None and run.heartbeat_at >= went_on and not _came_back_alone(one, went_on, linked):
        return over
    return went_on if over is None else min(over, went_on)


def _came_back_alone(one: LinkedJob, went_on: datetime, linked: Iterable[LinkedJob]) -> bool:
    """Tell whether a later attempt took the run up without the next one; two runs side by side come back together."""
    later = (other for other in linked if other.job.start_at is not None and other.job.start_at >= went_on)
    return any(other.next_run != one.next_run for other in later)


def gpu_hours_by_sweep(attempts: Iterable[GpuAttempt]) -> dict[int | None, float]:
    """Return the hours of these attempts by the sweep that they work or worked for; under None those of no sweep.

    What an agent's job took is its sweep's whole, also between two runs. Where one attempt worked for several
    sweeps, its hours are shared out evenly, so that the sum stays what the cluster gave.
    """
    hours = {one.pk: one.hours for one in attempts}
    sweeps: dict[int, list[int | None]] = defaultdict(list)
    for job_pk, sweep_pk in _agents_of(hours):
        sweeps[job_pk].append(sweep_pk)
    found: dict[int | None, float] = defaultdict(float)
    for job_pk, taken in hours.items():
        worked_for = sweeps.get(job_pk, [None])
        for sweep in worked_for:
            found[sweep] += taken / len(worked_for)
    return dict(found)


def _agents_of(job_pks: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield (job, sweep) of these jobs, a thousand at a time: databases bound the length of a list."""
    wanted = sorted(job_pks)
    for start in range(0, len(wanted), BATCH):
        links = AgentLink.objects.filter(job__in=wanted[start : start + BATCH])
        yield from links.values_list("job_id", "sweep_id")
