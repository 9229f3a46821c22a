"""A curve as small as a word."""

from collections.abc import Sequence

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.board.sparks import path_of, words_of

register = template.Library()


@register.simple_tag
def sparkline(points: Sequence[Sequence[float]] | None, name: str) -> SafeString | str:
    """Draw (step, value) pairs as an SVG of 100 by 20 units, with a sentence for those who do not see it."""
    drawn = path_of(points or ())
    if not drawn:
        return ""
    return format_html(
        '<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polyline points="{}"/></svg>',
        words_of(points or (), name),
        drawn,
    )
