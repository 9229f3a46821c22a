"""One helper that answers a page to a browser and a fragment of the same template to htmx."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails


def htmx_of(request: HttpRequest) -> HtmxDetails:
    """Return the request's htmx details, typed."""
    details: HtmxDetails = request.htmx  # type: ignore[attr-defined]  # set by HtmxMiddleware
    return details


def render_page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    partials: tuple[str, ...] = (),
    status: int = 200,
) -> HttpResponse:
    """Render ``template``, or only its partial when htmx asks for one named in ``partials``.

    A partial's name is the DOM id that it fills. Sets ``Vary``, because one URL has two answers.
    """
    details = htmx_of(request)
    name = template
    if details and not details.history_restore_request and details.target in partials:
        name = f"{template}#{details.target}"
    response = render(request, name, context, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response
