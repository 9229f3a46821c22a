"""Reading channels, what they know, and messages."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, Prefetch, Q

from apps.alerts.domain import Change, KnownCause
from apps.alerts.models import AlertCause, AlertChange, AlertChannel, AlertDelivery
from apps.alerts.sealing import is_readable

LEASE = timedelta(minutes=3)  # several times what one sending may take: an older claim's worker is dead
MOST_DELIVERIES = 50
_CHANGES = Prefetch("changes", AlertChange.objects.select_related("delivery"))


def known_causes(channel: AlertChannel) -> tuple[dict[str, AlertCause], dict[str, KnownCause]]:
    """Return the rows of the causes that are not over, or whose end is not told yet, and what they mean, by key."""
    ending = AlertChange.objects.filter(
        cause__channel=channel, kind=Change.RESOLVED, delivery=None, dropped=False
    ).values("cause")
    rows = channel.causes.filter(Q(resolved_at=None) | Q(pk__in=ending)).prefetch_related(_CHANGES)
    by_key = {row.key: row for row in rows}
    return by_key, {key: _known(row) for key, row in by_key.items()}


def _known(row: AlertCause) -> KnownCause:
    waiting = any(
        change.delivery is None and not change.dropped and change.kind != Change.RESOLVED
        for change in row.changes.all()
    )
    told = any(delivery.state != "failed" for delivery in told_deliveries(row))
    return KnownCause(row.key, row.severity, told=told, waiting=waiting, ending=row.resolved_at is not None)


def told_deliveries(row: AlertCause) -> list[AlertDelivery]:
    """Return the messages that tell of a cause whose changes were fetched, sent or not."""
    return [change.delivery for change in row.changes.all() if change.delivery is not None]


def changes_that_wait(channel: AlertChannel) -> list[AlertChange]:
    """Return the changes that no message carries yet, oldest first, their causes with all changes."""
    waiting = AlertChange.objects.filter(cause__channel=channel, delivery=None, dropped=False)
    return list(waiting.select_related("cause").prefetch_related("cause__changes__delivery").order_by("pk"))


def due_deliveries(now: datetime) -> list[int]:
    """Return the messages that may be sent now; a channel that is switched off sends tests only."""
    due = AlertDelivery.objects.filter(state="waiting", next_try_at__lte=now)
    return list(due.filter(may_be_sent()).order_by("pk").values_list("pk", flat=True))


def may_be_sent() -> Q:
    """Return a condition without a join: with one, two updates of one row at once would both be let through."""
    return Q(channel__in=AlertChannel.objects.filter(enabled=True).values("pk")) | Q(kind="test")


def left_behind(now: datetime) -> list[int]:
    """Return the messages whose worker died while it sent them."""
    dead = AlertDelivery.objects.filter(state="sending", claimed_at__lt=now - LEASE)
    return list(dead.order_by("pk").values_list("pk", flat=True))


@dataclass(frozen=True)
class ChannelRow:
    """A channel as the screen shows it: its last message, and how many changes wait."""

    channel: AlertChannel
    last: AlertDelivery | None
    waiting: int
    readable: bool


def channel_rows() -> list[ChannelRow]:
    """Return every channel by name, in three queries."""
    channels = list(AlertChannel.objects.annotate(last_pk=Max("deliveries__pk")))
    lasts = AlertDelivery.objects.in_bulk([one.last_pk for one in channels if one.last_pk])
    waiting = _waiting_by_channel()
    return [
        ChannelRow(one, lasts.get(one.last_pk or 0), waiting.get(one.pk, 0), is_readable(one.sealed))
        for one in channels
    ]


def _waiting_by_channel() -> dict[int, int]:
    found: dict[int, int] = {}
    open_ones = AlertChange.objects.filter(delivery=None, dropped=False)
    for channel in open_ones.order_by().values_list("cause__channel_id", flat=True):
        found[channel] = found.get(channel, 0) + 1
    return found


def latest_deliveries() -> list[AlertDelivery]:
    """Return the latest messages, newest first, with their channels and the causes that they tell of."""
    told = Prefetch("changes", AlertChange.objects.select_related("cause"), to_attr="told")
    return list(AlertDelivery.objects.select_related("channel").prefetch_related(told)[:MOST_DELIVERIES])


def channels_on() -> list[AlertChannel]:
    """Return the channels that are on, in the order in which they were made."""
    return list(AlertChannel.objects.filter(enabled=True).order_by("pk"))
