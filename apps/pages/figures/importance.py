"""How much each parameter bears on the metric, with how sure that is, and which way. Pure."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from apps.core.units import count
from apps.pages.figures.chart import Chart, Look, Table, figure, plain

COLUMNS = ("Parameter", "Importance", "10 %", "90 %", "Rank correlation", "Runs of it")


def importance(result: Mapping[str, Any], said: str, remark: str = "") -> Chart:
    """``result`` is what a worker kept (``domain.importances``); ``said`` is why there is none, a sentence.

    ``remark`` says that it is being made anew, or of how long ago it is.
    """
    found = list(result.get("parameters", ()))
    rows = tuple((one["name"], one["importance"], one["low"], one["high"], one["spearman"], one["n"]) for one in found)
    title = "Importance of parameters"
    if not found:
        return Chart("importance", title, said or "Nothing was found yet.", Table(COLUMNS, ()), note=remark)
    best = found[0]
    sentence = (
        f"{best['name']} bears most on {result['metric']}: {best['importance']:.0%} of what tells the best runs apart. "
        f"{result['method']}, {count(result['runs'], 'run')} of {result['of']}; the whiskers hold 80 % of "
        f"{result['resamples']} resamples with seed {result['seed']}."
    )
    fixed = result.get("constant", ())
    told = f"Not varied: {', '.join(fixed[:12])}. " if fixed else ""
    note = f"{told}Importance says how much, not which way; the rank correlation (Spearman) says which way. {remark}"
    return Chart("importance", title, sentence, Table(COLUMNS, rows), lambda look: _draw(look, found), note.strip())


def _draw(look: Look, found: list[dict[str, Any]]) -> go.Figure:
    shown = list(reversed(found[:20]))
    names = [plain(one["name"]) for one in shown]
    values = [one["importance"] for one in shown]
    spread = {
        "type": "data", "symmetric": False, "color": look.text, "thickness": 1.5,
        "array": [max(0.0, one["high"] - one["importance"]) for one in shown],
        "arrayminus": [max(0.0, one["importance"] - one["low"]) for one in shown],
    }  # fmt: skip
    bars = go.Bar(name="importance", orientation="h", x=values, y=names, error_x=spread, marker={"color": look.bar},
                  hovertemplate="%{y}: %{x:.0%}<extra></extra>")  # fmt: skip
    dots = go.Scatter(
        name="rank correlation", mode="markers", x=[one["spearman"] for one in shown], y=names,
        marker={"symbol": "diamond", "size": 11, "color": look.palette[1], "line": {"width": 1, "color": look.text}},
        hovertemplate="%{y}: rank correlation %{x:.2f}<extra></extra>",
    )  # fmt: skip
    height = max(260, 110 + 30 * len(shown))
    return figure(look, [bars, dots], height=height, xaxis={"range": [-1.05, 1.05], "tickformat": ".1f"},
                  yaxis={"showgrid": False})  # fmt: skip
