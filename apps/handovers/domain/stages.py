"""How far the flow of a handover is: Handover, New agent, Plan mode, Questions, Approval, Deploy. Pure.

Practice: 'Agent handover flow'. Facts move it: it was picked up, a plan was posted, a person approved.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Stage(StrEnum):
    """The stages in the practice's order and words."""

    HANDOVER = "Handover"
    NEW_AGENT = "New agent"
    PLAN_MODE = "Plan mode"
    QUESTIONS = "Questions"
    APPROVAL = "Approval"
    DEPLOY = "Deploy"


@dataclass(frozen=True, slots=True)
class StageFacts:
    """What is known of one handover's flow; None for what has not happened.

    ``approved_at`` is that of an approval that still holds; ``deploying_at`` the first report of a step, and
    ``deployed_at`` the final one with every validation.
    """

    written_at: datetime | None = None
    picked_up_at: datetime | None = None
    picked_up_by: str = ""
    plan_posted_at: datetime | None = None
    questions_open: int = 0
    approved_at: datetime | None = None
    deploying_at: datetime | None = None
    deployed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """``mark`` is done, now or todo. ``told`` says by what fact, or what is waited for."""

    stage: Stage
    mark: str
    told: str = ""
    at: datetime | None = None


def stage_of(facts: StageFacts) -> Stage:
    """Return where the flow is now: the first stage that is not over."""
    if facts.picked_up_at is None and facts.plan_posted_at is None:
        return Stage.NEW_AGENT
    if facts.plan_posted_at is None:
        return Stage.QUESTIONS if facts.questions_open else Stage.PLAN_MODE
    if facts.questions_open:
        return Stage.QUESTIONS
    return Stage.APPROVAL if facts.approved_at is None else Stage.DEPLOY


def steps_of(facts: StageFacts) -> list[Step]:
    """Return every stage with its mark, in order."""
    now = stage_of(facts)
    order = list(Stage)
    told = {
        Stage.HANDOVER: ("written", facts.written_at),
        Stage.NEW_AGENT: (f"picked up by {facts.picked_up_by}", facts.picked_up_at)
        if facts.picked_up_at
        else ("begun without a pickup" if facts.plan_posted_at else "nobody has picked it up", None),
        Stage.PLAN_MODE: ("a plan was posted", facts.plan_posted_at) if facts.plan_posted_at else ("no plan yet", None),
        Stage.QUESTIONS: (_questions(facts), None),
        Stage.APPROVAL: ("approved by a person", facts.approved_at) if facts.approved_at else ("not approved", None),
        Stage.DEPLOY: _deploy(facts),
    }
    over = order.index(now)
    return [
        Step(stage, "done" if _is_over(stage, place < over, facts) else "now" if stage is now else "todo", *told[stage])
        for place, stage in enumerate(order)
    ]


def _is_over(stage: Stage, before: bool, facts: StageFacts) -> bool:
    return facts.deployed_at is not None if stage is Stage.DEPLOY else before


def _questions(facts: StageFacts) -> str:
    if not facts.questions_open:
        return "none open"
    return f"{facts.questions_open} open: silence is no answer"


def _deploy(facts: StageFacts) -> tuple[str, datetime | None]:
    if facts.deployed_at:
        return "every validation is reported", facts.deployed_at
    return ("under way", facts.deploying_at) if facts.deploying_at else ("not begun", None)
