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
def ago(moment: datetime | None) -> str:
    """``12 min ago``; an em dash where there is no time."""
    if not moment:
        return "—"
    return units.ago(utcnow() - moment)


@register.filter
def older_than_minutes(moment: datetime | None, minutes: int) -> bool:
    return moment is None or utcnow() - moment > timedelta(minutes=minutes)
