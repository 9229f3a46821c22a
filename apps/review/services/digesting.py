"""The digest on Monday morning: each channel gets the week that ended once, by way of alerts."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from apps.alerts.models import AlertChannel, AlertDelivery
from apps.alerts.selectors import channels_on
from apps.alerts.services.queueing import queue_message
from apps.review.domain.weeks import Week
from apps.review.domain.wording import digest_of
from apps.review.models import Digest
from apps.review.reading.meeting import review_of
from apps.review.reading.scopes import review_config, running_week
from apps.workspaces.review import ReviewConfig

log = structlog.get_logger(__name__)
KIND = "review"
NEWS = timedelta(hours=36)  # so long after its hour it is still sent; later it would be no news


def due_at(week: Week, hour: int) -> datetime:
    """Return when the digest of a week is due: on the Monday after it, at ``hour`` on the wall clock of its zone."""
    return datetime.combine(week.following.monday, time(hour), ZoneInfo(week.zone)).astimezone(ZoneInfo("UTC"))


def send_digests(*, now: datetime) -> list[AlertDelivery]:
    """Queue the digest for every channel that is to have it and has it not; return the messages.

    A channel of one workspace gets that workspace's review. One that was made after the hour waits for the next week.
    """
    config = review_config()
    if not config.digest:
        return []
    made = [_give(channel, config, now) for channel in channels_on() if _wanted(channel, config)]
    return [one for one in made if one is not None]


def _wanted(channel: AlertChannel, config: ReviewConfig) -> bool:
    return not config.digest_channels or channel.name in config.digest_channels


def _give(channel: AlertChannel, config: ReviewConfig, now: datetime) -> AlertDelivery | None:
    week = running_week(channel.workspace, now).previous
    due = due_at(week, config.digest_hour)
    if not due <= now < due + NEWS or channel.made_at > due:
        return None
    if Digest.objects.filter(week=str(week), channel=channel.pk).exists():
        return None
    try:
        return _make(channel, week, now)
    except IntegrityError:
        return None  # another worker was first
    except Exception:
        log.exception("review.digest.failed", week=str(week), channel=channel.pk)
        return None


def _make(channel: AlertChannel, week: Week, now: datetime) -> AlertDelivery:
    """The row and its message in one transaction: there is one of each, or neither."""
    link = f"{settings.PUBLIC_URL}{reverse('review:week', args=[str(week)])}"
    link += f"?workspace={channel.workspace}" if channel.workspace else ""
    subject, body = digest_of(review_of(week, workspace=channel.workspace, now=now), link)
    with transaction.atomic():
        digest = Digest.objects.create(week=str(week), workspace=channel.workspace, channel=channel.pk, made_at=now)
        delivery = queue_message(channel=channel, kind=KIND, subject=subject, body=body, now=now)
        Digest.objects.filter(pk=digest.pk).update(delivery=delivery)
    log.info("review.digest.made", week=str(week), channel=channel.pk, delivery=delivery.pk)
    return delivery
