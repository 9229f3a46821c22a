"""Template filters of worktrees' screens."""

from django import template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def coded(sentence: str) -> SafeString:
    """Return a sentence with what stands between back-ticks as code; everything is escaped."""
    parts = str(sentence).split("`")
    if len(parts) % 2 == 0:
        return escape(sentence)
    told = ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in enumerate(parts))
    return format_html_join("", "{}", told)
