"""ISO weeks in a time zone. Pure.

A week is that of ISO 8601: it begins on Monday at midnight on the wall clock of its zone, and belongs to the year of
its Thursday. Its length in hours follows from the zone: 168, or 167 and 169 where clocks are changed in it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_WRITTEN = re.compile(r"([0-9]{4})-?[Ww]([0-9]{2})")
FIRST_YEAR, LAST_YEAR = 2000, 9000


class NoSuchWeek(ValueError):
    """The text names no week; ``str(error)`` is a sentence for people."""


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """One ISO week of one time zone, such as 2026-W47 in Europe/Berlin."""

    year: int
    number: int
    zone: str = "UTC"

    def __str__(self) -> str:
        return f"{self.year:04d}-W{self.number:02d}"

    @property
    def monday(self) -> date:
        return date.fromisocalendar(self.year, self.number, 1)

    @property
    def sunday(self) -> date:
        return self.monday + timedelta(days=6)

    @property
    def start(self) -> datetime:
        """Its first moment, aware, in UTC."""
        return _midnight(self.monday, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment of the next week: the week is all before it."""
        return _midnight(self.monday + timedelta(days=7), self.zone)

    @property
    def hours(self) -> float:
        return (self.end - self.start).total_seconds() / 3600

    @property
    def previous(self) -> "Week":
        return week_of_day(self.monday - timedelta(days=7), self.zone)

    @property
    def following(self) -> "Week":
        return week_of_day(self.monday + timedelta(days=7), self.zone)

    def holds(self, moment: datetime | None) -> bool:
        return moment is not None and self.start <= moment < self.end

    def running(self, now: datetime) -> bool:
        return now < self.end

    def until(self, now: datetime) -> datetime:
        """Up to when the week is told: its end, or ``now`` while it runs; never before its start."""
        return max(self.start, min(self.end, now))

    @property
    def days(self) -> str:
        """``16 to 22 November 2026``; months and years are named twice only where they differ."""
        first, last = self.monday, self.sunday
        head = f"{first.day}"
        if first.month != last.month:
            head += f" {first:%B}"
        if first.year != last.year:
            head += f" {first.year}"
        return f"{head} to {last.day} {last:%B} {last.year}"


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def week_of_day(day: date, zone: str = "UTC") -> Week:
    year, number, _ = day.isocalendar()
    return Week(year, number, zone)


def week_at(now: datetime, zone: str = "UTC") -> Week:
    """Return the week that runs at ``now`` on the wall clock of ``zone``."""
    return week_of_day(now.astimezone(ZoneInfo(zone)).date(), zone)


def parse_week(text: str, zone: str = "UTC") -> Week:
    """Read ``2026-W47``; ``NoSuchWeek`` says what is wrong, also for a week 53 that the year does not have."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise NoSuchWeek(f"'{text[:40]}' is no week: write one such as 2026-W47.")
    year, number = int(found[1]), int(found[2])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise NoSuchWeek(f"The year {year} is none that can be reviewed.")
    try:
        date.fromisocalendar(year, number, 1)
    except ValueError as error:
        raise NoSuchWeek(f"The year {year} has no week {number}.") from error
    return Week(year, number, zone)
