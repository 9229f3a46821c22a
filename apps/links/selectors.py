"""Reading links."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.links.domain import How
from apps.links.models import AgentLink, RunLink
from apps.slurm.models import Job


@dataclass(frozen=True, slots=True)
class LinkedJob:
    """One attempt of a run. ``next_run`` is the run that the same job went on to, if it did."""

    job: Job
    how: How
    evidence: str
    next_run: str
    next_run_at: datetime | None


def jobs_of_runs(run_pks: Iterable[int]) -> dict[int, list[LinkedJob]]:
    """Return the attempts of each run, oldest first, in two queries."""
    wanted = set(run_pks)
    links = list(RunLink.objects.filter(run__in=wanted).select_related("job").order_by("job__submit_at"))
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
