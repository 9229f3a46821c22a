"""What people do with flags: take note, put off, assign, comment, clear by hand. Each act is audited, once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction

from apps.audit.models import AuditEvent
from apps.audit.services import record_all
from apps.core.errors import Permanent
from apps.flags.models import SEVERITY_ORDER, Flag, is_worse
from apps.flags.services import WOKEN

LONGEST_SNOOZE = timedelta(days=365)
LONGEST_TEXT = 500
QUIETENING = frozenset({"acknowledged", "snoozed", "cleared-by-hand"})  # after these a flag calls nobody any more
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


@dataclass(frozen=True, slots=True)
class Done:
    """How many flags an act changed, and how many it left alone because they grew worse than they were seen."""

    changed: int
    grown: int = 0


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


def triage(*, flags: Iterable[int], wish: Wish, now: datetime, seen: Mapping[int, str] | None = None) -> Done:
    """Do to these flags what somebody asks for.

    Flags that are over by now and flags that are that way already are left alone, so pressing twice is harmless.
    ``seen`` is the severity that each had on the screen: what is decided of a warning is not decided of what grew
    critical while somebody looked at it.
    """
    check_wish(wish, now)
    with transaction.atomic():
        found = Flag.objects.open().filter(pk__in=set(flags)).select_for_update(of=("self",))
        rows = found.select_related("run", "sweep").defer("run__config", "run__summary", "sweep__config")
        held = list(rows.order_by("pk"))
        grown = {flag.pk for flag in held if wish.act in QUIETENING and _grew(flag, seen or {})}
        moved = _moved([flag for flag in held if flag.pk not in grown], wish, now)
        if moved and (values := _VALUES[wish.act](wish, now)):
            Flag.objects.filter(pk__in=[flag.pk for flag in moved]).update(**values)
        told = _detail(wish)
        acts = ((flag.subject, {"flag": flag.pk, **told}) for flag in moved)
        record_all(type=f"flag.{wish.act.value}", actor=wish.actor, acts=acts)
    return Done(len(moved), len(grown))


def _grew(flag: Flag, seen: Mapping[int, str]) -> bool:
    then = seen.get(flag.pk, "")
    return then in SEVERITY_ORDER and is_worse(flag.severity, then)


def _moved(flags: list[Flag], wish: Wish, now: datetime) -> list[Flag]:
    """Return the flags that are not yet as the wish would have them."""
    if wish.act is Act.COMMENT:
        said = _said_just_now(wish, now)
        return [flag for flag in flags if flag.subject not in said]
    differs = _DIFFERS[wish.act]
    return [flag for flag in flags if differs(flag, wish)]


def _detail(wish: Wish) -> dict[str, Any]:
    detail = {"text": wish.text, "until": wish.until.isoformat() if wish.until else "", "assignee": wish.assignee}
    return {name: value for name, value in detail.items() if value or (name == "assignee" and wish.act is Act.ASSIGN)}


def _said_just_now(wish: Wish, now: datetime) -> set[str]:
    """Return what was commented on with these words: the same ones within a minute are one press that came twice."""
    said = AuditEvent.objects.filter(type=f"flag.{wish.act.value}", actor=wish.actor, at__gt=now - DOUBLE_PRESS)
    return {event.subject for event in said if event.detail.get("text") == wish.text}


_DIFFERS: dict[Act, Callable[[Flag, Wish], bool]] = {
    Act.ACKNOWLEDGE: lambda flag, wish: flag.acknowledged_at is None,
    Act.SNOOZE: lambda flag, wish: flag.snoozed_until != wish.until,
    Act.ASSIGN: lambda flag, wish: flag.assignee != wish.assignee,
    Act.DISMISS: lambda flag, wish: flag.dismissed_at is None,
    Act.PUT_BACK: lambda flag, wish: any(getattr(flag, name) != value for name, value in WOKEN.items()),
}
_VALUES: dict[Act, Callable[[Wish, datetime], dict[str, Any]]] = {
    Act.ACKNOWLEDGE: lambda wish, now: {"acknowledged_at": now, "acknowledged_by": wish.actor},
    Act.SNOOZE: lambda wish, now: {"snoozed_until": wish.until, "snoozed_by": wish.actor},
    Act.ASSIGN: lambda wish, now: {"assignee": wish.assignee},
    Act.COMMENT: lambda wish, now: {},  # changes nothing of the flag
    Act.DISMISS: lambda wish, now: {
        "dismissed_at": now,
        "dismissed_by": wish.actor,
        "dismissed_reason": wish.text,
    },
    Act.PUT_BACK: lambda wish, now: dict(WOKEN),
}
