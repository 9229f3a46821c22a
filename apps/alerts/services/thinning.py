"""Thinning out what was told long ago. What is open, waits or is on its way is never touched."""

from datetime import datetime

from django.db import transaction

from apps.alerts.models import AlertCause, AlertChange, AlertDelivery


@transaction.atomic
def drop_old(*, before: datetime) -> int:
    """Delete causes that were over before ``before``, and then the ended messages of which nothing is left to tell."""
    waiting = AlertChange.objects.filter(delivery=None, dropped=False).values("cause")
    going = AlertChange.objects.filter(delivery__state__in=("waiting", "sending")).values("cause")
    over = AlertCause.objects.filter(resolved_at__lt=before).exclude(pk__in=waiting).exclude(pk__in=going)
    dropped = over.delete()[0]
    ended = AlertDelivery.objects.filter(state__in=AlertDelivery.ENDED, made_at__lt=before, changes=None)
    return dropped + ended.delete()[0]
