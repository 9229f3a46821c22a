"""Spans of time: cutting, taking away, adding up. Pure. A span is (from, until), the end not included."""

from collections.abc import Iterable
from datetime import UTC, datetime

Span = tuple[datetime, datetime]
EVER, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def clip(span: Span, within: Span) -> Span | None:
    """Return what both share; None where that is nothing."""
    begin, end = max(span[0], within[0]), min(span[1], within[1])
    return (begin, end) if begin < end else None


def shared(spans: Iterable[Span], within: Span) -> list[Span]:
    return [found for one in spans if (found := clip(one, within))]


def without(spans: Iterable[Span], gone: Span) -> list[Span]:
    """Return the spans less the part that ``gone`` covers."""
    left: list[Span] = []
    for begin, end in spans:
        if gone[1] <= begin or gone[0] >= end:
            left.append((begin, end))
            continue
        left += [(begin, gone[0])] if gone[0] > begin else []
        left += [(gone[1], end)] if gone[1] < end else []
    return left


def hours(spans: Iterable[Span]) -> float:
    return sum((end - begin).total_seconds() for begin, end in spans) / 3600
