"""A week as it is looked at in the meeting: its numbers, those of last week, what is late, what was written. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from apps.core.units import DASH
from apps.review.domain.catalogue import MEASURES, Measure, of_part
from apps.review.domain.late import Late, LateRow, late_figures, passing, rows_of
from apps.review.domain.numbers import Figure, Row, Table, WeekNumbers
from apps.review.domain.weeks import Week

TABLES = {
    "numbers": ("sweeps", "hours-by-sweep", "hours-by-person"),
    "wrong": ("causes", "fast"),
    "resumed": ("resumed", "abandoned"),
    "results": ("results",),
    "decisions": ("handovers-never",),
    "open": ("plans-open", "questions-open"),
    "actions": (),
}
COMPARED = ("hours-by-sweep", "hours-by-person")  # each number with last week's


@dataclass(frozen=True, slots=True)
class Remark:
    pk: int
    part: str
    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """An action item as it stands; ``week`` is that in which it was made, ``workspace`` whose review's it is."""

    pk: int
    week: str
    what: str
    who: str
    due: date | None
    done_at: datetime | None
    done_by: str
    overdue: bool
    carried: bool
    workspace: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One figure with last week's beside it (None: there is none) and what it is now, where that differs."""

    measure: Measure
    figure: Figure
    before: Figure | None
    late: Late | None

    @property
    def trend(self) -> str:
        """``better``, ``worse``, ``more``, ``less``, ``same``, or empty where one of both is unknown."""
        if self.before is None or self.before.value is None or self.figure.value is None:
            return ""
        digits = 1 if self.measure.unit == "hours" else 0
        if round(self.figure.value, digits) == round(self.before.value, digits):
            return "same"
        rose = self.figure.value > self.before.value
        if not self.measure.good:
            return "more" if rose else "less"
        return "better" if rose == (self.measure.good == "up") else "worse"


@dataclass(frozen=True)
class Review:
    """Everything that the page, the exports and the digest show of a week.

    ``frozen_at`` is when the numbers were kept; None for a week that runs, or that nobody froze. ``late_by`` are the
    seconds between the week's close and that. ``unreadable`` says that something was kept which nobody can read.
    """

    week: Week
    workspace: str
    numbers: WeekNumbers
    now: WeekNumbers
    before: WeekNumbers | None = None
    frozen_at: datetime | None = None
    late_by: int = 0
    unreadable: bool = False
    remarks: Sequence[Remark] = ()
    items: Sequence[Item] = ()
    present: Sequence[tuple[int, str]] = ()
    _late: Mapping[str, Late] = field(default_factory=dict)

    def shown(self, id: str) -> Shown:
        missing = Figure(id, None, "it was not counted then")
        before = self.before.figures.get(id) if self.before else None
        return Shown(MEASURES[id], self.numbers.figures.get(id, missing), before, self._late.get(id))

    def of_part(self, part: str) -> list[Shown]:
        return [self.shown(measure.id) for measure in of_part(part)]

    def verdicts(self) -> list[Shown]:
        """Return the verdicts that some run has, or had a week before."""
        every = [self.shown(id) for id in MEASURES if id.startswith("verdict-")]
        return [one for one in every if one.figure.value or (one.before and one.before.value) or one.late]

    def tables(self, part: str) -> list[tuple[Table, list[LateRow]]]:
        kept = [self.numbers.tables[id] for id in TABLES[part] if id in self.numbers.tables]
        return [(one, self._rows(one)) for one in kept]

    def _rows(self, one: Table) -> list[LateRow]:
        if self.frozen_at is None:
            return [LateRow(row) for row in one.rows]
        return rows_of(one, self.now.tables.get(one.id), passing(self.now, "sweep") if one.id == "results" else ())

    def row(self, table: str, name: str, key: int) -> Row | None:
        """Return one line of a table; None where the week has none of that name and key."""
        found = self.numbers.tables.get(table)
        return next((one for one in found.rows if (one.name, one.key) == (name, key)), None) if found else None

    def last_week(self, table: str, row: Row) -> tuple[str, ...]:
        """Return the cells of the same line a week before: dashes where it had none, nothing where nobody can tell."""
        before = self.before.tables.get(table) if self.before else None
        if before is None or table not in COMPARED:
            return ()
        same = next((one for one in before.rows if one.identity == row.identity), None)
        return same.cells if same else () if before.more else (DASH,) * len(row.cells)

    def remarks_on(self, part: str) -> list[Remark]:
        return [one for one in self.remarks if one.part == part]

    @property
    def open_items(self) -> list[Item]:
        return [one for one in self.items if one.done_at is None]

    @property
    def late_count(self) -> int:
        return len(self._late)


def review(numbers: WeekNumbers, now: WeekNumbers, **told: object) -> Review:
    """Put a review together; what differs between what was kept and what is known now is late."""
    late = late_figures(numbers, now) if told.get("frozen_at") else {}
    return Review(numbers=numbers, now=now, _late=late, **told)  # type: ignore[arg-type]  # the fields of a review
