"""How a chart is answered: a panel with its table, a figure for plotly.js, or its rows as CSV."""

import csv
import io
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from apps.core.pages import htmx_of
from apps.pages.domain.cells import safe_cell
from apps.pages.figures.chart import LIGHT, SCHEMES, Chart, cell

TEMPLATE = "pages/chart.html"
SHOWN = 200  # rows of a chart's table on the page; its CSV has every one


def answer_chart(request: HttpRequest, chart: Chart, form: str, *, base: str, **context: Any) -> HttpResponse:
    """Answer a chart in the asked form: ``json``, ``csv``, or a page whose panel htmx takes alone.

    ``base`` is the address of its panel, without the query.
    """
    if form == "json":
        return _figure(request, chart)
    if form == "csv":
        return _csv(chart)
    query = request.GET.urlencode()
    told = {
        "chart": chart,
        "base": base,
        "query": f"?{query}" if query else "",
        "rows": [[cell(value) for value in row] for row in chart.table.rows[:SHOWN]],
        "total": len(chart.table.rows),
        **context,
    }
    # A slot on another page asks for the panel alone; its DOM id holds the chart's name, so the partial cannot.
    panel = htmx_of(request).target == f"chart-{chart.name}"
    response = render(request, f"{TEMPLATE}#panel" if panel else TEMPLATE, {"alone": not panel, **told})
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def _figure(request: HttpRequest, chart: Chart) -> HttpResponse:
    look = SCHEMES.get(request.GET.get("scheme", ""), LIGHT)
    made = chart.draw(look).to_json() if chart.draw else '{"data": [], "layout": {}}'
    return HttpResponse(made, content_type="application/json")


def _csv(chart: Chart) -> HttpResponse:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([safe_cell(column) for column in chart.table.columns])
    writer.writerows([safe_cell(value) for value in row] for row in chart.table.rows)
    headers = {"Content-Disposition": f'attachment; filename="{chart.name}.csv"'}
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
