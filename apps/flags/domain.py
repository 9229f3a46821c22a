"""What rules read and what they say. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from apps.joblogs.endings import Clue, Resume
from apps.links.states import Meaning
from apps.workspaces.domain import Policy

LONGEST_WAIT = 24 * 365.0  # hours; a run that needs longer has no time that anybody would plan with


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
    """Epoch and step that were reached, where that was read and when.

    ``percent`` needs a target that somebody set, or a bar that counts to a total. ``epochs_per_hour`` is over all
    the time in jobs; ``disagreement`` says what other sources say, where they contradict this one.
    """

    epoch: float | None = None
    step: int | None = None
    target_epochs: float | None = None
    source: ProgressSource = ProgressSource.NONE
    total_steps: int | None = None
    steps_per_second: float | None = None
    epochs_per_hour: float | None = None
    at: datetime | None = None
    disagreement: str = ""

    @property
    def percent(self) -> float | None:
        if self.epoch is not None and self.target_epochs:
            part = self.epoch / self.target_epochs
        elif self.step is not None and self.total_steps:
            part = self.step / self.total_steps
        else:
            return None
        return max(0.0, min(100.0, 100.0 * part))

    @property
    def done_at(self) -> datetime | None:
        """When the target will be reached at this pace, from when the progress was read."""
        if self.at is None:
            return None
        if self.epoch is not None and self.target_epochs and self.epochs_per_hour:
            hours = (self.target_epochs - self.epoch) / self.epochs_per_hour
        elif self.step is not None and self.total_steps and self.steps_per_second:
            hours = (self.total_steps - self.step) / self.steps_per_second / 3600
        else:
            return None
        return self.at + timedelta(hours=min(max(0.0, hours), LONGEST_WAIT))


@dataclass(frozen=True, slots=True)
class JobFacts:
    """The attempt that carries the run now, or carried it last."""

    job_id: str
    state: str
    reason: str = ""
    nodes: str = ""
    gpus: int = 0
    submit_at: datetime | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    exit_code: int | None = None
    exit_signal: int | None = None


# One line of a log that shows why training ended.
Evidence = Clue


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """What a run's config tells of how it can be repeated.

    ``seeded`` names the frameworks whose seed is logged, ``any`` for a seed that names none. ``missing_parameters``
    are parameters of the sweep that the config lacks; ``drift`` says in which keys the config on disk differs, and
    which values lie outside the sweep's space.
    """

    empty: bool = False
    seeded: frozenset[str] = frozenset()
    has_versions: bool = False
    missing_parameters: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Curves:
    """What a run logged, thinned: the sweep's metric (lower is better where ``minimize``) and the training loss."""

    metric: tuple[float, ...] = ()
    loss: tuple[float, ...] = ()
    minimize: bool = True
    metric_is_validation: bool = False


@dataclass(frozen=True, slots=True)
class Twin:
    """An earlier run with the same parameters, which got somewhere and did not end well.

    ``sweep_id`` is that of another sweep with the same space; ``same`` is config for runs outside of sweeps.
    """

    run_id: str
    state: str
    epoch: float
    sweep_id: str = ""
    same: str = "parameters"


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
    checkpoint_epoch: float | None = None
    checkpoint_sound: str = ""  # pass, fail, unknown or unsafe by its proof; empty where it is not proven as it is
    checkpoint_flaw: str = ""  # why it is not sound
    good_checkpoint: str = ""  # name of the newest other one that passed
    last_loss: float | None = None
    loss_is_finite: bool = True
    logged_anything: bool = True
    gpu_percent: float | None = None
    gpu_memory_logged: bool = False
    config: ConfigFacts = ConfigFacts()
    curves: Curves = Curves()
    twin: Twin | None = None
    offline: bool = False
    unsynced_since: datetime | None = None
    sweep_state: str = ""  # of its sweep, as W&B spells it; empty for a run of none

    @property
    def heartbeat_age(self) -> timedelta | None:
        return self.now - self.heartbeat_at if self.heartbeat_at else None


@dataclass(frozen=True, slots=True)
class Burnt:
    """A run that died: the agent that carried it, as ``job 4711`` or W&B's name of it, its node, the crash class."""

    agent: str
    node: str
    crash_class: str


@dataclass(frozen=True, slots=True)
class SweepFacts:
    """What rules need of a sweep as a whole.

    ``agents_running`` counts agents that W&B says run, ``agents_silent`` names those of them without a heartbeat for
    the policy's time, ``agents_jobless`` others that no job carries. ``jobs_alive`` and ``jobs_expected`` count agent
    jobs in Slurm, ``agents_pending`` are those in the queue that carry no run. ``failures`` are (node, crash class) of
    the runs that died within a day of what a node may be to blame for; ``burnt`` are those that died since their agent
    last carried one to a good end. ``checkpoint_bytes`` is the largest newest checkpoint of a run; ``free_bytes`` is
    None where the filesystem does not tell.
    """

    sweep_id: str
    state: str
    url: str
    now: datetime
    policy: Policy
    known: frozenset[str]
    method: str = ""
    offline_runs: int = 0
    agents_running: int = 0
    agents_silent: tuple[str, ...] = ()
    agents_jobless: tuple[str, ...] = ()
    agents_pending: tuple[JobFacts, ...] = ()
    jobs_alive: int = 0
    jobs_expected: int = 0
    live_runs: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    burnt: tuple[Burnt, ...] = ()
    checkpoint_bytes: int = 0
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: a sentence with numbers, and the next action."""

    evidence: str
    action: str
    severity: Severity | None = None  # None: the rule's own
