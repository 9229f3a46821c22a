"""What can be known of a week, and since when Sweepboard was there to know it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Min

from apps.audit.models import AuditEvent, SyncPass
from apps.audit.selectors import Freshness, freshness
from apps.flags.models import Flag
from apps.handovers.models import Handover
from apps.review.domain.facts import Known
from apps.slurm.selectors import cluster_sources
from apps.workspaces.config import ConfigError, SweepboardConfig
from apps.workspaces.selectors import current_config

BEHIND = timedelta(hours=1)  # a source whose last good pass is older than that before the told part ends


def known_of(since: datetime, until: datetime, now: datetime) -> Known:
    """Return what the sources can tell of the time from ``since`` to ``until``; six queries."""
    sources, first = freshness(), _first_record()
    config = _config()
    wandb = [one for one in sources if one.source == "wandb"]
    clusters = cluster_sources(sources)
    read_from = first - timedelta(days=config.slurm.history_days) if first else None
    limits = {
        "wandb": _behind("W&B", wandb, until),
        "slurm": _behind("Slurm", clusters, until)
        or _dropped_jobs(config, until, now)
        or _from(read_from, since, until),
        "watched": _from(first, since, until),
    }
    return Known(
        wandb="" if _read(wandb) else "W&B was never read",
        slurm=_no_slurm(clusters, read_from, until),
        watched="" if first and first < until else "Sweepboard was not there yet",
        alerts=_dropped_alerts(config, until, now),
        limits={name: said for name, said in limits.items() if said},
    )


def _config() -> SweepboardConfig:
    try:
        return current_config()
    except ConfigError:
        return SweepboardConfig()


def _first_record() -> datetime | None:
    """Return the oldest moment that any record of Sweepboard's own is of; flags and audit events are kept for ever."""
    told = [
        AuditEvent.objects.order_by().aggregate(at=Min("at"))["at"],
        SyncPass.objects.order_by().aggregate(at=Min("started_at"))["at"],
        Flag.objects.order_by().aggregate(at=Min("opened_at"))["at"],
        Handover.objects.order_by().aggregate(at=Min("first_seen_at"))["at"],
    ]
    return min((at for at in told if at is not None), default=None)


def _read(sources: Sequence[Freshness]) -> bool:
    return any(one.good_at for one in sources)


def _behind(title: str, sources: Sequence[Freshness], until: datetime) -> str:
    """Name the source that is furthest behind; a week that ended long before its last good pass is known whole."""
    late = [one for one in sources if one.good_at is None or one.good_at < until - BEHIND]
    if not late:
        return ""
    if unread := [one for one in late if one.good_at is None]:
        return f"{title} {unread[0].scope} was never read"
    worst = min(late, key=lambda one: one.good_at or until)
    return f"{title} {worst.scope} has told nothing since {worst.good_at:%Y-%m-%d %H:%M} UTC"


def _from(first: datetime | None, since: datetime, until: datetime) -> str:
    return f"known since {first:%Y-%m-%d %H:%M} UTC only" if first and since < first < until else ""


def _no_slurm(clusters: Sequence[Freshness], read_from: datetime | None, until: datetime) -> str:
    """The first pass reads accounting some days back; what is older was never asked for."""
    if not _read(clusters):
        return "Slurm was never read"
    if read_from is not None and until <= read_from:
        return f"accounting was read from {read_from:%Y-%m-%d} on only"
    return ""


def _dropped_jobs(config: SweepboardConfig, until: datetime, now: datetime) -> str:
    days = config.retention.jobs_days
    return f"jobs that carried no run are kept for {days} days" if until < now - timedelta(days=days) else ""


def _dropped_alerts(config: SweepboardConfig, until: datetime, now: datetime) -> str:
    days = config.retention.alerts_days
    return f"messages are kept for {days} days" if until < now - timedelta(days=days) else ""
