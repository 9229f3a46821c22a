"""The one place that asks what time it is. Rules never call it: they are given ``now``."""

from datetime import UTC, datetime


def utcnow() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(tz=UTC)
