"""From the board's rows to what its template prints: links of the view, words, classes."""

from dataclasses import dataclass

from apps.audit.selectors import Freshness
from apps.board.domain import LARGEST_FIRST, BoardRow
from apps.board.selectors import Board, RunPage
from apps.board.view import BoardView
from apps.core.clock import utcnow
from apps.core.units import ago

COLUMNS = (
    ("sweep", "Sweep"),
    ("flags", "Red flags"),  # beside the name: seen first, and on a narrow screen without scrolling
    ("agents", "Agents"),
    ("runs", "Runs"),
    ("progress", "Progress"),
    ("metric", "Best metric"),
    ("checkpoint", "Checkpoint"),
    ("gpu", "GPU h"),
    ("heartbeat", "Heartbeat"),
)
SOURCE_NAMES = {"wandb": "W&B", "slurm": "Slurm", "join": "Joining", "config": "Configuration"}
OTHER_NAMES = {
    "wandb-local": "Run folders",
    "wandb-history": "W&B histories",
    "wandb-deletions": "Deleted runs",
    "handovers": "Handovers",
    "logs": "Job logs",
}
STALE_AFTER_SECONDS = 180


@dataclass(frozen=True)
class Column:
    name: str
    title: str
    url: str
    direction: str  # "ascending", "descending" or "none", as aria-sort spells them


@dataclass(frozen=True)
class Row:
    data: BoardRow
    toggle_url: str
    runs: RunPage | None
    page_urls: tuple[str, str]  # previous and next page of its runs; empty where there is none

    @property
    def is_open(self) -> bool:
        return self.runs is not None


@dataclass(frozen=True)
class SourceLine:
    """One source's freshness: ``level`` is ok, stale or failed."""

    title: str
    level: str
    text: str
    error: str
    error_id: str


def columns(view: BoardView) -> list[Column]:
    return [Column(name, title, view.sorted_by(name).url(), _direction(view, name)) for name, title in COLUMNS]


def _direction(view: BoardView, name: str) -> str:
    """As aria-sort means it: of the figures that are shown, an age for a time."""
    directions = ("descending", "ascending") if name in LARGEST_FIRST else ("ascending", "descending")
    return {name: directions[0], f"-{name}": directions[1]}.get(view.sort, "none")


def present_rows(board: Board, view: BoardView) -> list[Row]:
    return [_row(row, board, view) for row in board.rows]


def _row(row: BoardRow, board: Board, view: BoardView) -> Row:
    runs = board.open_runs.get(row.pk)
    urls = ("", "")
    if runs is not None:
        page = runs.page
        urls = (
            view.at_page(row.pk, page.previous_page_number()).url() if page.has_previous() else "",
            view.at_page(row.pk, page.next_page_number()).url() if page.has_next() else "",
        )
    return Row(row, view.toggled(row.pk).url(), runs, urls)


def source_lines(sources: list[Freshness]) -> list[SourceLine]:
    """One line for each source that the board lives on, and for any other that is in trouble."""
    return [_source_line(one) for one in sources if one.source in SOURCE_NAMES or one.error]


def _source_line(one: Freshness) -> SourceLine:
    title = f"{(SOURCE_NAMES | OTHER_NAMES).get(one.source, one.source)} {one.scope}"
    if one.good_at is None:
        return SourceLine(title, "failed", "never read", one.error, one.error_id)
    age = utcnow() - one.good_at
    if one.error:
        return SourceLine(title, "failed", f"last good data {ago(age)}", one.error, one.error_id)
    level = "stale" if age.total_seconds() > STALE_AFTER_SECONDS else "ok"
    return SourceLine(title, level, ago(age), "", "")
