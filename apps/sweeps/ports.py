"""W&B as Sweepboard sees it: one contract for every source of sweeps and runs.

- A project is named ``entity/project``; a run id is unique only within its project.
- Every call has a time-out and raises only ``Transient`` (W&B does not answer, or asks to wait) or
  ``Permanent`` (wrong key, no such project) from ``apps.core.errors``.
- Times are aware UTC datetimes. Config and summary are plain JSON values; NaN and the infinities
  arrive as the strings ``NaN``, ``Infinity`` and ``-Infinity``, an integer that no float holds as its digits.
- ``requests`` counts what was asked of the server since the source was made.
- A source is made for one pass and closed after it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

LIVE_RUN_STATES = frozenset({"running", "pending", "preempting"})
ENDED_RUN_STATES = frozenset({"finished", "failed", "crashed", "killed", "preempted"})
LIVE_SWEEP_STATES = frozenset({"RUNNING", "PAUSED", "PENDING"})
Points = list[tuple[float, float]]


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
class SweepRecord:
    """One sweep. ``config`` is the sweep's parsed YAML; ``state`` in capitals, as W&B spells it.

    ``agents`` is None where they were not asked for.
    """

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
    agents: tuple[AgentRecord, ...] | None = None


@dataclass(frozen=True, slots=True)
class RunJob:
    """The Slurm job in which one process of a run lived, as W&B was told.

    ``raw_id`` is the job's SLURM_JOB_ID, Slurm's own number even for an array task.
    """

    raw_id: int
    array_job_id: int | None = None
    array_task_id: int | None = None
    host: str = ""
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run; ``sweep_id`` is empty for a run outside any sweep.

    ``jobs`` has one entry for each process of the run that lived in a Slurm job, oldest first: a resumed run has
    several. ``ask_metadata`` says that the run's client is too old to tell this in its config. GPU figures are
    the latest that was measured, averaged over the run's GPUs, in percent. W&B stamps a run that trained offline
    with the time of its upload: ``trained_from`` and ``trained_until`` are then what the run itself logged.
    """

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
    jobs: tuple[RunJob, ...] = ()
    ask_metadata: bool = False
    gpu_percent: float | None = None
    gpu_memory_percent: float | None = None
    trained_from: datetime | None = None
    trained_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FolderStamp:
    """A run folder below a workspace's ``wandb/``, as listed. ``size`` in bytes, of the transaction log.

    ``offline`` says that it was written without a connection, ``synced`` that the client marked it as uploaded.
    """

    path: Path
    run_id: str
    offline: bool
    size: int
    modified_at: datetime
    synced: bool


@dataclass(frozen=True, slots=True)
class LocalRun:
    """What a run folder says of its run. ``entity`` and ``sweep_id`` are empty where it does not say.

    ``state`` is running while no end is written; ``step`` counts log calls, as W&B does.
    """

    record: RunRecord
    entity: str
    project: str
    step: int | None = None


class RunFolders(Protocol):
    """The run folders that W&B's client leaves in a workspace, read without a server.

    Reading changes nothing. Errors are ``Transient`` (the filesystem does not answer, the reader did not end in
    time) or ``Permanent`` (the folder's log cannot be read, by whom and why).
    """

    requests: int

    def list(self, root: Path) -> list[FolderStamp]:
        """Every run folder of the workspace at ``root``, newest first; none where there is no ``wandb/``."""

    def read(self, path: Path) -> LocalRun:
        """What one folder says."""


class Uploader(Protocol):
    """Uploads one run folder to W&B by the client's own means; repeating it changes nothing on W&B's side."""

    def upload(self, path: Path, say: Callable[[str], None], project: str = "") -> None:
        """Upload, calling ``say`` with each line of the client's output; returns only when W&B has it all.

        ``project`` (entity/project) is where the run shall be; empty leaves that to the folder, which often names
        neither: then the client takes the key's own entity and the project 'uncategorized'.

        ``Transient`` when W&B does not answer or the time is over, ``Permanent`` when it says no.
        """


CLOSED_STATE = "failed"  # what W&B shows of a run that was closed from outside; nobody can set `crashed`


@dataclass(frozen=True, slots=True)
class Closed:
    """``state`` is what W&B says of the run now; ``acted`` is False where it had ended already and nothing was done.

    ``moved_heartbeat``: the closing itself counts as the run's last heartbeat from now on.
    """

    state: str
    acted: bool
    moved_heartbeat: bool = False


class RunCloser(Protocol):
    """Ends a run in W&B whose process is gone, and changes nothing else of it.

    History, summary, config, files and what W&B was told of the run's jobs and hosts stay as they are, so that a
    resume with its id goes on where it stopped. Closing twice is harmless.
    """

    seconds: float  # how long one closing may take, all told

    def close(self, project_path: str, run_id: str) -> Closed:
        """Close ``run_id`` of ``project_path`` (entity/project) as ``CLOSED_STATE``, unless it has ended already.

        ``Transient`` when W&B does not answer or the time is over: then the run may be closed or not, and asking
        again finds out. ``Permanent`` when it says no, or does not know the run.
        """


class SweepSource(Protocol):
    """One source of sweeps. See the module's docstring for what every method promises."""

    requests: int

    def sweeps(self, project: str, agents_of: Sequence[str] = ()) -> list[SweepRecord]:
        """Every sweep of the project; with the agents, those that ended too, of the sweeps in ``agents_of``."""

    def runs(self, project: str, since: datetime | None = None, also: Collection[str] = ()) -> Iterator[RunRecord]:
        """Every run; or those with a heartbeat at or after ``since`` and those named in ``also``.

        Oldest heartbeat first within a page of names. Duplicates may come.
        """

    def run_ids(self, project: str) -> set[str]:
        """The ids of all runs that the project holds, and nothing else of them."""

    def history(self, project: str, run_ids: Collection[str], key: str, samples: int) -> dict[str, Points]:
        """At most ``samples`` points (W&B's step, value) of one logged key, for each run that logged it."""

    def job_of(self, project: str, run_id: str) -> RunJob | None:
        """The Slurm job that the run's metadata file names; None where there is none, or no Slurm in it."""

    def close(self) -> None:
        """Give back what the source holds. No call may follow."""
