"""W&B as Sweepboard sees it: one contract for every source of sweeps and runs.

- A project is named ``entity/project``; a run id is unique only within its project.
- Every call has a time-out and raises only ``Transient`` (W&B does not answer, or asks to wait) or
  ``Permanent`` (wrong key, no such project) from ``apps.core.errors``.
- Times are aware UTC datetimes. Config and summary are plain JSON values; NaN and the infinities
  arrive as the strings ``NaN``, ``Infinity`` and ``-Infinity``.
- ``requests`` counts what was asked of the server since the source was made.
- A source is made for one pass and closed after it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

LIVE_RUN_STATES = frozenset({"running", "pending", "preempting"})
ENDED_RUN_STATES = frozenset({"finished", "failed", "crashed", "killed", "preempted"})
LIVE_SWEEP_STATES = frozenset({"RUNNING", "PAUSED", "PENDING"})


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """One sweep. ``config`` is the sweep's parsed YAML; ``state`` in capitals, as W&B spells it."""

    sweep_id: str
    name: str
    method: str
    state: str
    config: Mapping[str, Any]
    url: str
    description: str = ""
    expected_runs: int | None = None
    run_count: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """One agent of a sweep; ``state`` in capitals."""

    agent_id: str
    name: str
    host: str
    state: str
    total_runs: int
    heartbeat_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run; ``sweep_id`` is empty for a run outside any sweep."""

    run_id: str
    name: str
    state: str
    url: str
    sweep_id: str = ""
    user: str = ""
    group: str = ""
    tags: Sequence[str] = ()
    notes: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    heartbeat_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunJob:
    """What a run's metadata says of the Slurm job that it ran in.

    ``raw_id`` is the job's SLURM_JOB_ID, Slurm's own number even for an array task.
    """

    raw_id: int
    array_job_id: int | None = None
    array_task_id: int | None = None
    host: str = ""


class SweepSource(Protocol):
    """One source of sweeps. See the module's docstring for what every method promises."""

    requests: int

    def sweeps(self, project: str) -> list[SweepRecord]:
        """Every sweep of the project."""

    def runs(self, project: str, since: datetime | None = None) -> Iterator[RunRecord]:
        """Every run, or those with a heartbeat at or after ``since``; oldest heartbeat first. Duplicates may come."""

    def runs_by_id(self, project: str, run_ids: Iterable[str]) -> Iterator[RunRecord]:
        """The named runs, as far as they still exist."""

    def agents(self, project: str, sweep_id: str) -> list[AgentRecord]:
        """The agents of one sweep, those that ended too."""

    def job_of(self, project: str, run_id: str) -> RunJob | None:
        """The Slurm job that the run's metadata names; None where there is no metadata, or no Slurm in it."""

    def close(self) -> None:
        """Give back what the source holds. No call may follow."""
