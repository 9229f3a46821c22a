"""What the sources screen shows: each source's last pass, when the next is due, and what happened lately."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.audit.models import SyncPass
from apps.audit.selectors import Freshness, freshness
from apps.core.clock import utcnow
from apps.workspaces.config import ConfigError, SweepboardConfig
from apps.workspaces.selectors import current_config

RECENT = 60
TITLES = {
    "wandb": "W&B",
    "slurm": "Slurm",
    "wandb-local": "Run folders",
    "wandb-history": "W&B histories",
    "wandb-deletions": "Deleted runs",
    "handovers": "Handovers",
    "worktrees": "Worktrees",
    "logs": "Job logs",
    "retention": "Thinning out",
    "join": "Joining",
    "config": "Configuration",
}
# Which task passes over a source; the others note problems only and have no pass of their own.
TASKS = {
    "wandb": "wandb",
    "slurm": "slurm",
    "wandb-local": "folders",
    "wandb-history": "histories",
    "wandb-deletions": "deletions",
    "handovers": "handovers",
    "worktrees": "worktrees",
}


@dataclass(frozen=True)
class SourceRow:
    """One source and scope. ``level`` is ok, stale or failed; ``next_at`` is None where no pass is scheduled."""

    title: str
    source: str
    scope: str
    level: str
    last: SyncPass
    good_at: datetime | None
    next_at: datetime | None
    task: str

    @property
    def key(self) -> str:
        return f"{self.source}-{self.last.pk}"

    @property
    def held(self) -> bool:
        """W&B asked us to wait, and we do."""
        return self.last.retry_at is not None and self.last.retry_at > utcnow()


def source_rows() -> list[SourceRow]:
    """Return one row for each source that was ever passed over, troubled ones first; four queries."""
    found = freshness()
    passes = SyncPass.objects.in_bulk([one.last_pk for one in found])
    intervals = _intervals()
    rows = [_row(one, passes[one.last_pk], intervals) for one in found if one.last_pk in passes]
    order, place = {"failed": 0, "stale": 1, "ok": 2}, {name: number for number, name in enumerate(TITLES)}
    return sorted(rows, key=lambda row: (order[row.level], place.get(row.source, 99), row.scope))


def _intervals() -> dict[str, int]:
    try:
        config = current_config()
    except ConfigError:
        config = SweepboardConfig()
    return {
        "wandb": config.wandb.sync_seconds,
        "slurm": config.slurm.sync_seconds,
        "wandb-local": config.wandb.folders_seconds,
        "wandb-history": config.wandb.history_seconds,
        "wandb-deletions": config.wandb.deletions_seconds,
        "handovers": config.handovers.scan_seconds,
        "worktrees": config.worktrees.scan_seconds,
        "retention": 86_400,
    }


def _row(one: Freshness, last: SyncPass, intervals: dict[str, int]) -> SourceRow:
    seconds = intervals.get(one.source)
    due = last.started_at + timedelta(seconds=seconds) if seconds else None
    next_at = max(due, last.retry_at) if due and last.retry_at else due
    return SourceRow(
        title=TITLES.get(one.source, one.source),
        source=one.source,
        scope=one.scope,
        level=_level(one, next_at, seconds),
        last=last,
        good_at=one.good_at,
        next_at=next_at,
        task=TASKS.get(one.source, ""),
    )


def _level(one: Freshness, next_at: datetime | None, seconds: int | None) -> str:
    if one.error:
        return "failed"
    # A pass may take a while; one that is late by more than three intervals has stopped.
    late = next_at is not None and seconds is not None and utcnow() > next_at + timedelta(seconds=max(180, 3 * seconds))
    return "stale" if late else "ok"


@dataclass(frozen=True)
class PassRow:
    """One pass of the past, under its source's title."""

    title: str
    one: SyncPass


def recent_passes(source: str = "", *, failed: bool = False) -> list[PassRow]:
    """Return the latest passes, of one source or of all, or only those that failed."""
    passes = SyncPass.objects.all()
    if source:
        passes = passes.filter(source=source)
    if failed:
        passes = passes.exclude(error="")
    return [PassRow(TITLES.get(one.source, one.source), one) for one in passes[:RECENT]]
