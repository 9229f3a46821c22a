"""Numbers as people read them. Pure."""

import math
import re
from datetime import datetime, timedelta
from typing import Any

DASH = "—"
_WIDEST = 2**63


def duration(seconds: float | timedelta | None) -> str:
    """``45 s``, ``12 min``, ``3 h 05 min``, ``2 d 4 h``: two units at most."""
    if seconds is None:
        return DASH
    total = int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    if total < 0:
        return "0 s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 60:
        return f"{total} s"
    if hours < 1:
        return f"{minutes} min"
    if days < 1:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{days} d {hours % 24} h"


def ago(delta: timedelta) -> str:
    """``just now`` or ``12 min ago``; a clock that runs ahead says ``in the future``."""
    seconds = delta.total_seconds()
    if seconds < -60:
        return f"in the future ({duration(-seconds)})"
    return "just now" if seconds < 5 else f"{duration(seconds)} ago"


def age_mark(moment: datetime) -> str:
    """Return a mark for a moment inside a sentence that is kept; ``with_ages`` turns it into ``12 min ago``.

    A kept sentence that told the age itself would be another one at every look.
    """
    return f"[[age:{moment.isoformat()}]]"


_AGE_MARK = re.compile(r"\[\[age:([^\]\s]{1,40})\]\]")


def with_ages(text: str, now: datetime) -> str:
    """Return the sentence as it reads at ``now``; what only looks like a mark stays as it is."""

    def said(found: re.Match[str]) -> str:
        try:
            return ago(now - datetime.fromisoformat(found[1]))
        except (ValueError, TypeError):
            return found[0]

    return _AGE_MARK.sub(said, text)


def count(number: int | None, noun: str = "") -> str:
    """``1 run``, ``14 runs``; thousands are parted by a thin space."""
    if number is None:
        return DASH
    figure = f"{number:,}".replace(",", "\u202f")
    if not noun:
        return figure
    return f"{figure} {noun}" if number == 1 else f"{figure} {noun}s"


def percent(value: float | None) -> str:
    """``42 %`` from 42.3; never ``100 %`` below 100."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{math.floor(value)} %"


def size(number_of_bytes: int) -> str:
    """``312 B``, ``1.4 MiB``, ``12 GiB``: two digits that count."""
    figure, unit = float(number_of_bytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if abs(figure) < 1024 or unit == "PiB":
            break
        figure /= 1024
    return f"{figure:.0f} {unit}" if unit == "B" or figure >= 10 else f"{figure:.1f} {unit}"


def number(value: float | None) -> str:
    """A metric in four significant digits; whole numbers stay whole."""
    if value is None:
        return DASH
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e9:
        return str(int(value))
    return f"{value:.4g}"


def whole(value: Any) -> int | None:
    """Return a number as an integer that fits a 64-bit column; None for anything else."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if -_WIDEST <= number < _WIDEST else None
