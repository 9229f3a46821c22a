"""Noting what changed for each channel, and putting what is due into messages.

Both derive everything from the database and the flags that are open now, each in one transaction per channel that
holds the channel's row: killed between any two of them, the next look goes on where this one ended.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from apps.alerts.domain import Change, OpenCause, Step, is_worse, narrowed, open_causes, steps
from apps.alerts.models import AlertCause, AlertChange, AlertChannel, AlertDelivery
from apps.alerts.selectors import changes_that_wait, known_causes, told_deliveries
from apps.alerts.timing import Due, Manners, ready
from apps.alerts.wording import Told, message
from apps.core.locks import lease
from apps.flags.causes import OpenFlag
from apps.flags.selectors import MOST_SHOWN, open_flags
from apps.workspaces.config import AlertsConfig

log = structlog.get_logger(__name__)
LEASE = 60.0  # seconds


def look(*, config: AlertsConfig, now: datetime) -> None:
    """Note every change and make the messages that are due, channel by channel.

    ``Busy`` when another look is under way. A channel that fails is logged and stops no other.
    """
    with lease("alerts", seconds=LEASE):
        channels = list(AlertChannel.objects.filter(enabled=True).values_list("pk", flat=True))
        if not channels:
            return
        flags = open_flags()
        for pk in channels:
            try:
                note_changes(channel_pk=pk, flags=flags, config=config, now=now)
                make_message(channel_pk=pk, flags=flags, config=config, now=now)
            except Exception:
                log.exception("alerts.look.failed", channel=pk)


@transaction.atomic
def note_changes(*, channel_pk: int, flags: Sequence[OpenFlag], config: AlertsConfig, now: datetime) -> int:
    """Compare what the channel knows with what is open, note the changes, and return how many there were."""
    channel = _held(channel_pk)
    if channel is None:
        return 0
    found = open_causes(flags, channel.scope, now)
    rows, known = known_causes(channel)
    todo = steps(known, found, channel.scope, complete=len(flags) < MOST_SHOWN)
    due = now + timedelta(seconds=config.settle_seconds)
    for key, step in todo:
        row = rows.get(key) or _new_cause(channel, found[key], now)
        _STEPS[step](row, found.get(key), now, due)
    if todo:
        log.info("alerts.noted", channel=channel_pk, steps=len(todo))
    return len(todo)


@transaction.atomic
def adopt(*, channel: AlertChannel, flags: Sequence[OpenFlag], now: datetime) -> None:
    """Take what is open now as known: for a channel that is new, switched on again, or hears of other causes by now.

    What it knew and would not hear of any more ends without a word.
    """
    found = open_causes(flags, channel.scope, now)
    rows, _ = known_causes(channel)
    for key, row in rows.items():
        if key not in found:
            _end(row, None, now, now)
    for key, one in found.items():
        if key not in rows and not is_worse(channel.least, one.severity):
            _new_cause(channel, one, now)


@transaction.atomic
def forget(*, channel: AlertChannel, now: datetime) -> None:
    """End all that the channel knows, and what waits to be told with it: it is switched off."""
    rows, _ = known_causes(channel)
    for row in rows.values():
        _end(row, None, now, now)


@transaction.atomic
def make_message(
    *, channel_pk: int, flags: Sequence[OpenFlag], config: AlertsConfig, now: datetime
) -> AlertDelivery | None:
    """Put all changes that the channel may be told now into one message; None where there are none."""
    channel = _held(channel_pk)
    if channel is None:
        return None
    found = open_causes(flags, channel.scope, now)
    waiting = [change for change in changes_that_wait(channel) if _may_be_told(change, found)]
    picked = {one.pk for one in ready([_due(change) for change in waiting], _manners(channel, config), now)}
    chosen = [change for change in waiting if change.pk in picked]
    if not chosen:
        return None
    told = [_told(change, found.get(change.cause.key)) for change in chosen]
    text = message(told, now, settings.PUBLIC_URL + reverse("board:flags"))
    delivery = AlertDelivery.objects.create(
        channel=channel, subject=text.subject[:300], body=text.body, made_at=now, next_try_at=now
    )
    AlertChange.objects.filter(pk__in=picked).update(delivery=delivery)
    for change, one in zip(chosen, told, strict=True):
        AlertCause.objects.filter(pk=change.cause_id).update(runs=one.runs)
    log.info("alerts.message.made", channel=channel_pk, delivery=delivery.pk, changes=len(chosen))
    return delivery


def _held(channel_pk: int) -> AlertChannel | None:
    """Return an enabled channel, its row held until the transaction ends: only one look changes what it knows."""
    return AlertChannel.objects.select_for_update().filter(pk=channel_pk, enabled=True).first()


def _new_cause(channel: AlertChannel, found: OpenCause, now: datetime) -> AlertCause:
    cause = found.cause
    return AlertCause.objects.create(
        channel=channel,
        key=found.key,
        severity=found.severity,
        rule=cause.rule,
        crash_class=cause.crash_class,
        where=cause.where[:300],
        query=narrowed(cause, channel.scope).query(),
        runs=cause.runs,
        opened_at=now,
    )


_Apply = Callable[[AlertCause, OpenCause | None, datetime, datetime], None]


def _change(kind: Change, row: AlertCause, now: datetime, due: datetime, was: str = "") -> None:
    AlertChange.objects.create(cause=row, kind=kind.value, severity=row.severity, was=was, at=now, due_at=due)


def _open(row: AlertCause, found: OpenCause | None, now: datetime, due: datetime) -> None:
    _change(Change.OPENED, row, now, due)


def _raise(row: AlertCause, found: OpenCause | None, now: datetime, due: datetime) -> None:
    row.severity = found.severity if found else row.severity
    row.save(update_fields=["severity"])
    _untold(row).update(severity=row.severity)


def _worse(row: AlertCause, found: OpenCause | None, now: datetime, due: datetime) -> None:
    was, row.severity = row.severity, found.severity if found else row.severity
    row.save(update_fields=["severity"])
    _change(Change.WORSE, row, now, due, was)


def _end(row: AlertCause, found: OpenCause | None, now: datetime, due: datetime) -> None:
    unheard = _untold(row).filter(kind=Change.WORSE).order_by("pk").first()
    if unheard is not None:
        row.severity = unheard.was  # nobody heard of the rise: after a return it would be news
    _untold(row).update(dropped=True)
    row.resolved_at = row.resolved_at or now
    row.save(update_fields=["severity", "resolved_at"])


def _resolve(row: AlertCause, found: OpenCause | None, now: datetime, due: datetime) -> None:
    _end(row, found, now, due)
    _change(Change.RESOLVED, row, now, due)


def _reopen(row: AlertCause, found: OpenCause | None, now: datetime, due: datetime) -> None:
    _untold(row).update(dropped=True)
    row.resolved_at = None
    row.save(update_fields=["resolved_at"])


_STEPS: dict[Step, _Apply] = {
    Step.OPEN: _open,
    Step.RAISE: _raise,
    Step.WORSE: _worse,
    Step.RESOLVE: _resolve,
    Step.END: _end,
    Step.REOPEN: _reopen,
}


def _untold(row: AlertCause) -> QuerySet[AlertChange]:
    return AlertChange.objects.filter(cause=row, delivery=None, dropped=False)


def _may_be_told(change: AlertChange, found: dict[str, OpenCause]) -> bool:
    """Hold a change back while an earlier one of its cause is on its way, or while nobody wants to hear of it."""
    states = {delivery.state for delivery in told_deliveries(change.cause)}
    if states & {"waiting", "sending"}:
        return False
    if change.kind == Change.RESOLVED:
        if states & {"sent", "unsure"}:
            return True
        # Nobody was ever told of it: the message was given up.
        AlertChange.objects.filter(pk=change.pk).update(dropped=True)
        return False
    now_open = found.get(change.cause.key)
    return now_open is None or now_open.calls


def _due(change: AlertChange) -> Due:
    return Due(change.pk, change.due_at, change.severity == "critical" and change.kind != Change.RESOLVED)


def _manners(channel: AlertChannel, config: AlertsConfig) -> Manners:
    return Manners(
        quiet_from=channel.quiet_from,
        quiet_to=channel.quiet_to,
        critical_breaks_quiet=channel.critical_breaks_quiet,
        digest=channel.digest,
        zone=ZoneInfo(config.timezone),
    )


def _told(change: AlertChange, found: OpenCause | None) -> Told:
    cause, kind = change.cause, Change(change.kind)
    current = found.cause if found and kind is not Change.RESOLVED else None
    return Told(
        change=kind,
        severity=current.severity if current and kind is Change.OPENED else change.severity,
        was=change.was,
        rule=cause.rule,
        crash_class=cause.crash_class,
        where=cause.where,
        runs=current.runs if current else cause.runs,
        link=f"{settings.PUBLIC_URL}{reverse('board:flags')}?{cause.query}",
        cause=current,
    )
