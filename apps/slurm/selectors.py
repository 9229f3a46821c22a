"""Reading jobs."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from apps.audit.selectors import Freshness
from apps.slurm.domain import gpu_hours
from apps.slurm.models import GONE, Job, JobQuerySet
from apps.workspaces.config import ConfigError
from apps.workspaces.selectors import current_config

SOURCE = "slurm"


@dataclass(frozen=True, slots=True)
class Held:
    """What tells one stored attempt from the others."""

    pk: int
    job_id: str
    submit_at: datetime


def last_cluster() -> str:
    """Return the cluster of the newest job; empty before there is one."""
    return Job.objects.order_by("-pk").values_list("cluster", flat=True).first() or ""


def held_live(cluster: str) -> list[Held]:
    """Return the attempts of a cluster that are held as queued or running, oldest first."""
    return _held(Job.objects.live().filter(cluster=cluster).order_by("pk"))


def gone_since(cluster: str, since: datetime) -> list[Held]:
    """Return the attempts of a cluster that nobody knew any more at or after ``since``, the last ones first."""
    return _held(Job.objects.filter(cluster=cluster, state=GONE, gone_at__gte=since).order_by("-gone_at", "-pk"))


def _held(jobs: JobQuerySet) -> list[Held]:
    return [Held(*values) for values in jobs.values_list("pk", "job_id", "submit_at")]


def cluster_sources(sources: list[Freshness]) -> list[Freshness]:
    """Return how fresh each cluster is that is followed now, by the names in sweepboard.toml.

    A cluster that is configured and was never passed over is there too, as one that did not answer. Without
    names there is one cluster: the one that was tried last, whatever others were followed before.
    """
    told = {one.scope: one for one in sources if one.source == SOURCE}
    if names := _configured():
        return [told.get(name) or Freshness(SOURCE, name, None, None, "", "") for name in names]
    tried = [one for one in told.values() if one.tried_at is not None]
    return [max(tried, key=lambda one: one.tried_at)] if tried else []  # type: ignore[arg-type, return-value]  # None is left out


def _configured() -> list[str]:
    """The names of [[slurm.cluster]]; empty, for the one cluster, also while sweepboard.toml cannot be read."""
    try:
        return [cluster.name for cluster in current_config().slurm.cluster]
    except ConfigError:
        return []


@dataclass(frozen=True, slots=True)
class GpuAttempt:
    """One attempt that had GPUs within a span of time, and its hours of them in that span."""

    pk: int
    user: str
    hours: float


def gpu_hours_of_attempts(since: datetime | None, now: datetime) -> list[GpuAttempt]:
    """Return every attempt that held GPUs between ``since`` (None: ever) and ``now``, replaced ones too.

    One query. An attempt that nobody knew any more counts until that was noticed.
    """
    held = Job.objects.filter(gpus__gt=0, start_at__lt=now)
    if since is not None:
        held = held.filter(Q(end_at__gte=since) | Q(end_at=None))
    rows = held.values_list("pk", "user", "gpus", "start_at", "end_at", "gone_at", "elapsed_seconds")
    counted = (
        GpuAttempt(pk, user, gpu_hours(gpus, start, end or gone or _ended(start, elapsed), since, now))
        for pk, user, gpus, start, end, gone, elapsed in rows
    )
    return [one for one in counted if one.hours > 0]


def _ended(start: datetime | None, elapsed: int) -> datetime | None:
    """The end of an attempt that ended without telling when; None for a live one, which has no elapsed time yet."""
    return start + timedelta(seconds=elapsed) if start and elapsed else None


def gpu_hours_by_user(attempts: Iterable[GpuAttempt]) -> dict[str, float]:
    """Return the hours of these attempts by their Slurm user."""
    found: dict[str, float] = defaultdict(float)
    for one in attempts:
        found[one.user] += one.hours
    return dict(found)
