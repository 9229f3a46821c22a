"""What people do with channels. Each act is audited, without the address."""

import contextlib
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from apps.alerts.models import AlertChange, AlertChannel, AlertDelivery
from apps.alerts.ports import AlertSender
from apps.alerts.sealing import seal
from apps.alerts.services.watching import adopt, forget
from apps.alerts.wording import greeting
from apps.audit.services import record
from apps.core.errors import AlreadyDone, Permanent
from apps.flags.selectors import open_flags

# Of these services' addresses the host is a host; elsewhere it may be a token or a secret topic.
_TELLS_ITS_HOST = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"})
SWITCHED_OFF = "The channel was switched off before this was sent."


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants a channel to be; an empty ``address`` leaves the one that it has."""

    name: str
    address: str = ""
    workspace: str = ""
    least: str = "warning"
    quiet_from: time | None = None
    quiet_to: time | None = None
    critical_breaks_quiet: bool = True
    digest_minutes: int = 0
    tell_resolved: bool = True

    def settings(self) -> dict[str, Any]:
        names = ("name", "workspace", "least", "quiet_from", "quiet_to", "critical_breaks_quiet", "digest_minutes")
        return {name: getattr(self, name) for name in (*names, "tell_resolved")}


def hint_of(address: str, service: str) -> str:
    """Return what people may see of an address: the service, its scheme, and the host where that is no secret."""
    scheme, host = address.strip().partition("://")[0].lower(), ""
    if scheme in _TELLS_ITS_HOST:
        with contextlib.suppress(ValueError):  # whose text may repeat the address
            host = urlsplit(address.strip()).hostname or ""
    return f"{service} ({scheme}://{host or '…'})"[:200]


def make_channel(*, wish: Wish, actor: str, now: datetime, sender: AlertSender) -> AlertChannel:
    """Make a channel, for which all that is open now is known already.

    ``Permanent`` says why the address cannot be used, ``AlreadyDone`` that the name is taken.
    """
    hint = hint_of(wish.address, sender.check(wish.address))
    try:
        with transaction.atomic():
            channel = AlertChannel.objects.create(
                **wish.settings(), sealed=seal(wish.address.strip()), hint=hint, made_by=actor, made_at=now
            )
            adopt(channel=channel, flags=open_flags(), now=now)
            _record("made", channel, actor, hint=hint, **_plain(wish))
    except IntegrityError as error:
        raise _name_is_taken(wish) from error
    return channel


def change_channel(*, channel: AlertChannel, wish: Wish, actor: str, now: datetime, sender: AlertSender) -> None:
    """Change a channel; where it hears of other causes from now on, those that are open are known already."""
    hint = hint_of(wish.address, sender.check(wish.address)) if wish.address else channel.hint
    try:
        with transaction.atomic():
            held = AlertChannel.objects.select_for_update().get(pk=channel.pk)
            heard = held.workspace, held.least
            for name, value in wish.settings().items():
                setattr(held, name, value)
            if wish.address:
                held.sealed, held.hint = seal(wish.address.strip()), hint
            held.save()
            if held.enabled and heard != (held.workspace, held.least):
                adopt(channel=held, flags=open_flags(), now=now)
            _record("changed", held, actor, address=bool(wish.address), hint=hint, **_plain(wish))
    except IntegrityError as error:
        raise _name_is_taken(wish) from error


@transaction.atomic
def switch_channel(*, channel: AlertChannel, on: bool, actor: str, now: datetime) -> None:
    """Switch a channel on or off; off it collects nothing, and on again it knows what is open."""
    switched = AlertChannel.objects.filter(pk=channel.pk, enabled=not on).update(enabled=on)
    if not switched:
        raise AlreadyDone(f"The channel {channel.name} is {'on' if on else 'off'} already.")
    channel.enabled = on
    if on:
        adopt(channel=channel, flags=open_flags(), now=now)
    else:
        forget(channel=channel, now=now)
        # A person may send these again; a channel that is off does not.
        AlertDelivery.objects.filter(channel=channel, state="waiting").exclude(kind="test").update(
            state="failed", error=SWITCHED_OFF, error_id=""
        )
    _record("switched-on" if on else "switched-off", channel, actor)


@transaction.atomic
def delete_channel(*, channel: AlertChannel, actor: str) -> None:
    """Delete a channel with all that it knows and sent; the audit events stay."""
    _record("deleted", channel, actor, hint=channel.hint)
    AlertChange.objects.filter(cause__channel=channel).delete()
    channel.delete()


@transaction.atomic
def ask_for_test(*, channel: AlertChannel, actor: str, now: datetime) -> AlertDelivery:
    """Queue a test; ``AlreadyDone`` while an earlier one of the channel is on its way."""
    held = AlertChannel.objects.select_for_update().get(pk=channel.pk)
    if held.deliveries.filter(kind="test", state__in=("waiting", "sending")).exists():
        raise AlreadyDone(f"A test of {held.name} is on its way already.")
    text = greeting(held.name, actor, settings.PUBLIC_URL + reverse("board:flags"), now)
    delivery = AlertDelivery.objects.create(
        channel=held, kind="test", subject=text.subject, body=text.body, made_at=now, next_try_at=now
    )
    _record("tested", held, actor, delivery=delivery.pk)
    return delivery


def _record(what: str, channel: AlertChannel, actor: str, **detail: Any) -> None:
    record(type=f"alert-channel.{what}", actor=actor, subject=f"alert channel {channel.name}", **detail)


def _plain(wish: Wish) -> dict[str, Any]:
    """Return the wish without its address, as JSON has it."""
    return {name: value.isoformat() if isinstance(value, time) else value for name, value in wish.settings().items()}


def _name_is_taken(wish: Wish) -> Permanent:
    return AlreadyDone(f"There is a channel '{wish.name}' already.")
