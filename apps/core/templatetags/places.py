"""The header's links to screens, each marked while it or a page below it is shown."""

from typing import Any

from django import template
from django.urls import reverse

register = template.Library()


def is_at(path: str, url: str) -> bool:
    """Tell whether ``path`` is the page at ``url`` or below it; everything would be below the board."""
    return path == url or (url != "/" and path.startswith(f"{url.rstrip('/')}/"))


@register.inclusion_tag("core/place.html", takes_context=True)
def place(
    context: Any, title: str, name: str, *also: str, tag: int = 0, said: str = "", mark: str = "", anew: bool = False
) -> dict[str, Any]:
    """Print a link to the page ``name``; it is the present one on its own pages and on those below ``also``.

    ``tag`` is a count beside it, where it is not 0, and ``said`` what a screen reader says of it.
    ``mark`` is its id, by which a fragment brings it ``anew``.
    """
    url, request = reverse(name), context.get("request")
    here = request is not None and any(is_at(request.path, one) for one in (url, *also))
    return {"title": title, "url": url, "here": here, "tag": tag, "said": said, "mark": mark, "anew": anew}


@register.simple_tag(takes_context=True)
def at_any(context: Any, *names: str) -> bool:
    """Tell whether the page at one of ``names`` is shown."""
    request = context.get("request")
    return request is not None and any(is_at(request.path, reverse(name)) for name in names)
