"""What rules read and what they say. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from apps.joblogs.endings import Clue, Resume
from apps.links.states import Meaning
from apps.workspaces.domain import Policy


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"
    NOTE = "note"


class ProgressSource(StrEnum):
    LOG = "log"
    CHECKPOINT = "checkpoint"
    SUMMARY = "summary"
    NONE = ""


class Resumable(StrEnum):
    YES = "yes"
    AFTER_CHANGE = "after a change"
    NO = "no"
    LOOK_FIRST = "look first"

    @property
    def slug(self) -> str:
        """The same for machines, such as ``after-change``."""
        return Resume[self.name].value


@dataclass(frozen=True, slots=True)
class Progress:
    """Epoch and step that were reached, and where that was read. ``percent`` needs a target that somebody set."""

    epoch: float | None = None
    step: int | None = None
    target_epochs: float | None = None
    source: ProgressSource = ProgressSource.NONE

    @property
    def percent(self) -> float | None:
        if self.epoch is None or not self.target_epochs:
            return None
        return max(0.0, min(100.0, 100.0 * self.epoch / self.target_epochs))


@dataclass(frozen=True, slots=True)
class JobFacts:
    """The attempt that carries the run now, or carried it last."""

    job_id: str
    state: str
    reason: str = ""
    start_at: datetime | None = None
    end_at: datetime | None = None
    exit_code: int | None = None
    exit_signal: int | None = None


# One line of a log that shows why training ended.
Evidence = Clue


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Everything that is known of one run at ``now``. Times are aware UTC; durations are seconds.

    ``slurm_state`` is the current attempt's, or one of NO_JOB, UNKNOWN and MOVED_ON of links.states.
    ``known`` names the sources that answered at their last pass; a rule that needs another one is silent.
    ``offline``: W&B does not know the run, state and heartbeat are its folder's. ``unsynced_since`` is when a
    folder with more than W&B has was last written.
    """

    run_id: str
    wandb_state: str
    now: datetime
    policy: Policy
    slurm_state: str
    meaning: Meaning
    progress: Progress
    known: frozenset[str]
    url: str = ""
    created_at: datetime | None = None
    heartbeat_at: datetime | None = None
    runtime_seconds: float | None = None
    job: JobFacts | None = None
    next_run: str = ""
    log_path: str = ""
    evidence: tuple[Evidence, ...] = ()
    checkpoint_step: int | None = None
    checkpoint_at: datetime | None = None
    offline: bool = False
    unsynced_since: datetime | None = None

    @property
    def heartbeat_age(self) -> timedelta | None:
        return self.now - self.heartbeat_at if self.heartbeat_at else None


@dataclass(frozen=True, slots=True)
class SweepFacts:
    """What rules need of a sweep as a whole."""

    sweep_id: str
    state: str
    url: str
    now: datetime
    policy: Policy
    known: frozenset[str]
    method: str = ""
    offline_runs: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: a sentence with numbers, and the next action."""

    evidence: str
    action: str
    severity: Severity | None = None  # None: the rule's own
