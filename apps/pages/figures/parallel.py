"""Parallel coordinates: every run as a line over its parameters and the metric. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from apps.core.units import count
from apps.pages.domain.tables import CONFIG, word_of
from apps.pages.figures.chart import CLEAR, Chart, Look, Table, figure, plain
from apps.sweeps.domain import finite

MOST_AXES = 12
MOST_TICKS = 12


@dataclass(frozen=True, slots=True)
class Trial:
    """A run with the values that its sweep chose for it, by parameter, and what came of it; None: unknown."""

    name: str
    values: dict[str, Any]
    metric: float | None


@dataclass(frozen=True, slots=True)
class Axis:
    """One coordinate. ``ticks`` name the places of texts; a scale of magnitudes is drawn by its logarithms.

    ``key`` is the column of the table that brushing narrows, ``kind`` how its places are to be read: number, log, or
    text, whose ``words`` stand at 0, 1, 2 ….
    """

    key: str
    title: str
    places: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    kind: str = "number"
    words: tuple[str, ...] = ()


def parallel(
    trials: Sequence[Trial], parameters: Sequence[str], metric: str, logs: frozenset[str], total: int
) -> Chart:
    """``logs`` are parameters on a scale of magnitudes; ``total`` counts all runs, of which these are the newest."""
    whole = [one for one in trials if one.metric is not None]
    varying = [name for name in parameters if len({str(one.values.get(name)) for one in whole}) > 1]
    drawn = [one for one in whole if all(one.values.get(name) is not None for name in varying[:MOST_AXES])]
    columns = ("Run", *varying[:MOST_AXES], metric or "metric")
    rows = tuple((one.name, *(one.values.get(name) for name in varying[:MOST_AXES]), one.metric) for one in drawn)
    table = Table(columns, rows)
    title = "Parameters and metric, run by run"
    if not metric or not drawn or not varying:
        return Chart("parallel", title, _why_not(metric, whole, varying), table)
    axes = [_axis(drawn, name, name in logs) for name in varying[:MOST_AXES]]
    part = f" (of the newest {len(trials)} of {total})" if total > len(trials) else ""
    left = len(trials) - len(drawn)
    sentence = (
        f"{count(len(drawn), 'run')}{part} over {count(len(axes), 'parameter')} that vary and {metric}. Drag along an "
        "axis to brush: the table of runs below then holds only what is brushed; its ranges do the same by keyboard."
    )
    note = f"Left out for want of the metric or of one of the values: {count(left, 'run')}." if left else ""
    more = f" Further parameters that vary: {', '.join(varying[MOST_AXES:])}." if len(varying) > MOST_AXES else ""
    return Chart("parallel", title, sentence, table, lambda look: _draw(look, drawn, axes, metric), note + more)


def _why_not(metric: str, whole: Sequence[Trial], varying: Sequence[str]) -> str:
    if not metric:
        return "The sweep names no metric, so there is nothing to hold its parameters against."
    if not whole:
        return f"No run has {metric} yet."
    if not varying:
        return "No parameter of the sweep varies between the runs that have the metric."
    return "No run has all the parameters that vary and the metric."


def _axis(drawn: Sequence[Trial], name: str, log: bool) -> Axis:
    values = [one.values.get(name) for one in drawn]
    # A text of digits is none: a range of the table's finds numbers only.
    told = [number for value in values if not isinstance(value, str) and (number := finite(value)) is not None]
    if len(told) < len(drawn):
        return _texts(values, name)
    if log and min(told) > 0:
        places = tuple(math.log10(one) for one in told)
        return Axis(f"{CONFIG}{name}", f"{name} (log)", places, _magnitudes(min(places), max(places)), "log")
    return Axis(f"{CONFIG}{name}", name, tuple(told))


def _texts(values: Sequence[Any], name: str) -> Axis:
    words = [word_of(value) for value in values]
    order = {word: float(place) for place, word in enumerate(sorted(set(words)))}
    shown = list(order.items())
    step = max(1, math.ceil(len(shown) / MOST_TICKS))
    ticks = tuple((at, word[:40]) for word, at in shown[::step])
    return Axis(f"{CONFIG}{name}", name, tuple(order[word] for word in words), ticks, "text", tuple(order))


def _magnitudes(low: float, high: float) -> tuple[tuple[float, str], ...]:
    whole = range(math.ceil(low), math.floor(high) + 1)
    found = tuple((float(place), f"1e{place}") for place in whole)
    return found if len(found) > 1 else ((low, f"{10**low:.3g}"), (high, f"{10**high:.3g}"))


def _draw(look: Look, drawn: Sequence[Trial], axes: Sequence[Axis], metric: str) -> go.Figure:
    values = [one.metric for one in drawn]
    dimensions = [_dimension(one) for one in axes]
    dimensions.append({"label": plain(metric), "values": values})
    # What charts.js needs to narrow the table by a brushed axis.
    meta = [{"key": one.key, "kind": one.kind, "words": list(one.words)} for one in axes]
    meta.append({"key": "metric", "kind": "number", "words": []})
    scale = [[0, look.palette[0]], [0.5, look.palette[4]], [1, look.palette[1]]]
    # Without a colour bar: the last axis is its scale, and plotly.js gives one style attributes, which the CSP forbids.
    line = {"color": values, "colorscale": scale, "showscale": False}
    fonts = {"labelfont": {"color": look.text}, "tickfont": {"color": look.text}, "rangefont": {"color": CLEAR}}
    unselected = {"line": {"color": look.dim, "opacity": 0.08}}
    made = go.Parcoords(dimensions=dimensions, line=line, unselected=unselected, **fonts)
    return figure(look, [made], height=420, margin={"l": 70, "r": 40, "t": 60, "b": 30}, meta={"axes": meta})


def _dimension(one: Axis) -> dict[str, Any]:
    base: dict[str, Any] = {"label": plain(one.title), "values": list(one.places)}
    if one.ticks:
        base |= {"tickvals": [at for at, _ in one.ticks], "ticktext": [plain(text) for _, text in one.ticks]}
    return base
