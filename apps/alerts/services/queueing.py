"""Messages that other rooms give to a channel: sent like alerts, each at most once unless a person wants it again."""

from datetime import datetime

from apps.alerts.models import AlertChannel, AlertDelivery


def queue_message(*, channel: AlertChannel, kind: str, subject: str, body: str, now: datetime) -> AlertDelivery:
    """Queue a message of a ``kind`` of its own (10 letters at most); call it inside the transaction that wants it."""
    return AlertDelivery.objects.create(
        channel=channel, kind=kind, subject=subject[:300], body=body, made_at=now, next_try_at=now
    )
