"""When a handover is due (practice: handover at natural boundaries): pure rules over what is known of a branch."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum


class NudgeKind(StrEnum):
    WORK = "work-without-handover"
    EXCHANGES = "many-exchanges"
    SWITCH = "context-switch"


@dataclass(frozen=True, slots=True)
class Reported:
    """What an agent last said of its session: ``count`` messages went to and fro by ``at``."""

    agent: str
    count: int
    at: datetime


@dataclass(frozen=True, slots=True)
class BranchFacts:
    """What is known of the branch that a checkout is on.

    ``handed_over_at`` is when the branch's newest handover was written. ``commits`` and ``runs`` count what came since,
    None where nobody could tell. ``switched_from`` is the branch that the checkout was on until ``switched_at``, and
    ``left_at`` when that one's newest handover was written.
    """

    workspace: str
    branch: str
    checkout: str = ""
    handed_over_at: datetime | None = None
    switched_from: str = ""
    switched_at: datetime | None = None
    left_at: datetime | None = None
    commits: int | None = None
    runs: int | None = None
    reported: tuple[Reported, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Nudge:
    """``sentence`` says with numbers why a handover is due now; ``id`` tells it from every other one."""

    kind: NudgeKind
    workspace: str
    branch: str
    checkout: str
    sentence: str

    @property
    def id(self) -> str:
        return f"{self.kind.value}:{self.workspace}:{self.branch}"

    def as_json(self) -> dict[str, str]:
        return {
            "nudge": self.kind.value,
            "workspace": self.workspace,
            "branch": self.branch,
            "checkout": self.checkout,
            "sentence": self.sentence,
        }


def nudges_of(every: Iterable[BranchFacts], now: datetime, exchanges: int) -> list[Nudge]:
    """Return what is due, branch by branch; ``exchanges`` is how many messages a session may have without one."""
    return [
        nudge
        for facts in every
        for nudge in (_switch(facts), *_talk(facts, exchanges), _work(facts, now))
        if nudge is not None
    ]


def _work(facts: BranchFacts, now: datetime) -> Nudge | None:
    """Work that no handover tells of, and none today. Nothing known of the work is no nudge, and no all-clear."""
    commits, runs = facts.commits or 0, facts.runs or 0
    if not commits and not runs:
        return None
    if facts.handed_over_at is not None and facts.handed_over_at.astimezone(UTC).date() >= now.astimezone(UTC).date():
        return None
    told = " and ".join(_counted(number, noun) for number, noun in ((commits, "commit"), (runs, "run")) if number)
    if facts.handed_over_at is None:
        return _nudge(NudgeKind.WORK, facts, f"{facts.branch} has {told} and no handover yet.")
    since = f"since its handover of {facts.handed_over_at:%Y-%m-%d}"
    return _nudge(NudgeKind.WORK, facts, f"{facts.branch} has {told} {since}, and no handover of today.")


def _talk(facts: BranchFacts, exchanges: int) -> list[Nudge]:
    """Sessions that grew long after the newest handover; one that was handed over is no longer counted."""
    due = [
        one
        for one in facts.reported
        if one.count >= exchanges and (facts.handed_over_at is None or one.at > facts.handed_over_at)
    ]
    if not due:
        return []
    most = max(due, key=lambda one: one.count)
    told = f"{most.agent} is at {most.count} exchanges on {facts.branch} (a handover is due at {exchanges})."
    return [_nudge(NudgeKind.EXCHANGES, facts, told)]


def _switch(facts: BranchFacts) -> Nudge | None:
    """The checkout is on another branch, and neither of the two was handed over after that."""
    if facts.switched_at is None:
        return None
    if any(at is not None and at > facts.switched_at for at in (facts.handed_over_at, facts.left_at)):
        return None
    told = f"{facts.checkout} went from {facts.switched_from} to {facts.branch} without a handover since."
    return _nudge(NudgeKind.SWITCH, facts, told)


def _nudge(kind: NudgeKind, facts: BranchFacts, sentence: str) -> Nudge:
    return Nudge(kind, facts.workspace, facts.branch, facts.checkout, sentence)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
