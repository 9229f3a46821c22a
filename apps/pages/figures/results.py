"""What a sweep reached and what that cost: the best so far, the price of improvements, times and GPU hours. Pure."""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import plotly.graph_objects as go

from apps.core.units import count, number
from apps.pages.figures.chart import Chart, Look, Table, figure, plain, stamp
from apps.pages.figures.curves import quantile

BINS = 24


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run: when it was last heard of, its metric, what it took; None where that is unknown."""

    name: str
    at: datetime | None
    metric: float | None
    hours: float | None
    gpu_hours: float | None


@dataclass(frozen=True, slots=True)
class Improvement:
    """A run that was better than all before it. ``spent`` GPU hours were used up by then, by all runs heard of so far.

    ``cost`` is what was spent since the improvement before, ``gain`` how much better this one is; None for the first.
    """

    run: str
    at: datetime
    metric: float
    gain: float | None
    spent: float
    cost: float


def improvements(results: Sequence[Result], goal: str) -> list[Improvement]:
    """Return the improvements in the order of time; GPU hours that nobody knows count as none."""
    better = operator.gt if goal == "maximize" else operator.lt
    found: list[Improvement] = []
    spent = 0.0
    for one in sorted((each for each in results if each.at is not None), key=_when):
        spent += one.gpu_hours or 0.0
        if one.metric is None or (found and not better(one.metric, found[-1].metric)):
            continue
        gain = abs(one.metric - found[-1].metric) if found else None
        before = found[-1].spent if found else 0.0
        found.append(Improvement(one.name, _when(one), one.metric, gain, spent, spent - before))
    return found


def _when(one: Result) -> datetime:
    assert one.at is not None  # noqa: S101 - whoever asks has left those without a time out
    return one.at


def best_so_far(results: Sequence[Result], metric: str, goal: str) -> Chart:
    """The best value of the metric over time, with every run that had one."""
    steps = improvements(results, goal)
    rows = tuple((one.run, one.at, one.metric, one.gain) for one in steps)
    table = Table(("Run", "Last heard of (UTC)", metric or "Metric", "Better by"), rows)
    title = "Best so far"
    if not steps:
        told = f"No run has {metric} yet." if metric else "The sweep names no metric, so no run is the best."
        return Chart("best", title, told, table)
    known = [one for one in results if one.at is not None and one.metric is not None]
    last = steps[-1]
    since = sum(one.at > last.at for one in known if one.at is not None)
    sentence = (
        f"The best {metric} is {number(last.metric)}, by {last.run}, after {count(len(steps), 'improvement')} among "
        f"{count(len(known), 'run')}; {count(since, 'run')} since then {'was' if since == 1 else 'were'} no better."
    )
    left = len(results) - len(known)
    note = f"{count(left, 'run')} without the metric {'is' if left == 1 else 'are'} not drawn." if left else ""
    return Chart("best", title, sentence, table, lambda look: _best(look, steps, known, metric), note)


def _best(look: Look, steps: Sequence[Improvement], known: Sequence[Result], metric: str) -> go.Figure:
    every = go.Scatter(
        name="each run", mode="markers", x=[stamp(_when(one)) for one in known], y=[one.metric for one in known],
        marker={"size": 6, "color": look.dim, "opacity": 0.6}, hovertemplate="%{y}<extra></extra>",
    )  # fmt: skip
    end = max(_when(one) for one in known)
    line = go.Scatter(
        name="best so far", mode="lines+markers", x=[*(stamp(one.at) for one in steps), stamp(end)],
        y=[*(one.metric for one in steps), steps[-1].metric],
        line={"shape": "hv", "color": look.palette[0], "width": 2.5}, marker={"size": 8},
        hovertemplate="%{y} at %{x}<extra></extra>",
    )  # fmt: skip
    return figure(look, [every, line], height=340, xaxis={"type": "date", "title": "last heard of, UTC"},
                  yaxis={"title": plain(metric)})  # fmt: skip


def cost(results: Sequence[Result], metric: str, goal: str) -> Chart:
    """GPU hours that each improvement of the metric took."""
    steps = improvements(results, goal)
    rows = tuple((one.run, one.at, one.metric, one.gain, one.cost, one.spent) for one in steps)
    names = (metric or "Metric", "Better by", "GPU hours since the one before", "GPU hours so far")
    columns = ("Run", "Last heard of (UTC)", *names)
    table, title = Table(columns, rows), "Cost per improvement"
    if not steps or not any(one.gpu_hours for one in results):
        told = (
            "No run improved the metric yet." if not steps else "No GPU hours of these runs are known, so no cost is."
        )
        return Chart("cost", title, told, table)
    dear = max(steps, key=lambda one: one.cost)
    idle = sum(one.gpu_hours or 0.0 for one in results if one.at is not None) - steps[-1].spent
    sentence = (
        f"{count(len(steps), 'improvement')} took {number(steps[-1].spent)} GPU hours; the dearest, {dear.run}, took "
        f"{number(dear.cost)}. Since the last one {number(max(0.0, idle))} went without any."
    )
    unknown = sum(one.gpu_hours is None for one in results)
    note = f"GPU hours of {count(unknown, 'run')} are unknown: costs are at least these." if unknown else ""
    return Chart("cost", title, sentence, table, lambda look: _cost(look, steps, metric), note)


def _cost(look: Look, steps: Sequence[Improvement], metric: str) -> go.Figure:
    line = go.Scatter(
        name=plain(metric), mode="lines+markers", x=[one.spent for one in steps], y=[one.metric for one in steps],
        line={"shape": "hv", "color": look.palette[0], "width": 2.5}, marker={"size": 9, "color": look.palette[1]},
        customdata=[number(one.cost) for one in steps],
        hovertemplate="%{y} after %{x:.4g} GPU hours, %{customdata} since the one before<extra></extra>",
    )  # fmt: skip
    return figure(look, [line], height=340, xaxis={"title": "GPU hours so far", "rangemode": "tozero"},
                  yaxis={"title": plain(metric)})  # fmt: skip


def spread(results: Sequence[Result]) -> Chart:
    """How long runs took, and how many GPU hours, as two histograms on one axis of magnitudes."""
    hours = sorted(one.hours for one in results if one.hours is not None and one.hours > 0)
    gpus = sorted(one.gpu_hours for one in results if one.gpu_hours is not None and one.gpu_hours > 0)
    edges = edges_of([*hours, *gpus])
    counts = [histogram(values, edges) for values in (hours, gpus)]
    rows = tuple(
        (f"{number(low)} – {number(high)} h", first, second)
        for (low, high), first, second in zip(pairwise(edges), *counts, strict=True) if first or second
    )  # fmt: skip
    table, title = Table(("Between", "Runs by runtime", "Runs by GPU hours"), rows), "Runtime and GPU hours"
    if not hours and not gpus:
        return Chart("spread", title, "How long these runs took is unknown: no job that carried one is known.", table)
    sentence = "; ".join(filter(None, (_told("runtime", hours), _told("GPU hours", gpus)))) + "."
    left = len(results) - len(hours)
    note = f"Of {count(left, 'run')} the runtime is unknown or nothing." if left else ""
    return Chart("spread", title, sentence, table, lambda look: _spread(look, edges, counts), note)


def _told(what: str, values: Sequence[float]) -> str:
    if not values:
        return f"{what} unknown"
    sides = [number(quantile(values, part)) for part in (0.1, 0.5, 0.9)]
    total = f", {number(sum(values))} together" if what != "runtime" else ""
    told = f"half took less than {sides[1]} h, 80 % between {sides[0]} and {sides[2]} h{total}"
    return f"{what} of {count(len(values), 'run')}: {told}"


def edges_of(values: Sequence[float]) -> list[float]:
    """Return the edges of bins that grow by one factor, from the least to the most of these positive values."""
    if not values:
        return []
    low, high = math.log10(min(values)), math.log10(max(values))
    if high - low < 0.01:
        low, high = low - 0.1, high + 0.1
    return [10 ** (low + (high - low) * place / BINS) for place in range(BINS + 1)]


def histogram(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    """Return how many values lie in each bin; the last edge belongs to the last bin."""
    counts = [0] * max(0, len(edges) - 1)
    for value in values:
        place = sum(value >= edge for edge in edges[1:-1])
        counts[place] += 1
    return counts


def _spread(look: Look, edges: Sequence[float], counts: Sequence[Sequence[int]]) -> go.Figure:
    sides = list(pairwise(edges))
    middles = [math.sqrt(low * high) for low, high in sides]
    names = (("runtime, h", look.palette[0], ""), ("GPU hours", look.palette[1], "/"))
    traces = [
        go.Bar(name=name, x=middles, y=list(one), width=[(high - low) * 0.9 for low, high in sides],
               marker={"color": colour, "opacity": 0.75, "pattern": {"shape": pattern, "fgcolor": look.text}},
               hovertemplate="about %{x:.3g} h: %{y} runs<extra>" + name + "</extra>")
        for (name, colour, pattern), one in zip(names, counts, strict=True)
    ]  # fmt: skip
    return figure(look, traces, height=340, barmode="overlay", xaxis={"type": "log", "title": "hours"},
                  yaxis={"title": "runs", "rangemode": "tozero"})  # fmt: skip
