"""What people do with flags: take note, put off, assign, comment, clear by hand. Each act is audited, once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction

from apps.audit.models import AuditEvent
from apps.audit.services import record
from apps.core.errors import Permanent
from apps.flags.models import Flag
from apps.flags.services import WOKEN

LONGEST_SNOOZE = timedelta(days=365)
LONGEST_TEXT = 500
DOUBLE_PRESS = timedelta(minutes=1)


class Act(StrEnum):
    """One thing that a person can do with flags; the value is also what the audit trail calls it."""

    ACKNOWLEDGE = "acknowledged"
    SNOOZE = "snoozed"
    ASSIGN = "assigned"
    COMMENT = "commented"
    DISMISS = "cleared-by-hand"
    PUT_BACK = "put-back"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for. ``text`` is the comment or the reason, ``until`` ends a snooze.

    An empty ``assignee`` takes the flags away from whoever had them.
    """

    act: Act
    actor: str
    text: str = ""
    until: datetime | None = None
    assignee: str = ""


def check_wish(wish: Wish, now: datetime) -> None:
    """Raise with a sentence for people unless the wish is complete."""
    if len(wish.text) > LONGEST_TEXT:
        raise Permanent(f"A note has {LONGEST_TEXT} characters at the most; this one has {len(wish.text)}.")
    if wish.act is Act.COMMENT and not wish.text:
        raise Permanent("Write the comment into 'Note' first.")
    if wish.act is Act.DISMISS and not wish.text:
        raise Permanent("Clearing a flag by hand needs a reason: write it into 'Note' first.")
    if wish.act is Act.SNOOZE:
        if wish.until is None or wish.until <= now:
            raise Permanent("Say until when: a time that is still to come.")
        if wish.until > now + LONGEST_SNOOZE:
            raise Permanent("A flag can be put off for a year at the most; clear it by hand if it never matters.")


def triage(*, flags: Iterable[int], wish: Wish, now: datetime) -> int:
    """Do to these flags what somebody asks for; return how many it changed.

    Flags that are over by now and flags that are that way already are left alone, so pressing twice is harmless.
    """
    check_wish(wish, now)
    with transaction.atomic():
        found = Flag.objects.open().filter(pk__in=set(flags)).select_for_update(of=("self",))
        rows = found.select_related("run", "sweep").defer("run__config", "run__summary", "sweep__config")
        return sum(_do(flag, wish, now) for flag in rows.order_by("pk"))


def _do(flag: Flag, wish: Wish, now: datetime) -> bool:
    values = _VALUES[wish.act](flag, wish, now)
    if values is None:
        return False
    for name, value in values.items():
        setattr(flag, name, value)
    if values:
        flag.save(update_fields=list(values))
    detail = {"text": wish.text, "until": wish.until.isoformat() if wish.until else "", "assignee": wish.assignee}
    told = {name: value for name, value in detail.items() if value or (name == "assignee" and wish.act is Act.ASSIGN)}
    record(type=f"flag.{wish.act.value}", actor=wish.actor, subject=flag.subject, flag=flag.pk, **told)
    return True


def _acknowledge(flag: Flag, wish: Wish, now: datetime) -> dict[str, Any] | None:
    if flag.acknowledged_at is not None:
        return None
    return {"acknowledged_at": now, "acknowledged_by": wish.actor}


def _snooze(flag: Flag, wish: Wish, now: datetime) -> dict[str, Any] | None:
    if flag.snoozed_until == wish.until:
        return None
    return {"snoozed_until": wish.until, "snoozed_by": wish.actor}


def _assign(flag: Flag, wish: Wish, now: datetime) -> dict[str, Any] | None:
    return None if flag.assignee == wish.assignee else {"assignee": wish.assignee}


def _comment(flag: Flag, wish: Wish, now: datetime) -> dict[str, Any] | None:
    """A comment changes nothing of the flag; the same words twice within a minute are one press that came twice."""
    said = {"subject": flag.subject, "type": f"flag.{wish.act.value}", "actor": wish.actor}
    again = AuditEvent.objects.filter(**said, detail__text=wish.text, at__gt=now - DOUBLE_PRESS)
    return None if again.exists() else {}


def _dismiss(flag: Flag, wish: Wish, now: datetime) -> dict[str, Any] | None:
    if flag.dismissed_at is not None:
        return None
    return {"dismissed_at": now, "dismissed_by": wish.actor, "dismissed_reason": wish.text}


def _put_back(flag: Flag, wish: Wish, now: datetime) -> dict[str, Any] | None:
    return dict(WOKEN) if any(getattr(flag, name) != value for name, value in WOKEN.items()) else None


_VALUES: dict[Act, Callable[[Flag, Wish, datetime], dict[str, Any] | None]] = {
    Act.ACKNOWLEDGE: _acknowledge,
    Act.SNOOZE: _snooze,
    Act.ASSIGN: _assign,
    Act.COMMENT: _comment,
    Act.DISMISS: _dismiss,
    Act.PUT_BACK: _put_back,
}
