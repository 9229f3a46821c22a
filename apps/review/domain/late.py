"""What came or changed after a week was frozen: held beside what was known then. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from apps.review.domain.numbers import Figure, Row, Table, WeekNumbers

AS_IT_STANDS = ("verdict-", "results")  # figures that tell how runs stand, not what happened


@dataclass(frozen=True, slots=True)
class Late:
    """A figure that reads otherwise now. ``came`` and ``went`` are rows that count now, and that no longer do."""

    now: Figure
    came: tuple[int, ...]
    went: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LateRow:
    """A row of a table as it is shown: ``row`` as it was known then; ``later`` its cells now, where they differ.

    ``late`` says that nobody knew of it when the week was frozen.
    """

    row: Row
    later: tuple[str, ...] = ()
    late: bool = False


def late_figures(then: WeekNumbers, now: WeekNumbers) -> dict[str, Late]:
    """Return the figures that differ by id; one that nobody knew and knows now differs too.

    That a run which lived on has another verdict or metric by now is not late, but what came after.
    """
    found = {}
    for id, figure in now.figures.items():
        was = then.figures.get(id)
        if was is None or (was.value, set(was.keys)) == (figure.value, set(figure.keys)):
            continue
        if id.startswith(AS_IT_STANDS) and not (set(was.keys) ^ set(figure.keys)) - set(passing(now, figure.kind)):
            continue
        if figure.value is None and was.value is not None:
            continue  # what was known then and is forgotten by now stays as it was known
        came = tuple(key for key in figure.keys if key not in set(was.keys))
        went = tuple(key for key in was.keys if key not in set(figure.keys))
        found[id] = Late(figure, came, went)
    return found


def passing(now: WeekNumbers, kind: str) -> tuple[int, ...]:
    """Return the keys of a kind whose row went on to change after the week, and may."""
    return now.lived_on.get(kind, ())


def rows_of(then: Table, now: Table | None, passing: Collection[int] = ()) -> list[LateRow]:
    """Return a frozen table's rows, each with what it says now where that differs, and then those that came late.

    What the rows with a key in ``passing`` say now is of a later week.
    """
    present = {row.identity: row for row in now.rows if row.key not in passing} if now else {}
    shown = [LateRow(row, _later(row, present.get(row.identity))) for row in then.rows]
    known = {row.identity for row in then.rows}
    if now is None or then.more:
        return shown  # of a longer table nobody can tell what was among the rows that were left out
    return [*shown, *(LateRow(row, late=True) for row in now.rows if row.identity not in known)]


def _later(row: Row, now: Row | None) -> tuple[str, ...]:
    return () if now is None or now.cells == row.cells else now.cells
