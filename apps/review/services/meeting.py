"""What people add in the meeting: action items, notes, attendance. Everything is added, and audited."""

from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.core.errors import AlreadyDone, Permanent
from apps.core.once import add_once
from apps.review.domain.catalogue import PART_IDS
from apps.review.domain.weeks import Week
from apps.review.models import ActionItem, Attendance, Note

LONGEST = 4000  # characters of a note
FAR = timedelta(days=730)


def add_note(*, week: Week, workspace: str, part: str, text: str, by: str, now: datetime, key: str) -> Note:
    """Add a remark to one part of a week; the same form sent twice adds one. ``Permanent`` says what is wrong."""
    said = _plain(text, LONGEST, "The note")
    if part not in PART_IDS:
        raise Permanent("A note belongs to one part of the agenda.")
    told = {"week": str(week), "workspace": workspace, "part": part, "text": said, "by": by, "at": now}
    return add_once(Note, key, told, lambda made: record(
        type="review.note.added", actor=by, subject=_subject(week, workspace), part=part, note=made.pk,
    ))  # fmt: skip


def add_action(
    *, week: Week, workspace: str, what: str, who: str, due: str, by: str, now: datetime, key: str
) -> ActionItem:
    """Add an action item; ``due`` is a day such as 2026-11-30, or empty. ``Permanent`` says what is wrong."""
    told = {
        "week": str(week), "workspace": workspace, "what": _line(what, 500, "What is to be done"),
        "who": _line(who, 150, "Who does it"), "due": _day(due, now), "by": by, "at": now,
    }  # fmt: skip
    return add_once(ActionItem, key, told, lambda made: record(
        type="review.action.added", actor=by, subject=made.subject, what=told["what"], who=told["who"], due=due,
    ))  # fmt: skip


@transaction.atomic
def set_done(*, item: ActionItem, done: bool, by: str, now: datetime) -> None:
    """Mark an item as done, or open it again; ``AlreadyDone`` where somebody else was first."""
    held = ActionItem.objects.filter(pk=item.pk, done_at__isnull=done)
    if held.update(done_at=now if done else None, done_by=by if done else "") != 1:
        item.refresh_from_db()
        raise AlreadyDone(f"{item.done_by} has done this already." if done else "This item is open already.")
    record(type="review.action.done" if done else "review.action.reopened", actor=by, subject=item.subject)


def attend(*, week: Week, workspace: str, names: str, by: str, now: datetime) -> list[str]:
    """Note who was there, names parted by commas; return those that were not noted yet."""
    wanted = list(dict.fromkeys(_line(one, 150, "A name") for one in names.split(",") if one.strip()))
    if not wanted:
        raise Permanent("Write the name of at least one person.")
    return [name for name in wanted if _attends(week, workspace, name, by, now)]


def _attends(week: Week, workspace: str, name: str, by: str, now: datetime) -> bool:
    try:
        with transaction.atomic():
            Attendance.objects.create(week=str(week), workspace=workspace, name=name, by=by, at=now)
            record(type="review.attendance.added", actor=by, subject=_subject(week, workspace), name=name)
    except IntegrityError:
        return False
    return True


@transaction.atomic
def take_off(*, attendance: Attendance, by: str) -> None:
    """Take a name off again that was noted by mistake."""
    if not Attendance.objects.filter(pk=attendance.pk).delete()[0]:
        raise AlreadyDone("This name is off already.")
    subject = f"review {attendance.week} {attendance.workspace}".strip()
    record(type="review.attendance.removed", actor=by, subject=subject, name=attendance.name)


def _subject(week: Week, workspace: str) -> str:
    return f"review {week} {workspace}".strip()


def _plain(text: str, longest: int, what: str) -> str:
    """Return a text without the characters that no database keeps; ``Permanent`` for none or too much of it."""
    said = text.replace("\x00", "").replace("\r\n", "\n").strip()
    if not said:
        raise Permanent(f"{what} is empty.")
    if len(said) > longest:
        raise Permanent(f"{what} has {len(said)} characters; {longest} is the most.")
    return said


def _line(text: str, longest: int, what: str) -> str:
    return " ".join(_plain(text, longest, what).split())


def _day(text: str, now: datetime) -> date | None:
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        raise Permanent(f"'{text[:40]}' is no day: write one such as 2026-11-30.") from error
    if abs(day - now.date()) > FAR:
        raise Permanent(f"{day} is more than two years from now: was another day meant?")
    return day
