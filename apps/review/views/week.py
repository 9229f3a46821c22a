"""The page of a week, its exports, and the rows behind each number."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.core.clock import utcnow
from apps.core.permissions import Permission, is_allowed, requires
from apps.review.domain.catalogue import MEASURES
from apps.review.domain.markdown import as_json, markdown
from apps.review.domain.numbers import Figure, Row
from apps.review.domain.review import Review, Shown
from apps.review.domain.wording import amount, standing
from apps.review.reading.meeting import review_of
from apps.review.reading.rows import lines_of
from apps.review.reading.scopes import running_week, scopes
from apps.review.views.showing import parts_of, tile_of, url_of, week_or_404

PAGE = 100


def workspace_in(request: HttpRequest) -> str:
    return request.GET.get("workspace", "").replace("\x00", "")


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def running(request: HttpRequest) -> HttpResponse:
    """Lead to the week that runs now."""
    workspace = workspace_in(request)
    known = workspace if workspace in scopes() else ""
    return redirect(url_of(running_week(known, utcnow()), known))


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def week_page(request: HttpRequest, text: str) -> HttpResponse:
    """Show one week: the agenda of its meeting."""
    return answer(request, text, workspace_in(request))


def answer(
    request: HttpRequest, text: str, workspace: str, *, refused: str = "", typed: Mapping[str, str] | None = None
) -> HttpResponse:
    """Show the week; a refused form is answered with its sentence, and with what was typed in it."""
    week = week_or_404(text, workspace)
    if str(week) != text and not refused:
        return redirect(url_of(week, workspace))
    review = review_of(week, workspace=workspace, now=utcnow())
    context = {**_context(review), "refused": refused, "typed": typed or {}}
    context["may"] = is_allowed(request.user, Permission.WRITE_REVIEW)
    return render(request, "review/week.html", context, status=422 if refused else 200)


def _context(review: Review) -> dict[str, Any]:
    week, workspace, now = review.week, review.workspace, utcnow()
    newest = running_week(workspace, now)
    return {
        "review": review,
        "parts": parts_of(review),
        "standing": standing(review),
        "empty": not review.numbers.running and review.numbers.figures["runs"].value == 0,
        "late_close": review.late_by > 86_400,
        "workspaces": [one for one in scopes() if one],
        "here": url_of(week, workspace),
        "newer": url_of(week.following, workspace) if week < newest else "",
        "older": url_of(week.previous, workspace),
        "newest": url_of(newest, workspace) if week != newest else "",
        "md_url": url_of(week, workspace, "review:markdown"),
        "json_url": url_of(week, workspace, "review:json"),
        "future": week > newest,
    }


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def as_markdown(request: HttpRequest, text: str) -> HttpResponse:
    """Answer the week as Markdown, for the notes."""
    return HttpResponse(markdown(_review(request, text)), content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def as_json_text(request: HttpRequest, text: str) -> HttpResponse:
    """Answer the week as JSON, for programs."""
    return HttpResponse(json.dumps(as_json(_review(request, text)), indent=1), content_type="application/json")


def _review(request: HttpRequest, text: str) -> Review:
    workspace = workspace_in(request)
    return review_of(week_or_404(text, workspace), workspace=workspace, now=utcnow())


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def rows_page(request: HttpRequest, text: str, figure: str) -> HttpResponse:
    """Show the rows that one number of the week counts; those that came or went later are marked."""
    if figure not in MEASURES:
        raise Http404("The review has no such number.")
    review = _review(request, text)
    shown = review.shown(figure)
    of = _line_of(request, review)
    if of is not None:
        shown = _part_of(shown, of)
    page = Paginator(_keys(shown), PAGE).get_page(request.GET.get("page"))
    kind = shown.figure.kind or (shown.late.now.kind if shown.late else "")
    named = lines_of(kind, [key for key, _, _ in page.object_list])
    context = {
        "review": review,
        "tile": tile_of(review, shown),
        "page": page,
        "rows": [
            {"line": named.get(key), "key": key, "kind": kind, "late": late, "amount": said}
            for key, said, late in page.object_list
        ],
        "back": f"{url_of(review.week, review.workspace)}#{shown.measure.part}",
        "of": of.name if of else "",
        "query": _without_page(request),
        "here": request.path,
    }
    return render(request, "review/rows.html", context)


def _line_of(request: HttpRequest, review: Review) -> Row | None:
    """Return the line of a table that the address names; None where it names none."""
    if "of" not in request.GET:
        return None
    key = request.GET.get("key", "0")
    number = int(key) if key.isascii() and key.isdecimal() and len(key) < 16 else 0
    row = review.row(request.GET["of"], request.GET.get("line", ""), number)
    if row is None or not row.keys:
        raise Http404("The review has no such line.")
    return row


def _part_of(shown: Shown, row: Row) -> Shown:
    """Return the part of a figure that one line of a table adds up."""
    figure = replace(shown.figure, value=sum(row.amounts), keys=row.keys, amounts=row.amounts)
    return replace(shown, figure=figure, before=None, late=None)


def _without_page(request: HttpRequest) -> str:
    told = request.GET.copy()
    told.pop("page", None)
    return told.urlencode()


def _keys(shown: Shown) -> list[tuple[int, str, str]]:
    """Return (key, amount, late) of every row: those of then, and after them those that came late."""
    unit = shown.measure.unit
    went = set(shown.late.went) if shown.late else set()
    rows = [
        (key, said, "no longer counts" if key in went else "")
        for key, said in _amounts(shown.figure.keys, shown.figure.amounts, unit)
    ]
    if shown.late:
        came = set(shown.late.came)
        late = _amounts(shown.late.now.keys, shown.late.now.amounts, unit)
        rows += [(key, said, "late") for key, said in late if key in came]
    return rows


def _amounts(keys: tuple[int, ...], amounts: tuple[float, ...], unit: str) -> list[tuple[int, str]]:
    if not amounts:
        return [(key, "") for key in keys]
    return [(key, amount(Figure("", one), unit)) for key, one in zip(keys, amounts, strict=True)]
