"""The list of handovers: what the address asks for, and what is shown of each that was found."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, QuerySet
from django.http import QueryDict

from apps.audit.selectors import Freshness
from apps.handovers.models import Handover, SavedSearch
from apps.handovers.search.finding import Filters
from apps.workspaces.models import Workspace

STATES = ("current", "superseded", "archived", "gone")
MOST_CHOICES = 200
LONGEST = 300  # signs of a query
AT_ONCE, LAST_PAGE = 20, 100
STALE = timedelta(minutes=5)


@dataclass(frozen=True)
class Query:
    """What the address asks for, as it was written; what makes no sense counts as not asked."""

    q: str = ""
    workspace: str = ""
    branch: str = ""
    agent: str = ""
    author: str = ""
    state: str = ""
    sweep: str = ""
    pending: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, told: QueryDict) -> "Query":
        return cls(
            **{
                name: told.get(name, "").replace("\x00", "\ufffd").strip()[:LONGEST]
                for name in cls.__dataclass_fields__
            }
        )

    @property
    def filters(self) -> Filters:
        until = day_of(self.until)
        return Filters(
            workspace=self.workspace,
            branch=self.branch,
            agent=self.agent,
            author=self.author,
            state=self.state if self.state in STATES else "",
            sweep=self.sweep,
            has_pending=bool(self.pending),
            since=day_of(self.since),
            until=until + timedelta(days=1) if until else None,
        )

    @property
    def is_filtered(self) -> bool:
        return any(getattr(self, name) for name in self.__dataclass_fields__ if name != "q")

    def items(self) -> list[tuple[str, str]]:
        """What is asked for, for a form that keeps it."""
        return [(name, value) for name in self.__dataclass_fields__ if (value := getattr(self, name))]

    @property
    def encoded(self) -> str:
        """The query of an address that asks for the same."""
        return urlencode(self.items())


@dataclass(frozen=True)
class Page:
    """One page of what was found. ``address`` is the query without its number, so that every filter is kept."""

    number: int
    more: bool
    address: str

    @property
    def earlier(self) -> str:
        """The query of the page before; empty on the first one."""
        return self._at(self.number - 1) if self.number > 1 else ""

    @property
    def next(self) -> str:
        return self._at(self.number + 1) if self.more and self.number < LAST_PAGE else ""

    def _at(self, number: int) -> str:
        told = [self.address, f"page={number}" if number > 1 else ""]
        return "&".join(filter(None, told))


def page_number(told: str) -> int:
    """Return the number of a page as the address has it; what is none is the first."""
    number = int(told) if told.isascii() and told.isdigit() and len(told) < 6 else 1
    return min(max(number, 1), LAST_PAGE)


@dataclass(frozen=True)
class SourceLine:
    """How fresh what is shown of one workspace is; ``level`` is ok, stale or failed, ``error`` why it failed."""

    workspace: str
    level: str
    good_at: datetime | None
    error: str = ""
    error_id: str = ""


def source_lines(sources: Iterable[Freshness], now: datetime) -> list[SourceLine]:
    """Return a line for each workspace whose handovers were ever looked for."""
    return [
        SourceLine(one.scope, _level(one, now), one.good_at, one.error, one.error_id)
        for one in sources
        if one.source == "handovers"
    ]


def _level(one: Freshness, now: datetime) -> str:
    if one.error or one.good_at is None:
        return "failed"
    return "stale" if now - one.good_at > STALE else "ok"


def day_of(text: str) -> datetime | None:
    """Return the beginning of a day such as 2026-05-04 in UTC, None for what is none.

    So is a day in the calendar's first and last year: the day before or after it may be none.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if MINYEAR < day.year < MAXYEAR else None


def choices() -> dict[str, list[str]]:
    """Return what can be chosen in each filter."""
    return {
        "workspace": _workspaces(),
        "branch": _values("branch"),
        "agent": _values("agent"),
        "author": _values("author"),
        "state": list(STATES),
    }


def _workspaces() -> list[str]:
    """Those that have any; asked of the few workspaces, not of all handovers."""
    any_of_it = Exists(Handover.objects.filter(workspace=OuterRef("pk")))
    return list(Workspace.objects.filter(any_of_it).order_by("name").values_list("name", flat=True)[:MOST_CHOICES])


def _values(name: str) -> list[str]:
    rows = Handover.objects.order_by(name).values_list(name, flat=True).distinct()
    return [value for value in rows[:MOST_CHOICES] if value]


def saved_searches(owner: str) -> QuerySet[SavedSearch]:
    """Return one's own searches, and those that others share."""
    return SavedSearch.objects.filter(owner=owner) | SavedSearch.objects.filter(shared=True)
