"""The timeline of a branch: who handed what to whom, and where days passed without anything. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

GAP = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Taken:
    who: str
    at: datetime
    why: str = ""  # it ended; empty while it is live


@dataclass(frozen=True, slots=True)
class Written:
    """One handover as the timeline needs it; ``pk`` finds the row again."""

    pk: int
    at: datetime | None
    by: str
    taken: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """One handover on the line. ``to`` is who took it up, or who wrote the next one; empty where nobody did yet.

    ``gap`` is how long nothing was handed over before it, None where that was less than ``GAP`` or nobody can tell.
    ``waited`` is how long it lay until it was picked up.
    """

    written: Written
    to: str
    guessed: bool
    gap: timedelta | None
    waited: timedelta | None


def timeline(newest_first: Sequence[Written]) -> list[Moment]:
    """Return the moments in the same order; the next one is the handover that came after, the previous before."""
    nexts = [None, *newest_first][: len(newest_first)]
    befores = [*newest_first, None][1:]
    return [_moment(one, later, earlier) for one, later, earlier in zip(newest_first, nexts, befores, strict=True)]


def _moment(one: Written, later: Written | None, earlier: Written | None) -> Moment:
    took = one.taken[0] if one.taken else None
    to = took.who if took else later.by if later else ""
    between = one.at - earlier.at if earlier and one.at and earlier.at else None
    return Moment(
        written=one,
        to=to,
        guessed=took is None and bool(to),
        gap=between if between is not None and between >= GAP else None,
        waited=max(took.at - one.at, timedelta(0)) if took and one.at else None,
    )
