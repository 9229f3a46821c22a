"""What every chart is: a sentence, a table, and a figure that is drawn in the colours of a scheme. Pure.

A figure is data: the browser fetches it as JSON and plotly.js draws it. Its ground is transparent, so that the page's
own shows; its colours keep 3:1 against that ground, and no two things are told apart by colour alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from apps.core.units import number

CLEAR = "rgba(0,0,0,0)"


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of a scheme. ``palette`` tells runs apart together with ``DASHES``."""

    text: str
    dim: str
    grid: str
    fill: str
    bar: str
    good: str
    warning: str
    critical: str
    palette: tuple[str, ...]


LIGHT = Look(
    "#18212d", "#56616f", "#d9dee5", "rgba(86,97,111,0.18)", "#2f7fc1", "#17663f", "#a66a00", "#b3161b",
    ("#0b57a4", "#b34a00", "#17663f", "#8a3ea8", "#7a6000", "#b3161b", "#1f7282", "#4c5566"),
)  # fmt: skip
DARK = Look(
    "#e7ecf3", "#a3afbf", "#313a47", "rgba(163,175,191,0.22)", "#5aa7e8", "#82d8ab", "#ffcf7a", "#ff9a97",
    ("#8cc2ff", "#ffb27a", "#82d8ab", "#d9a8f0", "#e8d27a", "#ff9a97", "#7fd6e2", "#c0cad6"),
)  # fmt: skip
SCHEMES = {"light": LIGHT, "dark": DARK}
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")


@dataclass(frozen=True, slots=True)
class Table:
    """What a chart shows, as rows: texts, numbers, times, and None for what is unknown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """``draw`` is None where there is nothing to draw; ``sentence`` says then why, and what to do."""

    name: str
    title: str
    sentence: str
    table: Table
    draw: Callable[[Look], go.Figure] | None = None
    note: str = ""

    @property
    def drawn(self) -> bool:
        """Whether there is a figure; templates would call ``draw`` itself."""
        return self.draw is not None


def figure(look: Look, traces: Sequence[Any], **layout: Any) -> go.Figure:
    """Return a figure of these traces on a transparent ground, in a scheme's colours, without plotly's own template."""
    axis = {"gridcolor": look.grid, "zerolinecolor": look.grid, "linecolor": look.dim, "automargin": True}
    base = {
        "template": {},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"color": look.text, "size": 13, "family": "system-ui, sans-serif"},
        "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
        "hoverlabel": {"align": "left"},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": axis | layout.pop("xaxis", {}),
        "yaxis": axis | layout.pop("yaxis", {}),
    }
    return go.Figure(data=list(traces), layout=base | layout)


def cell(value: Any) -> str:
    """Return a table's value as people read it; an em dash for what is unknown."""
    if value is None or value == "":
        return "—"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    return str(value)


def plain(text: str) -> str:
    """Return a name as plotly shows it as it is: it reads tags in every text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def stamp(moment: datetime) -> str:
    """Return a time as plotly reads it: UTC, without a zone."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"
