"""From a review to what its templates print: parts, tiles, tables, links."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import Http404
from django.urls import reverse

from apps.review.domain.catalogue import PARTS
from apps.review.domain.late import LateRow
from apps.review.domain.markdown import TITLES
from apps.review.domain.numbers import Table
from apps.review.domain.review import Remark, Review, Shown
from apps.review.domain.weeks import NoSuchWeek, Week
from apps.review.domain.wording import amount, limits
from apps.review.reading.rows import path_of
from apps.review.reading.scopes import review_config, scopes, week_named

FOLDED_FROM = 12  # rows are read from across the room
HOURS = "hours-total"  # what the first number of a table of hours is a part of
TREND_MARKS = {"better": "▲", "worse": "▼", "more": "↑", "less": "↓", "same": "="}


@dataclass(frozen=True)
class Tile:
    """One figure as it is shown, with the link to its rows."""

    shown: Shown
    text: str
    before: str
    late: str
    url: str

    @property
    def mark(self) -> str:
        return TREND_MARKS.get(self.shown.trend, "")

    @property
    def unknown(self) -> bool:
        return self.shown.figure.value is None


@dataclass(frozen=True)
class TableRow:
    """One line of a table; ``rows_url`` leads to what its first number counts, ``before`` has last week's cells."""

    row: LateRow
    path: str
    labels: tuple[str, ...]
    before: tuple[str, ...] = ()
    rows_url: str = ""

    @property
    def cells(self) -> list[tuple[str, str, str, str]]:
        """Each cell: the name of its column, as it was, as it is now where that differs, and last week's."""
        later, before = self.row.later or self.row.row.cells, self.before or ("",) * len(self.labels)
        cells = zip(self.labels, self.row.row.cells, later, before, strict=False)
        return [(label, was, "" if was == now else now, last) for label, was, now, last in cells]


@dataclass(frozen=True)
class TableView:
    """A table of a part: the first of its rows, and those that are folded below them."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: list[TableRow]
    folded: list[TableRow]
    more: int

    @property
    def compared(self) -> bool:
        return any(one.before for one in self.rows)


@dataclass(frozen=True)
class PartView:
    """One part of the agenda. ``number`` counts from 1; ``minutes`` are those of the timer."""

    id: str
    title: str
    number: int
    minutes: int
    tiles: list[Tile]
    verdicts: list[Tile]
    small: list[Tile]
    tables: list[TableView]
    remarks: list[Remark]

    @property
    def columns(self) -> int:
        """How many tiles stand side by side on a wide screen, so that no row holds a single one."""
        return 5 if len(self.tiles) == 5 or len(self.tiles) > 8 else 4

    @property
    def limits(self) -> list[str]:
        """What is not known of this part's numbers, each said once."""
        return limits(tile.shown for tile in (*self.tiles, *self.small))


def week_or_404(text: str, workspace: str) -> Week:
    if workspace not in scopes():
        raise Http404("There is no such workspace.")
    try:
        return week_named(text, workspace)
    except NoSuchWeek as error:
        raise Http404(str(error)) from error


def url_of(week: Week, workspace: str, name: str = "review:week", figure: str = "", **query: str) -> str:
    """Return the address of a page of a week, or of the rows of a figure of it; the workspace goes along."""
    told = {key: value for key, value in {"workspace": workspace, **query}.items() if value}
    address = reverse(name, args=[str(week), figure] if figure else [str(week)])
    return f"{address}?{urlencode(told)}" if told else address


def parts_of(review: Review) -> list[PartView]:
    minutes: Mapping[str, int] = review_config().minutes.model_dump()
    return [_part(review, place, minutes) for place in range(len(PARTS))]


def _part(review: Review, place: int, minutes: Mapping[str, int]) -> PartView:
    part = PARTS[place]
    tiles = [tile_of(review, one) for one in review.of_part(part.id)]
    verdicts = [tile_of(review, one) for one in review.verdicts()] if part.id == "numbers" else []
    return PartView(
        id=part.id,
        title=part.title,
        number=place + 1,
        minutes=minutes[part.id],
        tiles=[one for one in tiles if one.shown.measure.main],
        verdicts=verdicts,
        small=[one for one in tiles if not one.shown.measure.main],
        tables=[_table(review, table, rows) for table, rows in review.tables(part.id)],
        remarks=review.remarks_on(part.id),
    )


def tile_of(review: Review, one: Shown) -> Tile:
    unit, id = one.measure.unit, one.measure.id
    address = reverse("review:rows", args=[str(review.week), id])
    return Tile(
        shown=one,
        text=amount(one.figure, unit),
        before=amount(one.before, unit),
        late=amount(one.late.now, unit) if one.late else "",
        url=f"{address}?{urlencode({'workspace': review.workspace})}" if review.workspace else address,
    )


def _table(review: Review, table: Table, rows: list[LateRow]) -> TableView:
    shown = [_table_row(review, table, one) for one in rows]
    return TableView(table.id, TITLES[table.id], table.columns, shown[:FOLDED_FROM], shown[FOLDED_FROM:], table.more)


def _table_row(review: Review, table: Table, one: LateRow) -> TableRow:
    row = one.row
    told = {"of": table.id, "line": row.name, "key": str(row.key)} if row.keys and not one.late else {}
    address = url_of(review.week, review.workspace, "review:rows", figure=HOURS, **told) if told else ""
    before = () if one.late else review.last_week(table.id, row)
    return TableRow(one, path_of(row.kind, row.key, row.name), table.columns[1:], before, address)
