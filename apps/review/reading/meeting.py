"""A week as it is looked at: kept numbers where there are some, else counted anew; and what people wrote."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from django.db.models import Q

from apps.review.domain.numbers import WeekNumbers, from_json
from apps.review.domain.review import Item, Remark, Review, review
from apps.review.domain.weeks import Week
from apps.review.models import ActionItem, Attendance, Note, WeekSnapshot
from apps.review.reading.weeks import numbers_of

log = structlog.get_logger(__name__)


def review_of(week: Week, *, workspace: str, now: datetime) -> Review:
    """Return a week with last week beside it; a fixed number of queries."""
    names = [str(week), str(week.previous)]
    kept = {one.week: one for one in WeekSnapshot.objects.filter(workspace=workspace, week__in=names)}
    held = kept.get(str(week))
    frozen = _numbers(held)
    if held is not None and frozen is not None:
        week = replace(week, zone=held.zone)  # the week that was counted, also where the zone was changed since
    known = numbers_of(week, workspace=workspace, now=now)
    before = _numbers(kept.get(str(week.previous)))
    if before is None:
        before = numbers_of(week.previous, workspace=workspace, now=now)
    return review(
        frozen or known,
        known,
        week=week,
        workspace=workspace,
        before=before,
        frozen_at=held.taken_at if held and frozen else None,
        late_by=held.late_by if held and frozen else 0,
        unreadable=held is not None and frozen is None,
        remarks=_remarks(week, workspace),
        items=items_of(week, workspace, now),
        present=tuple(
            Attendance.objects.filter(week=str(week), workspace=workspace).order_by("pk").values_list("pk", "name")
        ),
    )


def _numbers(snapshot: WeekSnapshot | None) -> WeekNumbers | None:
    """Read a snapshot; one of a shape that nobody knows any more is said in the log, and the week counted anew."""
    if snapshot is None:
        return None
    try:
        return from_json(snapshot.numbers)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.error("review.snapshot.unreadable", snapshot=snapshot.pk, week=snapshot.week, error=str(error))
        return None


def _remarks(week: Week, workspace: str) -> list[Remark]:
    rows = Note.objects.filter(week=str(week), workspace=workspace).order_by("pk")
    return [Remark(*row) for row in rows.values_list("pk", "part", "text", "by", "at")]


def items_of(week: Week, workspace: str, now: datetime) -> list[Item]:
    """Return the action items that were made in the week or before it and were not done when it began.

    The review of all holds those of every workspace too: none is forgotten. The overdue first, then by
    day, those without one last; what is done stands below.
    """
    today = now.astimezone(ZoneInfo(week.zone)).date()
    every = ActionItem.objects.filter(workspace=workspace) if workspace else ActionItem.objects.all()
    rows = every.filter(week__lte=str(week))
    rows = rows.filter(Q(done_at=None) | Q(done_at__gte=week.start))
    items = [
        Item(
            pk=one.pk,
            week=one.week,
            what=one.what,
            who=one.who,
            due=one.due,
            done_at=one.done_at,
            done_by=one.done_by,
            overdue=one.overdue(today),
            carried=one.week != str(week),
            workspace=one.workspace,
        )
        for one in rows
    ]
    return sorted(items, key=lambda one: (one.done_at is not None, one.due is None, one.due or today, one.pk))
