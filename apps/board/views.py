"""The board, its live updates, and the same content as Markdown."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import SimpleLazyObject
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.audit.selectors import revision
from apps.board import report, selectors
from apps.board.asked import Asked, asked
from apps.board.presenters import Row, columns, present_rows, source_lines
from apps.board.view import BoardView
from apps.core.clock import utcnow
from apps.core.errors import Permanent
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, requires
from apps.handovers.nudging import nudges

TEMPLATE = "board/board.html"
SHOW_ANEW_SECONDS = 60


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def board_page(request: HttpRequest) -> HttpResponse:
    """Show every active sweep."""
    view = BoardView.from_query(request.GET)
    details = htmx_of(request)
    context = _context(view)
    if details.target != "board" or details.history_restore_request:
        context["nudges"] = nudges(context["now"])
        context["asked"] = SimpleLazyObject(asked)  # asked for only where somebody may answer
    response = render_page(request, TEMPLATE, context, partials=("board",))
    if details.target == "board" and details.current_url_abs_path != view.url():
        response["HX-Push-Url"] = view.url()  # without the empty fields of the filter's form
    return response


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def updates(request: HttpRequest) -> HttpResponse:
    """Answer 204 when nothing is newer than revision ``since``; otherwise the rows on screen, out of band.

    What was shown a minute ago is shown anew all the same: ages grow, and a source whose passes stopped is stale.
    """
    since, shown_at = _numbers(request, "since"), _numbers(request, "at")
    newest = revision()
    recent = bool(shown_at) and utcnow().timestamp() - max(shown_at) < SHOW_ANEW_SECONDS
    strip, known = _strip(request)
    changed = strip is not None and set(strip.numbers) != known
    if recent and since and max(since) >= newest and not changed:
        return HttpResponse(status=204)
    context = _context(BoardView.from_query(request.GET), newest)
    if strip is not None:
        new = set(strip.numbers) - known
        context |= {"asked": strip, "asked_changed": changed, "new_questions": len(new)}
    shown = _numbers(request, "shown")
    context["fresh"] = [row for row in context["rows"] if row.data.pk not in shown]
    context["left"] = sorted(shown - {row.data.pk for row in context["rows"]})
    context["rows"] = [row for row in context["rows"] if row.data.pk in shown]
    context["shown"] = ".".join(str(pk) for pk in sorted(shown))
    return render(request, "board/updates.html", context)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def questions_strip(request: HttpRequest) -> HttpResponse:
    """Answer the strip of questions as it is after an answer; without htmx the board itself."""
    if not htmx_of(request):
        return redirect("board:board")
    return render(request, "board/asked_alone.html", {"asked": asked(), "view": BoardView(), "now": utcnow()})


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def active_sweeps_text(request: HttpRequest) -> HttpResponse:
    """Answer ACTIVE_SWEEPS.md of one workspace, or of all, as text."""
    text = report.active_sweeps_markdown(_word(request, "workspace"), utcnow())
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def sweep_status_text(request: HttpRequest) -> HttpResponse:
    """Answer the chat form, `## Sweep Status` and one table, as text."""
    try:
        text, status = report.sweep_status_markdown(_word(request, "sweep")), 200
    except Permanent as error:
        text, status = str(error), 404
    return HttpResponse(text, content_type="text/plain; charset=utf-8", status=status)


def _strip(request: HttpRequest) -> tuple[Asked | None, set[int]]:
    """Return the strip of questions, where the page has one, and the numbers that the page knows of."""
    return (asked() if "asked" in request.GET else None), _numbers(request, "asked")


def _word(request: HttpRequest, name: str) -> str:
    """Return a value of the query; PostgreSQL takes no NUL even in a question."""
    return request.GET.get(name, "").replace("\x00", "\ufffd")


def _numbers(request: HttpRequest, name: str) -> set[int]:
    """Return the numbers of a value such as ``3.17``; nonsense is left out."""
    return {int(part) for part in request.GET.get(name, "").split(".") if part.isdecimal() and len(part) < 16}


def _context(view: BoardView, newest: int | None = None) -> dict[str, Any]:
    # The revision is read before the rows: a pass that ends in between shows up at the next poll.
    newest = revision() if newest is None else newest
    board = selectors.board(view)
    rows: list[Row] = present_rows(board, view)
    sources = source_lines(board.sources)
    return {
        "view": view,
        "board": board,
        "rows": rows,
        "columns": columns(view),
        "sources": sources,
        "revision": newest,
        "shown": ".".join(str(row.data.pk) for row in rows),
        # Without one good pass over W&B nobody knows that no sweep is active.
        "first_load": not any(one.good_at for one in board.sources if one.source == "wandb"),
        "failures": [one for one in sources if one.level == "failed"],
        "now": utcnow(),
    }
