"""A value of the table of runs, as people read it."""

from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from apps.core.clock import utcnow
from apps.core.units import ago, duration, number
from apps.pages.domain.configs import shown
from apps.pages.selectors.runs_table import TableRow

register = template.Library()
UNKNOWN = mark_safe('<span class="dim">—</span>')


@register.simple_tag
def column_value(key: str, value: Any, row: TableRow) -> SafeString | str:
    """Return a cell's content; an em dash for what the run does not have."""
    if value is None or value == "":
        return UNKNOWN
    if key == "state":
        return format_html('<span class="state-{}">{}</span>', value, value)
    if key == "flags":
        worst = row.flags[0].severity if row.flags else "note"
        return format_html('<span class="tally {}">{}</span>', worst, value)
    if key == "runtime":
        return duration(value)
    if isinstance(value, datetime):
        return format_html('<time datetime="{}">{}</time>', value.isoformat(), ago(utcnow() - value))
    if isinstance(value, float):
        return number(value)
    return format_html("<bdi>{}</bdi>", shown(value))
