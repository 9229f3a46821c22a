"""How far a handover has come (practice: agent handover flow). Moved by facts only; nobody sets a stage by hand."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Stage(StrEnum):
    """The stages in the practice's order; the value is the word that lists show."""

    HANDOVER = "Handover"
    NEW_AGENT = "New agent"
    PLAN = "Plan mode"
    QUESTIONS = "Questions"
    APPROVAL = "Approval"
    DEPLOY = "Deploy"


ORDER = tuple(Stage)


@dataclass(frozen=True, slots=True)
class StageFacts:
    """What has happened, each with its time; None for what has not. ``questions_open`` counts those without an answer.

    ``approved_at`` is that of the approval that stands: one that became void leaves it None.
    """

    picked_up_at: datetime | None = None
    plan_posted_at: datetime | None = None
    questions_open: int = 0
    approved_at: datetime | None = None
    deployed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the tracker: ``standing`` is done, now or ahead; ``evidence`` says what moved it, or what is due."""

    stage: Stage
    standing: str
    evidence: str
    at: datetime | None = None


def stage_of(facts: StageFacts) -> Stage:
    """Return where the flow is: what is under way, not what was done last.

    An open question holds the flow at Questions, also during deployment, because the practice has it answered before
    anything goes on. A plan without open questions waits for its approval; nothing but an approval gets past that.
    """
    if facts.deployed_at is not None and not facts.questions_open:
        return Stage.DEPLOY
    if facts.questions_open:
        return Stage.QUESTIONS
    if facts.approved_at is not None:
        return Stage.DEPLOY
    if facts.plan_posted_at is not None:
        return Stage.APPROVAL
    return Stage.PLAN if facts.picked_up_at is not None else Stage.HANDOVER


def steps_of(facts: StageFacts, written_at: datetime | None) -> tuple[Step, ...]:
    """Return the six steps of the tracker; what lies behind the present one without a fact of its own was passed by."""
    here = stage_of(facts)
    return tuple(_step(stage, here, facts, written_at) for stage in ORDER)


def _step(stage: Stage, here: Stage, facts: StageFacts, written_at: datetime | None) -> Step:
    at, done, due = _told(stage, facts, written_at)
    if stage is Stage.DEPLOY and facts.deployed_at is not None and here is Stage.DEPLOY:
        return Step(stage, "done", done, at)
    if stage is here:
        # The document itself is there; what the first stage waits for is the next one.
        return Step(stage, "now", due, at if stage is Stage.HANDOVER else None)
    if at is not None:
        return Step(stage, "done", done, at)
    before = ORDER.index(stage) < ORDER.index(here)
    return Step(stage, "done" if before else "ahead", "passed by" if before else "")


def _told(stage: Stage, facts: StageFacts, written_at: datetime | None) -> tuple[datetime | None, str, str]:
    """Return when a stage was done, what is said then, and what is said while it is under way."""
    many = "question waits" if facts.questions_open == 1 else "questions wait"
    return {
        Stage.HANDOVER: (written_at, "written", "written; nobody has picked it up yet"),
        Stage.NEW_AGENT: (facts.picked_up_at, "picked up", ""),
        Stage.PLAN: (facts.plan_posted_at, "plan posted", "picked up; no plan is posted yet"),
        Stage.QUESTIONS: (None, "", f"{facts.questions_open} {many} for an answer"),
        Stage.APPROVAL: (facts.approved_at, "approved", "the plan waits for its approval"),
        Stage.DEPLOY: (facts.deployed_at, "deployed", "approved; being deployed"),
    }[stage]
