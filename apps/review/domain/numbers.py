"""The numbers of a week: figures, each with the rows that it counts, and short tables. Pure; kept as JSON.

A figure of which nothing is known has no value and says why; it is never 0.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. ``value`` is None where it is unknown, ``why`` then says so; else ``why`` is a limit of it.

    ``keys`` are the primary keys of the rows that it counts, of one ``kind`` (run, sweep, flag, …); ``amounts`` what
    each of them adds, where it is a sum or a median: hours or seconds.
    """

    id: str
    value: float | None
    why: str = ""
    kind: str = ""
    keys: tuple[int, ...] = ()
    amounts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: what it is about, its W&B link, and its cells as people read them.

    ``keys`` are the rows that its first number counts where they are kept, ``amounts`` what each adds.
    """

    name: str
    cells: tuple[str, ...]
    kind: str = ""
    key: int = 0
    url: str = ""
    keys: tuple[int, ...] = ()
    amounts: tuple[float, ...] = ()

    @property
    def identity(self) -> tuple[str, int, str]:
        return self.kind, self.key, "" if self.key else self.name


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind, the weightiest first; ``more`` counts those that are left out."""

    id: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class WeekNumbers:
    """What one week came to, told up to ``until``; ``made_at`` is when it was counted.

    ``lived_on`` holds the runs that were not over at ``until``, and their sweeps, by kind: what is told of them as they
    stand (a verdict, a metric) goes on to change, and that is next week's news.
    """

    week: str
    zone: str
    workspace: str
    since: datetime
    until: datetime
    made_at: datetime
    running: bool
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    lived_on: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def counted(id: str, kind: str, keys: Iterable[int], why: str = "", *, unknown: str = "") -> Figure:
    """Return how many rows there are; with ``unknown`` nothing, for that reason."""
    listed = tuple(keys)
    return Figure(id, None, unknown) if unknown else Figure(id, len(listed), why, kind, listed)


Amounts = Iterable[tuple[int, float]]


def summed(id: str, kind: str, rows: Amounts, why: str = "", *, unknown: str = "") -> Figure:
    """Return the sum of what rows add, the largest first."""
    listed = sorted(rows, key=lambda one: (-one[1], one[0]))
    if unknown:
        return Figure(id, None, unknown)
    amounts = tuple(round(amount, 4) for _, amount in listed)
    return Figure(
        id, round(sum(amount for _, amount in listed), 4), why, kind, tuple(key for key, _ in listed), amounts
    )


def median(id: str, kind: str, rows: Amounts, none: str, *, unknown: str = "") -> Figure:
    """Return the median in seconds; where there is no row it is unknown, because of ``none``."""
    listed = sorted(rows, key=lambda one: (-one[1], one[0]))
    if unknown or not listed:
        return Figure(id, None, unknown or none)
    amounts = tuple(amount for _, amount in listed)
    return Figure(id, statistics.median(amounts), "", kind, tuple(key for key, _ in listed), amounts)


def table(id: str, columns: Sequence[str], rows: Iterable[Row], most: int) -> Table:
    listed = tuple(rows)
    return Table(id, tuple(columns), listed[:most], max(0, len(listed) - most))


def to_json(numbers: WeekNumbers) -> dict[str, Any]:
    """Return the numbers as plain JSON values, with the version of this shape."""
    told = asdict(numbers)
    times = {name: told[name].isoformat() for name in ("since", "until", "made_at")}
    return {"schema": SCHEMA, **told, **times}


def from_json(told: Mapping[str, Any]) -> WeekNumbers:
    """Read what ``to_json`` wrote; ``ValueError`` for a shape of another version."""
    if told.get("schema") != SCHEMA:
        raise ValueError(f"These numbers are of version {told.get('schema')!r}; version {SCHEMA} can be read.")
    return WeekNumbers(
        week=told["week"],
        zone=told["zone"],
        workspace=told["workspace"],
        since=datetime.fromisoformat(told["since"]),
        until=datetime.fromisoformat(told["until"]),
        made_at=datetime.fromisoformat(told["made_at"]),
        running=told["running"],
        figures={name: _figure(one) for name, one in told["figures"].items()},
        tables={name: _table(one) for name, one in told["tables"].items()},
        lived_on={kind: tuple(keys) for kind, keys in told.get("lived_on", {}).items()},
    )


def _figure(told: Mapping[str, Any]) -> Figure:
    return Figure(**{**told, "keys": tuple(told["keys"]), "amounts": tuple(told["amounts"])})


def _table(told: Mapping[str, Any]) -> Table:
    rows = tuple(_row(row) for row in told["rows"])
    return Table(told["id"], tuple(told["columns"]), rows, told["more"])


def _row(told: Mapping[str, Any]) -> Row:
    # What was kept before rows had keys has none.
    lists = {name: tuple(told.get(name, ())) for name in ("cells", "keys", "amounts")}
    return Row(**{**told, **lists})
