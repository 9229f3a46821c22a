"""The moment from which every test's times count."""

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def before(**duration: float) -> datetime:
    """Return ``NOW`` less a duration such as ``minutes=5``."""
    return NOW - timedelta(**duration)
