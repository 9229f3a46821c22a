"""Sweeps, runs, flags, checkpoints and resumes: what is asked, and what is told."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from apps.api.schemas.base import GateLineTold, Line, Number, Paged, Seconds, Told, Wish, Word
from apps.pages.domain.tables import MOST_RANGES, MOST_WORDS


class SweepsWish(Paged):
    """The filters of the board."""

    workspace: Word = ""
    state: Word = ""
    flag: Word = Field(default="", description="only sweeps with an open flag of this rule")
    owner: Word = ""
    q: Word = Field(default="", description="words in name, id, project, workspace, method or owner")


class SweepWish(Wish):
    sweep: Word = Field(description="W&B's id of the sweep")
    project: Word = Field(default="", description="entity/project, where several have a sweep of that id")


class ReportWish(Wish):
    workspace: Word = Field(default="", description="empty: all workspaces")


class ReviewWish(ReportWish):
    week: Word = Field(default="", description="such as 2026-W47; empty: the week that runs")


class StatusWish(Wish):
    sweep: Word = Field(default="", description="empty: every active sweep")


class RunsWish(Paged):
    """Runs that live or have an open flag; ``all`` shows every one."""

    sweep: Word = ""
    workspace: Word = ""
    state: Word = Field(default="", description="W&B's state, such as running or crashed")
    verdict: Word = Field(default="", description="the next action, such as resume")
    flag: Word = Field(default="", description="only runs with an open flag of this rule")
    q: Word = Field(default="", description="words in the run's id, name or user")
    sort: Word = Field(
        default="",
        description="a column of a sweep's table, such as metric, -gpu_hours or config.lr; empty: the newest",
    )
    range: list[Word] = Field(
        default=[], max_length=MOST_RANGES, description="numbers of a column from low to high, such as metric~0.8~ "
    )
    word: list[Word] = Field(
        default=[], max_length=MOST_WORDS, description="a value of config or summary, such as config.optimizer~adamw"
    )
    all: bool = Field(default=False, description="ended runs without a flag as well")


class RunWish(Wish):
    run: Word = Field(description="W&B's id of the run")
    project: Word = Field(default="", description="entity/project, where several have a run of that id")


class FlagsWish(Paged):
    """The filters of the inbox of red flags; 'none' asks for what has none."""

    show: Literal["", "waiting", "acknowledged", "snoozed", "cleared"] = ""
    assignee: Word = ""
    severity: Word = ""
    rule: Word = ""
    workspace: Word = ""
    sweep: Word = ""
    crash: Word = Field(default="", description="the run's crash class")
    node: Word = ""
    q: Word = ""


class FlagWish(Wish):
    flag: Number


class ProofBody(Wish):
    path: Line = Field(default="", description="which checkpoint, as listed; empty for the newest")


class ProofWish(RunWish, ProofBody):
    pass


class ResumesWish(Paged):
    run: Word = ""
    project: Word = ""
    state: Literal["", "open", "confirmed", "failed", "cancelled"] = ""


class ResumeWish(RunWish):
    """There is no override here: only an admin has one, on the run's page."""

    changes: dict[Word, Line] = Field(
        default={}, max_length=20, description="what to change first, by id of an offer of the gate, with its value"
    )


class ResumeNumber(Wish):
    resume: Number
    wait: Seconds = 0


class BadgeTold(Told):
    rule: str
    severity: str
    count: int
    evidence: str
    action: str
    uncertain: bool


class AgentsTold(Told):
    active: int
    expected: int
    zombies: int
    stale: int
    status: str


class SweepTold(Told):
    sweep: str
    name: str
    project: str
    url: str
    workspace: str
    method: str
    state: str
    owners: list[str]
    agents: AgentsTold
    runs: int
    expected_runs: int | None
    runs_by_state: dict[str, int]
    epoch: float | None
    target_epochs: float | None
    step: int | None
    percent: float | None
    metric: str
    metric_value: float | None
    flags: list[BadgeTold]
    checkpoint_step: int | None
    checkpoint_at: datetime | None
    gpu_hours: float
    heartbeat_at: datetime | None
    source_ok: bool = Field(description="false: W&B was not read well the last time, so this may be old")
    purpose: str


class SweepPage(Told):
    sweeps: list[SweepTold]
    next: str | None


class RunTold(Told):
    run: str
    name: str
    project: str
    url: str
    sweep: str | None
    state: str
    slurm_state: str | None
    job: str | None
    verdict: str = Field(description="the one next action; 'unknown' where the run was not judged yet")
    reason: str
    action: str
    epoch: float | None
    target_epochs: float | None
    step: int | None
    percent: float | None
    crash_class: str
    resumable: str
    flags: list[str]
    checkpoint_step: int | None
    checkpoint_at: datetime | None
    heartbeat_at: datetime | None


class RunPage(Told):
    runs: list[RunTold]
    next: str | None


class VerdictTold(Told):
    run: str
    project: str
    url: str
    verdict: str
    reason: str
    change_first: str
    sources_agree: bool | None = Field(description="null: a source does not tell")
    disagreement: str
    evidence: list[str] = Field(description="in the order in which it was weighed")
    proof: str
    crash_class: str
    resumable: str
    flags: list["FlagTold"]


class FlagTold(Told):
    flag: int
    rule: str
    severity: str
    evidence: str
    action: str
    uncertain: bool = Field(description="true: its sources do not answer now, so it neither stands nor falls")
    standing: str
    opened_at: datetime
    sweep: str | None
    run: str | None
    workspace: str
    url: str
    crash_class: str
    node: str
    assignee: str


class FlagPage(Told):
    flags: list[FlagTold]
    next: str | None


class CheckpointTold(Told):
    path: str
    kind: str
    step: int | None
    epoch: float | None
    bytes: int
    modified_at: datetime
    sound: Literal["pass", "fail", "unknown", "unsafe"] = Field(
        description="unknown: nothing was proven of it as it is"
    )
    reason: str
    checked_at: datetime | None
    being_verified: bool


class CheckpointsTold(Told):
    run: str
    project: str
    checkpoints: list[CheckpointTold]
    total: int
    newest_good: str | None
    problem: str = Field(description="why they cannot be listed; then nobody knows whether there are any")


class ProofTold(Told):
    run: str
    state: Literal["proven", "being-verified"]
    checkpoint: CheckpointTold
    said: str


class OfferTold(Told):
    id: str
    title: str
    value: str
    hint: str


class GateTold(Told):
    run: str
    project: str
    state: Literal["looking", "open", "shut", "old", "not-looked-at"]
    checked_at: datetime | None
    lines: list[GateLineTold]
    changes: list[OfferTold]
    said: str


class ResumeTold(Told):
    resume: int
    run: str
    project: str
    state: str
    open: bool
    asked_by: str
    asked_at: datetime
    checkpoint: str
    checkpoint_step: int | None
    cluster: str
    job: str
    since: datetime
    said: str
    can_be_cancelled: bool
    lines: list[GateLineTold]


class ResumePage(Told):
    resumes: list[ResumeTold]
    next: str | None


class AskedTold(Told):
    """``looking``: nothing was asked for yet, because the gate is being looked at; ask again."""

    state: Literal["looking", "asked"]
    resume: ResumeTold | None
    said: str
