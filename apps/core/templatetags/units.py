"""Template filters that turn numbers and times into what a person reads at a glance."""

from datetime import datetime, timedelta

from django import template

from apps.core import units
from apps.core.clock import utcnow

register = template.Library()

register.filter("duration", units.duration)
register.filter("count", units.count)
register.filter("percent", units.percent)
register.filter("number", units.number)


@register.filter
def ago(moment: datetime | None) -> str:
    """``12 min ago``; an em dash where there is no time."""
    if moment is None:
        return "—"
    return units.ago(utcnow() - moment)


@register.filter
def older_than_minutes(moment: datetime | None, minutes: int) -> bool:
    return moment is None or utcnow() - moment > timedelta(minutes=minutes)
