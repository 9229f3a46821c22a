"""A metric over steps: chosen runs as lines, the rest as a band of quantiles. Pure."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from apps.core.units import count, number
from apps.pages.figures.chart import DASHES, Chart, Look, Table, figure, plain

Points = tuple[tuple[float, float], ...]
GRID = 60  # steps at which the band is told
LEAST_IN_BAND = 3  # a quantile of fewer says nothing
MOST_CHOSEN = 8


@dataclass(frozen=True, slots=True)
class Curve:
    """What one run logged, thinned out: (step, value), steps growing. Steps are W&B's count of log calls."""

    name: str
    points: Points


@dataclass(frozen=True, slots=True)
class Band:
    """Quantiles of many curves: for each step how many runs had come so far, and their 10, 50 and 90 % values."""

    steps: tuple[float, ...]
    runs: tuple[int, ...]
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]


def band_of(curves: Sequence[Curve]) -> Band:
    """Return the band of some curves; only steps that at least ``LEAST_IN_BAND`` of them reached are in it."""
    kept = [one.points for one in curves if one.points]
    ends = sorted(points[-1][0] for points in kept)
    if len(ends) < LEAST_IN_BAND:
        return Band((), (), (), (), ())
    first, last = min(points[0][0] for points in kept), ends[-LEAST_IN_BAND]
    steps = [first + (last - first) * place / (GRID - 1) for place in range(GRID)] if last > first else [first]
    rows = [(step, sorted(told)) for step in steps if len(told := _values_at(kept, step)) >= LEAST_IN_BAND]
    return Band(
        tuple(step for step, _ in rows), tuple(len(values) for _, values in rows),
        *(tuple(quantile(values, part) for _, values in rows) for part in (0.1, 0.5, 0.9)),
    )  # fmt: skip


def _values_at(curves: Sequence[Points], step: float) -> list[float]:
    """The last value that each run had logged by a step, of those that had begun and had not ended by then."""
    found = []
    for points in curves:
        if points[0][0] <= step <= points[-1][0]:
            found.append(points[bisect_right(points, (step, math.inf)) - 1][1])
    return found


def quantile(values: Sequence[float], part: float) -> float:
    """Return a quantile of sorted values, between two of them by their distance."""
    at = part * (len(values) - 1)
    low = math.floor(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def curves(
    chosen: Sequence[Curve], rest: Sequence[Curve], metric: str, *, without: int = 0, total_rest: int | None = None
) -> Chart:
    """``without`` counts runs of which no sample is kept; ``total_rest`` how many others there are beside ``rest``."""
    band = band_of(rest)
    drawn = [one for one in chosen if one.points]
    rows: list[tuple[str, float, float | str]] = [(one.name, *point) for one in drawn for point in one.points]
    rows += [
        (f"the other runs ({runs})", step, f"{number(low)} … {number(middle)} … {number(high)}")
        for step, runs, low, middle, high in zip(band.steps, band.runs, band.low, band.middle, band.high, strict=True)
    ]
    table = Table(("Run", "Step (log calls)", metric or "value"), tuple(rows))
    title = f"{metric or 'Metric'} over steps"
    if not rows:
        told = "No sample of this metric is kept yet: samples are read every few minutes, and old ones are thinned out."
        return Chart("curves", title, told if metric else "The sweep names no metric, so nothing is sampled.", table)
    parts = [f"{one.name} ends at {number(one.points[-1][1])}" for one in drawn]
    part = f" (the newest {len(rest)} of {total_rest})" if total_rest is not None and total_rest > len(rest) else ""
    others = f"the band holds the middle 80 % of {count(len(rest), 'other run')}{part}" if band.steps else ""
    sentence = "; ".join(filter(None, [*parts, others])) + "."
    note = f"Of {count(without, 'run')} no sample is kept: unknown, and not drawn." if without else ""
    return Chart("curves", title, sentence, table, lambda look: _draw(look, drawn, band, metric), note)


def _draw(look: Look, drawn: Sequence[Curve], band: Band, metric: str) -> go.Figure:
    traces = _band(look, band) + [_line(look, one, place) for place, one in enumerate(drawn)]
    return figure(look, traces, height=420, hovermode="closest", xaxis={"title": "step (log calls)"},
                  yaxis={"title": plain(metric)})  # fmt: skip


def _line(look: Look, one: Curve, place: int) -> go.Scatter:
    colour = look.palette[place % len(look.palette)]
    dash = DASHES[place % len(DASHES)]
    name = plain(one.name)
    return go.Scatter(
        name=name, mode="lines" if len(one.points) > 1 else "markers", x=[step for step, _ in one.points],
        y=[value for _, value in one.points], line={"color": colour, "dash": dash, "width": 2.5},
        hovertemplate=name + "<br>step %{x}: %{y}<extra></extra>",
    )  # fmt: skip


def _band(look: Look, band: Band) -> list[go.Scatter]:
    if not band.steps:
        return []
    steps = list(band.steps)
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "x": steps}
    middle = go.Scatter(name="median of the others", x=steps, y=list(band.middle), mode="lines",
                        line={"color": look.dim, "width": 1.5, "dash": "dot"}, customdata=list(band.runs),
                        hovertemplate="median of %{customdata} runs: %{y}<extra></extra>")  # fmt: skip
    filled = {"name": "middle 80 % of the others", "fill": "tonexty", "fillcolor": look.fill}
    return [
        go.Scatter(y=list(band.low), **edge),
        go.Scatter(y=list(band.high), **(edge | filled | {"showlegend": True})),
        middle,
    ]
