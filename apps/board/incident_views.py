"""The screens of the discrepancy log and of the preemption history."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.audit.selectors import freshness
from apps.board.incidents import ROWS, flagged_discrepancies, preemptions, unflagged_discrepancies
from apps.board.presenters import source_lines
from apps.core.clock import utcnow
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires
from apps.workspaces.selectors import active_workspaces

SHOWN = ("open", "over")


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def discrepancies_page(request: HttpRequest) -> HttpResponse:
    """Show where W&B and Slurm disagreed: since when, until when, and what was done about it, by whom."""
    workspace, show, page = _asked(request)
    rows = flagged_discrepancies(utcnow(), workspace=workspace, show=show, page=page)
    more = len(rows) == ROWS
    if page == 1 and show != "over":
        rows = [*unflagged_discrepancies(workspace=workspace), *rows]
    context = {**_context("board:discrepancies", workspace, page, more, show=show), "rows": rows, "shows": SHOWN}
    return render_page(request, "board/discrepancies.html", context, partials=("incidents",))


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def preemptions_page(request: HttpRequest) -> HttpResponse:
    """Show the jobs that were preempted while they carried a run, and what became of the runs."""
    workspace, _, page = _asked(request)
    rows = preemptions(workspace=workspace, page=page)
    context = {**_context("board:preemptions", workspace, page, len(rows) == ROWS), "rows": rows}
    return render_page(request, "board/preemptions.html", context, partials=("incidents",))


def _asked(request: HttpRequest) -> tuple[str, str, int]:
    page = request.GET.get("page", "")
    number = int(page) if page.isdecimal() and 0 < len(page) < 6 else 1
    show = request.GET.get("show", "")
    return request.GET.get("workspace", "").replace("\x00", "\ufffd"), show if show in SHOWN else "", max(1, number)


def _context(name: str, workspace: str, page: int, more: bool, **view: str) -> dict[str, Any]:
    def url(number: int) -> str:
        values = {"workspace": workspace, **view, "page": str(number) if number > 1 else ""}
        query = urlencode({key: value for key, value in values.items() if value})
        return f"{reverse(name)}?{query}" if query else reverse(name)

    return {
        "workspace": workspace,
        "workspaces": [one.name for one in active_workspaces()],
        "here": reverse(name),
        "newer": url(page - 1) if page > 1 else "",
        "older": url(page + 1) if more else "",
        "sources": source_lines(freshness()),
        "now": utcnow(),
        **view,
    }
