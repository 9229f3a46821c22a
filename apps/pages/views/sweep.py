"""The page of one sweep: what it is, how it stands, its charts, and the table of its runs."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.board.presenters import source_lines
from apps.core.clock import utcnow
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, requires
from apps.pages.domain.cells import safe_cell
from apps.pages.domain.tables import BUILT_IN, TableView, can_sort, chosen_parameters, title_of
from apps.pages.selectors.runs_table import SAMPLED, choosable, every_row, table_page, table_rows
from apps.pages.selectors.sweep import saved_views, states_of_runs, sweep_named_by, sweep_page
from apps.pages.services.saved import Refused, forget_view, save_view
from apps.pages.views.catalogue import CHARTS
from apps.pages.views.naming import last_part, sweep_by_id
from apps.sweeps.models import Sweep

TEMPLATE = "pages/sweep.html"


@dataclass(frozen=True, slots=True)
class Column:
    """A heading of the table; ``url`` sorts by it and is empty where nothing can."""

    key: str
    title: str
    kind: str
    url: str
    order: str


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a sweep; htmx asks for its table of runs alone."""
    sweep, now = sweep_named_by(pk), utcnow()
    if sweep is None:
        return sweep_by_id(request, last_part(request))  # an id of digits alone
    view = TableView.from_query(dict(request.GET.lists())).tidied(chosen_parameters(sweep.config))
    details = htmx_of(request)
    context: dict[str, Any] = {"sweep": sweep, "now": now}
    if details.target != "runs" or details.history_restore_request:
        context |= _head(sweep)
    context |= _table(request, sweep, view)
    response = render_page(request, TEMPLATE, context, partials=("runs",))
    if details.target == "runs":
        response["HX-Push-Url"] = _here(sweep, view)  # without the form's empty fields
    return response


def sweep_of(pk: int) -> Sweep:
    found = sweep_named_by(pk)
    if found is None:
        raise Http404("There is no such sweep.")
    return found


def _head(sweep: Sweep) -> dict[str, Any]:
    found = sweep_page(sweep)
    sources = source_lines(found.sources)
    charts = [(one, reverse("pages:chart", args=[sweep.pk, one.name])) for one in CHARTS.values()]
    trouble = [one for one in sources if one.level != "ok"]
    return {"page": found, "trouble": trouble, "sources": sources, "charts": charts}


def _table(request: HttpRequest, sweep: Sweep, view: TableView) -> dict[str, Any]:
    now = utcnow()
    columns = view.shown(chosen_parameters(sweep.config))
    found = table_page(sweep, view, now)
    config, summary = choosable(sweep)
    extra = [one for one in view.columns if one not in config and one not in summary and one not in BUILT_IN]
    chosen = set(columns)
    return {
        "view": view,
        "columns": [_column(sweep, view, key) for key in columns],
        "runs": found,
        "rows": [(one, [(key, one.values[key]) for key in columns]) for one in table_rows(found, columns, now)],
        "pages": _pages(sweep, view, found),
        "states": states_of_runs(sweep),
        "offered": [("Columns", [(key, title, key in chosen) for key, title in BUILT_IN.items()]),
                    ("Config", [(key, title_of(key), key in chosen) for key in config]),
                    ("Summary", [(key, title_of(key), key in chosen) for key in summary]),
                    ("Further", [(key, key, True) for key in extra])],
        "sampled": SAMPLED,
        "ranges": [(one, _here(sweep, view.without(one))) for one in view.ranges],
        "words": [(title_of(key), texts, _here(sweep, view.without_words(key)))
                  for key, texts in view.words_of().items()],
        "here": reverse("pages:sweep", args=[sweep.pk]),
        "csv": f"{reverse('pages:runs-csv', args=[sweep.pk])}?{view.query()}",
        "kept": [(one, _kept_url(sweep, one.query)) for one in saved_views(sweep, request.user.get_username())],
        "me": request.user.get_username(),
    }  # fmt: skip


def _kept_url(sweep: Sweep, query: str) -> str:
    return f"{reverse('pages:sweep', args=[sweep.pk])}?{query}#runs"


def _here(sweep: Sweep, view: TableView) -> str:
    query = view.query()
    here = reverse("pages:sweep", args=[sweep.pk])
    return f"{here}?{query}" if query else here


def _column(sweep: Sweep, view: TableView, key: str) -> Column:
    title = f"{title_of(key)} ({sweep.metric_name})" if key == "metric" and sweep.metric_name else title_of(key)
    kind = "" if key in BUILT_IN else key.partition(".")[0]
    order = {key: "ascending", f"-{key}": "descending"}.get(view.sort, "")
    return Column(key, title, kind, _here(sweep, view.sorted_by(key)) if can_sort(key) else "", order)


def _pages(sweep: Sweep, view: TableView, found: Any) -> tuple[str, str]:
    before = _here(sweep, view.at_page(found.number - 1)) if found.has_previous() else ""
    return before, _here(sweep, view.at_page(found.number + 1)) if found.has_next() else ""


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def runs_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Stream every run of a view, whatever its page, as CSV."""
    sweep = sweep_of(pk)
    view = TableView.from_query(dict(request.GET.lists()))
    headers = {"Content-Disposition": f'attachment; filename="runs-of-{sweep.pk}.csv"'}
    lines = _lines(sweep, view)
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


class _Echo:
    """What a CSV writer writes to, handing each line on."""

    def write(self, text: str) -> str:
        return text


def _lines(sweep: Sweep, view: TableView) -> Iterator[str]:
    columns = view.shown(chosen_parameters(sweep.config))
    writer = csv.writer(_Echo())
    yield writer.writerow([safe_cell(text) for text in ("run_id", "name", "url", *columns)])
    for row in every_row(sweep, view, columns, utcnow()):
        told = (row.run.run_id, row.run.name, row.run.url, *(row.values[key] for key in columns))
        yield writer.writerow([safe_cell(value) for value in told])


@require_POST
@requires(Permission.VIEW_BOARD)
def keep(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep the view that the form carries, under a name."""
    sweep, view = sweep_of(pk), TableView.from_query(dict(request.POST.lists()))
    name, shared = request.POST.get("name", ""), bool(request.POST.get("shared"))
    owner, now = request.user.get_username(), utcnow()
    try:
        kept = save_view(sweep=sweep, name=name, view=view, owner=owner, shared=shared, now=now)
        messages.info(request, f"The view '{kept.name}' is kept.")
    except Refused as error:
        messages.error(request, str(error))
    return redirect(f"{_here(sweep, view)}#runs")


@require_POST
@requires(Permission.VIEW_BOARD)
def forget(request: HttpRequest, pk: int, view_pk: int) -> HttpResponse:
    """Forget one of one's own views."""
    sweep = sweep_of(pk)
    try:
        name = forget_view(sweep=sweep, pk=view_pk, owner=request.user.get_username())
        messages.info(request, f"The view '{name}' is forgotten.")
    except Refused as error:
        messages.error(request, str(error))
    return redirect(f"{reverse('pages:sweep', args=[pk])}#runs")
