"""The view of the board that a URL carries: filters, sorting, what is open. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from apps.board.domain import BoardRow

FILTERS = ("workspace", "state", "flag", "owner", "q")
MAX_OPEN = 20


@dataclass(frozen=True)
class BoardView:
    """``open`` maps the sweeps whose runs are shown to the page of runs."""

    workspace: str = ""
    state: str = ""
    flag: str = ""
    owner: str = ""
    q: str = ""
    sort: str = "flags"
    open: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "BoardView":
        """Read a query string; what makes no sense in it is left out rather than refused."""
        values = {name: query.get(name, "").strip()[:200] for name in FILTERS}
        return cls(**values, sort=query.get("sort", "flags")[:20] or "flags", open=_parse_open(query.get("open", "")))

    @property
    def filtered(self) -> bool:
        return any(getattr(self, name) for name in FILTERS)

    def wants(self, row: "BoardRow") -> bool:
        """Tell whether a row passes the filters; every word of ``q`` must occur in what the row names."""
        text = f"{row.name} {row.sweep_id} {row.project} {row.workspace} {row.method} {' '.join(row.owners)}".lower()
        return (
            self.workspace in ("", row.workspace)
            and self.state in ("", row.state)
            and (not self.flag or self.flag in row.flag_rules)
            and (not self.owner or self.owner in row.owners)
            and all(word in text for word in self.q.lower().split())
        )

    def query(self) -> str:
        """Return the query string of this view, without what is at its default."""
        values = {name: getattr(self, name) for name in FILTERS if getattr(self, name)}
        if self.sort != "flags":
            values["sort"] = self.sort
        if self.open:
            values["open"] = self.opened()
        return urlencode(values)

    def opened(self) -> str:
        """Return what is open as the URL spells it: ``3.7:2`` is sweep 3, and page 2 of sweep 7."""
        return ".".join(f"{pk}:{page}" if page > 1 else str(pk) for pk, page in self.open.items())

    def url(self) -> str:
        query = self.query()
        return f"/?{query}" if query else "/"

    def sorted_by(self, column: str) -> "BoardView":
        """Sort by ``column``, or the other way round if it already is."""
        return replace(self, sort=f"-{column}" if self.sort == column else column)

    def toggled(self, pk: int) -> "BoardView":
        """Show or hide the runs of one sweep."""
        without = {one: page for one, page in self.open.items() if one != pk}
        return replace(self, open=without if pk in self.open else {**without, pk: 1})

    def at_page(self, pk: int, page: int) -> "BoardView":
        return replace(self, open={**self.open, pk: page})


def _parse_open(text: str) -> dict[int, int]:
    found: dict[int, int] = {}
    for part in text[:400].split("."):
        pk, _, page = part.partition(":")
        if pk.isdecimal() and len(found) < MAX_OPEN and len(pk) < 16:
            found[int(pk)] = max(1, int(page)) if page.isdecimal() and len(page) < 7 else 1
    return found
