"""A window of one log of a run: its tail, any other part, and what a search finds in it."""

from pathlib import Path
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.core.pages import render_page
from apps.core.permissions import Permission, requires
from apps.joblogs.wiring import log_store
from apps.links.selectors import jobs_of_runs
from apps.pages.selectors.logs import RunLog, logs_of, look_into, search_in
from apps.pages.selectors.run import run_named

TEMPLATE = "pages/log.html"


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def log_page(request: HttpRequest, pk: int, log_pk: int) -> HttpResponse:
    """Show 64 KiB of a log at the most: from byte ``at`` on, around byte ``line``, or its tail; ``q`` searches it."""
    run = run_named(pk)
    logs, _ = logs_of(run, jobs_of_runs([pk]).get(pk, [])) if run else ([], [])
    chosen = next((one for one in logs if one.log.pk == log_pk), None)
    if run is None or chosen is None:
        raise Http404("No job of this run has such a log.")
    at, line = _number(request, "at"), _number(request, "line")
    marks = [item["byte"] for item in chosen.evidence if "byte" in item] + ([line] if line is not None else [])
    path = Path(chosen.log.path)
    context: dict[str, Any] = {
        "run": run,
        "chosen": chosen,
        "logs": logs,
        "look": look_into(log_store(), path, at, marks, line=line),
        "line": line,
        "tail": at is None and line is None,
        "here": reverse("pages:log", args=[pk, log_pk]),
        **_searched(request, chosen),
    }
    return render_page(request, TEMPLATE, context, partials=("log",))


def _searched(request: HttpRequest, chosen: RunLog) -> dict[str, Any]:
    sought = request.GET.get("q", "").replace("\x00", "").strip("\r\n")[:200]
    if not sought:
        return {"q": ""}
    found = search_in(log_store(), Path(chosen.log.path), sought, _number(request, "from") or 0)
    further = urlencode({"q": sought, "from": str(found.further)}) if found.further is not None else ""
    return {"q": sought, "found": found, "further": further}


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None
