"""Bytes as people speak of a GPU's memory."""

from django import template

from apps.memory.estimate import GIB

register = template.Library()


@register.filter
def gib(value: float) -> str:
    """``93.9 GiB``."""
    return f"{value / GIB:,.1f} GiB"
