"""What a row of the board says. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.links.domain import agents_alive

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
    seen: str = ""  # why it needs nobody now, such as 'acknowledged by mira'


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
class Need:
    """The next action of a sweep, under the names that a run's has: both are shown alike."""

    verdict: str
    verdict_reason: str
    agreement: str
    chain: tuple[str, ...]
    verdict_change: str = ""


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
    purpose: str = ""
    spark: tuple[tuple[float, float], ...] = ()  # the best run's metric: (step, value)
    flag_rules: frozenset[str] = field(default_factory=frozenset)
    need: Need | None = None

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


def agent_health(states: Iterable[str], zombies: int, stale: int, *, wanted: bool = False) -> AgentHealth:
    """Count the agent jobs of a sweep, by the last state of each job; see ``links.domain.agents_alive``."""
    return AgentHealth(*agents_alive(states, wanted=wanted), zombies, stale)


def sweep_percent(percents: Iterable[float], runs: int, expected: int | None) -> float | None:
    """Return how much of a sweep is trained: the runs' percentages over all runs that are expected.

    None where no run has a target that somebody set.
    """
    known = list(percents)
    if not known:
        return None
    return min(100.0, sum(known) / max(runs, expected or 0, 1))


# Columns whose first click shows the largest first; all others begin with the smallest.
LARGEST_FIRST = frozenset({"flags", "runs", "gpu"})
SORT_KEYS: dict[str, Callable[[BoardRow], Any]] = {
    "flags": lambda row: (row.worst, -len(row.badges)),
    "sweep": lambda row: row.name.lower(),
    "workspace": lambda row: row.workspace.lower(),
    "agents": lambda row: row.agents.active - row.agents.expected,
    "runs": lambda row: -row.runs,
    "progress": lambda row: row.percent,
    "metric": lambda row: row.metric_value,
    "checkpoint": lambda row: -row.checkpoint_at.timestamp() if row.checkpoint_at else None,
    "gpu": lambda row: -row.gpu_seconds,
    "heartbeat": lambda row: -row.heartbeat_at.timestamp() if row.heartbeat_at else None,
}


def sorted_rows(rows: Iterable[BoardRow], sort: str) -> list[BoardRow]:
    """Sort by a column; ``-column`` turns it round. An unknown column sorts by the worst flag.

    What is not known stands last either way, and equals stand by name.
    """
    key = SORT_KEYS.get(sort.removeprefix("-"), SORT_KEYS["flags"])
    by_name = sorted(rows, key=lambda row: (row.name.lower(), row.pk))
    known = sorted((row for row in by_name if key(row) is not None), key=key, reverse=sort.startswith("-"))
    return known + [row for row in by_name if key(row) is None]
