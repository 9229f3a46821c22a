"""What waits for one person: plans, questions, resumes that need an admin, and the flags assigned to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from apps.approvals.models import Plan, Question
from apps.approvals.selectors import open_questions, waiting_counts, waiting_plans
from apps.core.permissions import Permission, Role, permits
from apps.flags.models import Flag
from apps.flags.selectors import assigned_flags
from apps.resume.models import GateCheck
from apps.resume.selectors import overrides_wanted

MOST = 100  # of one kind
SOON = timedelta(hours=12)
T = TypeVar("T")


@dataclass(frozen=True)
class Shown(Generic[T]):
    """Things of one kind that wait, as many as are shown; ``more`` counts the others."""

    rows: Sequence[T] = ()
    more: int = 0

    @property
    def count(self) -> int:
        return len(self.rows) + self.more


@dataclass(frozen=True)
class Waiting:
    """What waits for one person, each kind by urgency and then the oldest first."""

    plans: Shown[Plan]
    questions: Shown[Question]
    overrides: Shown[GateCheck]
    flags: Shown[Flag]

    @property
    def total(self) -> int:
        return sum(one.count for one in (self.plans, self.questions, self.overrides, self.flags))

    @property
    def seen(self) -> str:
        """What is on the screen, so that a page can ask cheaply whether it still is all."""
        parts = (self.plans, self.questions, self.overrides, self.flags)
        return "-".join(f"{one.count}.{max((row.pk for row in one.rows), default=0)}" for one in parts)


def waiting_for(name: str, role: Role | None, now: datetime) -> Waiting:
    """Return what a person of this role may see to: who cannot approve has no plans that wait."""
    plans = waiting_plans(now) if permits(role, Permission.APPROVE_PLANS) else ()
    asked = open_questions() if permits(role, Permission.ANSWER_QUESTIONS) else ()
    looks = overrides_wanted(now) if permits(role, Permission.OVERRIDE_GATE) else ()
    return Waiting(
        plans=_shown(by_urgency(plans, "expires_at", now)),
        questions=_shown(by_urgency(asked, "deadline", now)),
        overrides=_shown(list(looks)),
        flags=_flags(name, now),
    )


def by_urgency(rows: Iterable[Any], ends: str, now: datetime) -> list[Any]:
    """Return what is overdue first, then what is due within 12 hours, then the rest; each the oldest first."""
    return sorted(rows, key=lambda row: urgency(getattr(row, ends), now))


def urgency(ends: datetime | None, now: datetime) -> int:
    if ends is None or ends - now > SOON:
        return 2
    return 1 if ends > now else 0


def _shown(rows: list[T]) -> Shown[T]:
    return Shown(rows[:MOST], max(0, len(rows) - MOST))


def _flags(name: str, now: datetime) -> Shown[Flag]:
    """The worst and oldest only: one press may have assigned thousands."""
    rows = assigned_flags(name, now)
    first = list(rows[:MOST])
    return Shown(first, rows.order_by().count() - MOST if len(first) == MOST else 0)


def waiting_total(name: str, role: Role | None, now: datetime) -> int:
    """Return how much waits for a person, for the header of every page: one query a kind that the role may see to."""
    counts = waiting_counts(now) if permits(role, Permission.APPROVE_PLANS) else {}
    looks = len(overrides_wanted(now)) if permits(role, Permission.OVERRIDE_GATE) else 0
    flags: int = assigned_flags(name, now).order_by().count()
    return sum(counts.values()) + looks + flags
