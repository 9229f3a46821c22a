"""Who had the GPUs: hours by user and by sweep within the last days."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.audit.selectors import Freshness, freshness
from apps.core.units import DASH
from apps.links.selectors import gpu_hours_by_sweep
from apps.slurm.selectors import cluster_sources, gpu_hours_by_user, gpu_hours_of_attempts
from apps.sweeps.models import Sweep

SPANS = (1, 7, 30)
USUAL = 7


@dataclass(frozen=True, slots=True)
class Share:
    """One line of a table. ``sweep_id`` and ``url`` are empty for users and for what no sweep is known of."""

    name: str
    hours: float
    part: float  # of all hours of the span, 0 to 1
    sweep_id: str = ""
    url: str = ""

    @property
    def percent(self) -> float:
        return 100 * self.part


@dataclass(frozen=True)
class GpuHours:
    """The GPU hours of the last ``days``, largest first. ``attempts`` counts those that had GPUs."""

    days: int
    total: float
    attempts: int
    users: list[Share]
    sweeps: list[Share]
    clusters: list[Freshness]


def gpu_hours(days: int, now: datetime) -> GpuHours:
    """Return the GPU hours of the last ``days``; a constant number of queries but one for each thousand attempts."""
    attempts = gpu_hours_of_attempts(now - timedelta(days=days), now)
    total = sum(one.hours for one in attempts)
    return GpuHours(
        days=days,
        total=total,
        attempts=len(attempts),
        users=_largest_first(
            Share(user or DASH, hours, hours / total) for user, hours in gpu_hours_by_user(attempts).items()
        ),
        sweeps=_largest_first(_sweep_shares(gpu_hours_by_sweep(attempts), total)),
        clusters=cluster_sources(freshness()),
    )


def _sweep_shares(hours: dict[int | None, float], total: float) -> list[Share]:
    sweeps = Sweep.objects.only("name", "sweep_id", "url").in_bulk([pk for pk in hours if pk is not None])
    shares = [Share(one.name, hours[pk], hours[pk] / total, one.sweep_id, one.url) for pk, one in sweeps.items()]
    unknown = sum(taken for pk, taken in hours.items() if pk not in sweeps)
    return [*shares, Share("no sweep is known of", unknown, unknown / total)] if unknown else shares


def _largest_first(shares: Iterable[Share]) -> list[Share]:
    return sorted(shares, key=lambda one: (-one.hours, one.name, one.sweep_id))


def span_of(text: str) -> int:
    """Return the days that a query names; the usual span for anything else."""
    return int(text) if text in {str(days) for days in SPANS} else USUAL
