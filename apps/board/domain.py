"""What a row of the board says. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

LIVE_AGENT_JOB = frozenset({"RUNNING", "COMPLETING"})
# Jobs that left as they should are no longer expected back; everything else is missed.
LEFT_FOR_GOOD = frozenset({"COMPLETED", "CANCELLED", "REVOKED"})
RUN_STATE_ORDER = (
    "running",
    "pending",
    "preempting",
    "preempted",
    "finished",
    "crashed",
    "failed",
    "killed",
    "deleted",
)


@dataclass(frozen=True, slots=True)
class Badge:
    """One red flag, or several of one rule under one badge."""

    rule: str
    severity: str
    count: int
    evidence: str
    action: str
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """Agents of one sweep. ``status`` is OK, under capacity, has zombies or stale heartbeat."""

    active: int
    expected: int
    zombies: int = 0
    stale: int = 0

    @property
    def status(self) -> str:
        if self.zombies:
            return "has zombies"
        if self.stale:
            return "stale heartbeat"
        return "under capacity" if self.active < self.expected else "OK"


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One sweep on the board. GPU time in seconds; ``percent`` is of all that the sweep is to train."""

    pk: int
    sweep_id: str
    name: str
    url: str
    workspace: str
    project: str
    method: str
    state: str
    owners: tuple[str, ...]
    agents: AgentHealth
    runs_by_state: tuple[tuple[str, int], ...]
    runs: int
    expected_runs: int | None
    epoch: float | None
    target_epochs: float | None
    step: int | None
    percent: float | None
    metric_name: str
    metric_value: float | None
    badges: tuple[Badge, ...]
    checkpoint_step: int | None
    checkpoint_at: datetime | None
    gpu_seconds: float
    heartbeat_at: datetime | None
    source_ok: bool
    note: str = ""
    flag_rules: frozenset[str] = field(default_factory=frozenset)

    @property
    def key(self) -> str:
        return str(self.pk)

    @property
    def gpu_hours(self) -> float:
        return self.gpu_seconds / 3600

    @property
    def worst(self) -> int:
        """0 for a critical flag, 1 for a warning, 2 for a note, 3 for none."""
        order = {"critical": 0, "warning": 1, "note": 2}
        return min((order.get(badge.severity, 3) for badge in self.badges), default=3)


def agent_health(states: Iterable[str], zombies: int, stale: int) -> AgentHealth:
    """Count the agent jobs of a sweep, by the last state of each job."""
    listed = list(states)
    active = sum(state in LIVE_AGENT_JOB for state in listed)
    expected = sum(state not in LEFT_FOR_GOOD for state in listed)
    return AgentHealth(active, expected, zombies, stale)


def sweep_percent(percents: Iterable[float], runs: int, expected: int | None) -> float | None:
    """Return how much of a sweep is trained: the runs' percentages over all runs that are expected.

    None where no run has a target that somebody set.
    """
    known = list(percents)
    if not known:
        return None
    return min(100.0, sum(known) / max(runs, expected or 0, 1))


SORT_KEYS = {
    "flags": lambda row: (row.worst, -len(row.badges), row.name.lower()),
    "sweep": lambda row: (row.name.lower(), row.pk),
    "workspace": lambda row: (row.workspace.lower(), row.name.lower()),
    "agents": lambda row: (row.agents.active - row.agents.expected, row.name.lower()),
    "runs": lambda row: (-row.runs, row.name.lower()),
    "progress": lambda row: (row.percent if row.percent is not None else -1.0, row.name.lower()),
    "metric": lambda row: (row.metric_value if row.metric_value is not None else math.inf, row.name.lower()),
    "checkpoint": lambda row: (
        -row.checkpoint_at.timestamp() if row.checkpoint_at else math.inf,
        row.name.lower(),
    ),
    "gpu": lambda row: (-row.gpu_seconds, row.name.lower()),
    "heartbeat": lambda row: (
        -row.heartbeat_at.timestamp() if row.heartbeat_at else math.inf,
        row.name.lower(),
    ),
}


def sorted_rows(rows: Iterable[BoardRow], sort: str) -> list[BoardRow]:
    """Sort by a column; ``-column`` turns it round. An unknown column sorts by the worst flag."""
    key = SORT_KEYS.get(sort.removeprefix("-"), SORT_KEYS["flags"])
    return sorted(rows, key=key, reverse=sort.startswith("-"))
