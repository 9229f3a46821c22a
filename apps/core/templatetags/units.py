"""Template filters that turn numbers and times into what a person reads at a glance."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django import template

from apps.core import units
from apps.core.clock import utcnow

register = template.Library()


def _for_templates(function: Callable[..., str]) -> Callable[..., str]:
    """Take the empty text that a template makes of a missing row for the missing value that it is."""

    @wraps(function)
    def printed(value: Any, *arguments: Any) -> str:
        return function(None if value == "" else value, *arguments)

    return printed


for _unit in (units.duration, units.count, units.percent, units.number):
    register.filter(_unit.__name__, _for_templates(_unit))


@register.filter
def size(number_of_bytes: Any) -> str:
    """``1.4 MiB``; an em dash where it is not known."""
    return units.size(number_of_bytes) if isinstance(number_of_bytes, int) else "—"


@register.filter
def ago(moment: datetime | None) -> str:
    """``12 min ago``; an em dash where there is no time."""
    if not moment:
        return "—"
    return units.ago(utcnow() - moment)


@register.filter
def runtime(status: Any) -> float | None:
    """Return for how many seconds a run has trained by now; None where nothing tells."""
    told: float | None = status.runtime_at(utcnow()) if status else None
    return told


@register.filter
def ages(text: str) -> str:
    """Return a kept sentence with the ages in it as they are now."""
    return units.with_ages(text, utcnow())


@register.filter
def age(moment: datetime | None) -> str:
    """``5 h 02 min``: how long ago a moment was, without the word."""
    return units.duration(utcnow() - moment) if moment else "—"


@register.filter
def left(moment: datetime | None) -> str:
    """``3 h 05 min left``; ``overdue`` when the moment has passed."""
    if not moment:
        return "—"
    ahead = moment - utcnow()
    return f"{units.duration(ahead)} left" if ahead.total_seconds() > 0 else "overdue"


@register.filter
def due(moment: datetime | None) -> str:
    """``in 12 s``; ``due now`` for a moment that has come."""
    if not moment:
        return "—"
    left = moment - utcnow()
    return f"in {units.duration(left)}" if left.total_seconds() > 0 else "due now"


@register.filter
def seconds(value: float | None) -> str:
    """``0.13 s``, ``12.0 s``, ``3 min`` of a short time that was measured."""
    if not isinstance(value, int | float):
        return "—"
    return units.duration(value) if value >= 60 else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


@register.filter
def older_than_minutes(moment: datetime | None, minutes: int) -> bool:
    return moment is None or utcnow() - moment > timedelta(minutes=minutes)
