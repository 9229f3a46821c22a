"""Curves as small as a word: from points to coordinates and to a sentence. Pure."""

import math
from collections.abc import Sequence

from apps.core.units import number

WIDTH, HEIGHT, MARGIN = 100.0, 20.0, 1.0
Pairs = Sequence[Sequence[float]]


def path_of(points: Pairs) -> str:
    """Return ``x,y x,y …`` of an SVG polyline of 100 by 20 units; empty below two points that can be drawn."""
    pairs = [(step, value) for step, value in points if math.isfinite(step) and math.isfinite(value)]
    if len(pairs) < 2:
        return ""
    steps, values = [step for step, _ in pairs], [value for _, value in pairs]
    return " ".join(
        f"{WIDTH * _part(step, min(steps), max(steps)):.1f},"
        f"{MARGIN + (HEIGHT - 2 * MARGIN) * (1 - _part(value, min(values), max(values))):.1f}"
        for step, value in pairs
    )


def _part(value: float, low: float, high: float) -> float:
    """Where ``value`` lies between the two, from 0 to 1; in the middle where they are the same."""
    spread = high - low
    return (value - low) / spread if spread > 0 and math.isfinite(spread) else 0.5


def words_of(points: Pairs, name: str) -> str:
    """Return what the curve shows as a sentence."""
    return f"{name}: from {number(points[0][1])} to {number(points[-1][1])} over {len(points)} points"
