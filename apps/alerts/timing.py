"""When a channel speaks: settle time, quiet hours, digests and further tries. Pure; times are aware."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

TRIES = 6
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=2)
GROWTH = 4  # 30 s, 2 min, 8 min, 32 min, 2 h: six tries within about three hours


@dataclass(frozen=True, slots=True)
class Manners:
    """When a channel may be spoken to; no quiet hours where either end is None, no digest where it is zero."""

    quiet_from: time | None = None
    quiet_to: time | None = None
    critical_breaks_quiet: bool = False
    digest: timedelta = timedelta(0)
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Due:
    """A change that waits: from when on it may be told, and whether it is of a critical cause."""

    pk: int
    due_at: datetime
    critical: bool = False


def is_quiet(manners: Manners, now: datetime) -> bool:
    """Tell whether ``now`` lies in the quiet hours, which may run over midnight; equal ends are the whole day."""
    if manners.quiet_from is None or manners.quiet_to is None:
        return False
    here = now.astimezone(manners.zone).time()
    if manners.quiet_from < manners.quiet_to:
        return manners.quiet_from <= here < manners.quiet_to
    return here >= manners.quiet_from or here < manners.quiet_to


def ready(waiting: Sequence[Due], manners: Manners, now: datetime) -> list[Due]:
    """Return the changes that go out together now: all that are due, or only critical ones where it is quiet."""
    due = [one for one in waiting if one.due_at <= now]
    if is_quiet(manners, now):
        due = [one for one in due if one.critical and manners.critical_breaks_quiet]
    if not due or min(one.due_at for one in due) + manners.digest > now:
        return []
    return due


def next_try(attempts: int, now: datetime, *, chance: float, asked: float | None = None) -> datetime | None:
    """Return when to try again after ``attempts`` tries, None when it was the last.

    ``chance`` between 0 and 1 moves the wait by up to a fifth either way, so that many deliveries do not knock
    at once. ``asked`` is the wait in seconds that the other side named; the longer of the two counts.
    """
    if attempts >= TRIES:
        return None
    growth: int = GROWTH ** max(0, attempts - 1)
    wait = min(LONGEST_WAIT, FIRST_WAIT * growth) * (0.8 + 0.4 * chance)
    return now + max(wait, min(LONGEST_WAIT, timedelta(seconds=asked or 0)))
