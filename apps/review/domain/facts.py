"""What the numbers of a week are counted from: rows as they stand, frozen. Pure.

Times are aware UTC. A ``pk`` is that of the row which the fact is of, so that every number leads back to its rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ENDED_WELL = "finished"
NOBODYS = ("deleted", "moved")  # runs that W&B has no more: nothing says how they ended


@dataclass(frozen=True, slots=True)
class BestRun:
    """The run that held a sweep's best metric before the week began."""

    pk: int
    value: float


@dataclass(frozen=True, slots=True)
class SweepFact:
    """A sweep that lives, or of which something happened in the week. ``parameters`` are those that it searches.

    ``lives`` is by W&B's state now; ``later_run`` says that a run of it began after the week. ``last_sign_at`` is the
    last sign of any of its runs, also of those that lived before the week; None without a run.
    """

    pk: int
    sweep_id: str
    name: str
    url: str
    created_at: datetime | None
    updated_at: datetime | None
    lives: bool
    metric: str = ""
    minimize: bool = True
    parameters: tuple[str, ...] = ()
    best_before: BestRun | None = None
    later_run: bool = False
    last_sign_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunFact:
    """A run that lived in the week. ``ended_at`` is None while it lives, ``beat_at`` its last heartbeat.

    ``verdict`` is empty where it was never judged. ``looked`` says that somebody looks for its checkpoints, which
    needs a workspace; without, ``checkpoint_at`` None means nothing. ``checkpoint_at`` is the newest one's time now,
    ``saved_at`` the times of those before it that are remembered. ``trained_seconds`` is the time of all attempts.
    """

    pk: int
    sweep: int | None
    run_id: str
    name: str
    url: str
    state: str
    created_at: datetime | None
    ended_at: datetime | None
    beat_at: datetime | None = None
    metric: float | None = None
    verdict: str = ""
    crash_class: str = ""
    trained_seconds: float | None = None
    checkpoint_at: datetime | None = None
    looked: bool = True
    saved_at: tuple[datetime, ...] = ()

    def saved_before(self, moment: datetime) -> datetime | None:
        """Return when the newest checkpoint that is known to have been there at a moment was written."""
        times = (*self.saved_at, self.checkpoint_at)
        return max((at for at in times if at is not None and at <= moment), default=None)

    @property
    def ended_badly(self) -> bool:
        """It is over, and W&B does not say that it finished."""
        return self.ended_at is not None and self.state != ENDED_WELL and self.state not in NOBODYS


@dataclass(frozen=True, slots=True)
class AttemptFact:
    """One attempt of a job; ``over_at`` is None while it lives, ``node`` the first one that it ran on."""

    pk: int
    job_id: str
    user: str
    gpus: int
    state: str
    submit_at: datetime
    start_at: datetime | None
    over_at: datetime | None
    node: str = ""


@dataclass(frozen=True, slots=True)
class LinkFact:
    """One attempt that carried one run."""

    pk: int
    run: int
    job: int


@dataclass(frozen=True, slots=True)
class FlagFact:
    """One red flag. ``cleared_at`` is None while its condition holds; ``dismissed_at`` is when a person cleared it by
    hand, whatever became of its condition.
    """

    pk: int
    rule: str
    severity: str
    run: int | None
    sweep: int | None
    evidence: str
    opened_at: datetime
    cleared_at: datetime | None
    dismissed_at: datetime | None = None

    @property
    def over_at(self) -> datetime | None:
        """When it was over for people: by itself or by hand, whichever came first."""
        return min((at for at in (self.cleared_at, self.dismissed_at) if at is not None), default=None)

    def open_at(self, moment: datetime) -> bool:
        return self.opened_at < moment and (self.over_at is None or self.over_at >= moment)


@dataclass(frozen=True, slots=True)
class HandoverFact:
    """A handover that was written, picked up or archived; ``written_at`` is its date, else when it was first seen."""

    pk: int
    key: str
    branch: str
    focus: str
    written_at: datetime
    picked_up_at: tuple[datetime, ...] = ()
    archived_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanFact:
    """A plan with what people decided on it: (act, when), oldest first; ``revised_at`` are its further versions."""

    pk: int
    title: str
    by: str
    posted_at: datetime
    expires_at: datetime
    decisions: tuple[tuple[str, datetime], ...] = ()
    revised_at: tuple[datetime, ...] = ()

    def waits_at(self, moment: datetime) -> bool:
        """Tell whether a person had its text of that moment to decide on; a new text asks for a new decision."""
        if not self.posted_at < moment <= self.expires_at:
            return False
        shown = max((at for at in (self.posted_at, *self.revised_at) if at < moment), default=self.posted_at)
        return not any(shown <= at < moment for _, at in self.decisions)


@dataclass(frozen=True, slots=True)
class QuestionFact:
    """A question; ``answered_at`` and ``withdrawn_at`` are None where neither happened."""

    pk: int
    title: str
    by: str
    asked_at: datetime
    answered_at: datetime | None = None
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertFact:
    """One message that a channel was to be told: ``state`` sent, failed or unsure, and when that was known."""

    pk: int
    channel: str
    subject: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What can be known of the week: each a sentence that says why not, empty where all of it is.

    ``wandb`` and ``slurm`` say that a source was never read, ``watched`` that Sweepboard was not there yet,
    ``alerts`` that old messages were thinned out. ``limits`` are sentences on what is known in part only, by the
    same names.
    """

    wandb: str = ""
    slurm: str = ""
    watched: str = ""
    alerts: str = ""
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WeekFacts:
    """All facts of one week, told up to ``until``. ``configs`` are of the runs that hold a best metric, by run.

    ``others`` and ``other_agents`` are of other workspaces, in the same jobs: they count in nothing but in what they
    leave of a job's hours.
    """

    since: datetime
    until: datetime
    known: Known = field(default_factory=Known)
    sweeps: tuple[SweepFact, ...] = ()
    runs: tuple[RunFact, ...] = ()
    attempts: tuple[AttemptFact, ...] = ()
    links: tuple[LinkFact, ...] = ()
    agents: tuple[tuple[int, int], ...] = ()  # (attempt, sweep)
    others: tuple[RunFact, ...] = ()
    other_agents: tuple[tuple[int, int], ...] = ()
    flags: tuple[FlagFact, ...] = ()
    handovers: tuple[HandoverFact, ...] = ()
    plans: tuple[PlanFact, ...] = ()
    questions: tuple[QuestionFact, ...] = ()
    alerts: tuple[AlertFact, ...] = ()
    configs: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def began_before(self) -> frozenset[int]:
        """The runs that had begun when the week did."""
        return frozenset(one.pk for one in self.runs if one.created_at is not None and one.created_at < self.since)

    def holds(self, moment: datetime | None) -> bool:
        """Tell whether a moment lies in the part of the week that is told."""
        return moment is not None and self.since <= moment < self.until
