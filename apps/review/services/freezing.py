"""Keeping the numbers of a week as they were known at its close, also when the close was missed."""

from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction

from apps.review.domain.numbers import SCHEMA, to_json
from apps.review.domain.weeks import Week
from apps.review.models import WeekSnapshot
from apps.review.reading.scopes import running_week, scopes
from apps.review.reading.weeks import numbers_of

log = structlog.get_logger(__name__)
SETTLE = timedelta(minutes=10)  # the last passes of the week bring what happened just before its end
LOOK_BACK = 8  # weeks that are made good when nothing ran at their close


def close_weeks(*, now: datetime) -> int:
    """Freeze every week that is over and was not frozen yet, of each scope; return how many were.

    Weeks of which nothing of Sweepboard's own is known are left out: there was nobody to freeze them. Repeating it
    changes nothing; one scope that fails is logged and stops no other.
    """
    made = 0
    for scope in scopes():
        try:
            made += sum(freeze(week=week, workspace=scope, now=now) for week in _missing(scope, now))
        except Exception:
            log.exception("review.freeze.failed", workspace=scope)
    return made


def _missing(scope: str, now: datetime) -> list[Week]:
    """The last closed weeks without a snapshot, the oldest first."""
    week, closed = running_week(scope, now - SETTLE), []
    for _ in range(LOOK_BACK):
        week = week.previous
        closed.append(week)
    names = [str(one) for one in closed]
    held = set(WeekSnapshot.objects.filter(workspace=scope, week__in=names).values_list("week", flat=True))
    return [one for one in reversed(closed) if str(one) not in held]


def freeze(*, week: Week, workspace: str, now: datetime) -> bool:
    """Keep the numbers of a week that is over; tell whether this call did it."""
    if week.running(now - SETTLE):
        return False
    numbers = numbers_of(week, workspace=workspace, now=now)
    if all(numbers.figures[name].value is None for name in ("runs", "hours-total", "flags-raised")):
        return False
    late = int((now - week.end).total_seconds())
    try:
        with transaction.atomic():
            WeekSnapshot.objects.create(
                week=str(week), workspace=workspace, zone=week.zone, schema=SCHEMA, numbers=to_json(numbers),
                taken_at=now, late_by=late,
            )  # fmt: skip
    except IntegrityError:
        return False  # somebody else was first, and what they kept stays
    log.info("review.frozen", week=str(week), workspace=workspace, late_by=late)
    return True
