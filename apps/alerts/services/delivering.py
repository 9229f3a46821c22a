"""Sending messages: each is claimed, sent by one worker, and never sent again by itself once it may have arrived."""

import secrets
import uuid
from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import F

from apps.alerts.models import AlertDelivery
from apps.alerts.ports import AlertSender, Unsure
from apps.alerts.sealing import unseal
from apps.alerts.selectors import LEASE, left_behind, may_be_sent
from apps.alerts.timing import next_try
from apps.audit.services import record
from apps.core.errors import AlreadyDone, Permanent, SweepboardError, Transient

log = structlog.get_logger(__name__)
Clock = Callable[[], datetime]
WORKER_DIED = "The worker that sent this ended before the answer came."


def deliver(*, delivery_pk: int, sender: AlertSender, clock: Clock) -> str:
    """Send one message, unless somebody else does or did; return the state that it is in now.

    A message that certainly did not arrive is tried again with growing waits; one that may have is left to a person.
    """
    claimed_at = clock()
    if not _claim(delivery_pk, claimed_at):
        return AlertDelivery.objects.filter(pk=delivery_pk).values_list("state", flat=True).first() or "gone"
    delivery = AlertDelivery.objects.select_related("channel").get(pk=delivery_pk)
    try:
        sender.send(unseal(delivery.channel.sealed), delivery.subject, delivery.body)
    except SweepboardError as error:
        return _not_sent(delivery, error, clock())
    except Exception as error:  # a defect of ours, in the middle of a sending; its text may hold the address
        sentence = f"Sweepboard failed while it sent this ({type(error).__name__})."
        return _not_sent(delivery, Unsure(sentence), clock())
    log.info("alerts.sent", delivery=delivery_pk, attempts=delivery.attempts)
    return _close(delivery, state="sent", sent_at=clock(), error="", error_id="")


def give_up_on_the_dead(now: datetime) -> None:
    """Mark the messages unsure whose worker died in mid-send: whether they arrived, nobody knows."""
    for pk in left_behind(now):
        reference = uuid.uuid4().hex[:12]
        marked = AlertDelivery.objects.filter(pk=pk, state="sending", claimed_at__lt=now - LEASE).update(
            state="unsure", error=WORKER_DIED, error_id=reference
        )
        if marked:
            log.warning("alerts.unsure", delivery=pk, error=WORKER_DIED, error_id=reference)


@transaction.atomic
def send_again(*, delivery: AlertDelivery, actor: str, now: datetime) -> None:
    """Queue a message once more that failed or may have arrived, because a person wants it.

    ``Permanent`` when it cannot be, with a sentence for that person.
    """
    if not AlertDelivery.objects.filter(may_be_sent(), pk=delivery.pk).exists():
        raise Permanent(f"The channel {delivery.channel.name} is off. Switch it on first.")
    queued = AlertDelivery.objects.filter(pk=delivery.pk, state__in=("failed", "unsure")).update(
        state="waiting", attempts=0, next_try_at=now, claimed_at=None
    )
    if not queued:
        raise AlreadyDone("This message is sent already, or on its way.")
    record(
        type="alert.sent-again", actor=actor, subject=f"alert channel {delivery.channel.name}", delivery=delivery.pk,
        state=delivery.state,
    )  # fmt: skip


def _claim(delivery_pk: int, now: datetime) -> bool:
    free = AlertDelivery.objects.filter(may_be_sent(), pk=delivery_pk, state="waiting", next_try_at__lte=now)
    return free.update(state="sending", claimed_at=now, attempts=F("attempts") + 1) == 1


def _not_sent(delivery: AlertDelivery, error: SweepboardError, now: datetime) -> str:
    reference, again = uuid.uuid4().hex[:12], None
    if isinstance(error, Transient):
        chance = secrets.randbelow(1000) / 1000
        again = next_try(delivery.attempts, now, chance=chance, asked=error.retry_after)
    state = "waiting" if again else "failed" if isinstance(error, Transient | Permanent) else "unsure"
    log.warning("alerts.not-sent", delivery=delivery.pk, state=state, error=str(error), error_id=reference)
    return _close(delivery, state=state, error=str(error), error_id=reference, next_try_at=again or now)


def _close(delivery: AlertDelivery, **values: object) -> str:
    """Write down how a claim ended, unless somebody took the message up again in the meantime.

    A claim that was taken for dead and comes back with an answer knows better than 'unsure'.
    """
    mine = AlertDelivery.objects.filter(pk=delivery.pk, claimed_at=delivery.claimed_at, state__in=("sending", "unsure"))
    if not mine.update(**values):
        log.warning("alerts.claim.lost", delivery=delivery.pk)
        return AlertDelivery.objects.filter(pk=delivery.pk).values_list("state", flat=True).first() or "gone"
    return str(values["state"])
