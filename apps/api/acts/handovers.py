"""Reading handovers: finding, showing and verifying them."""

from datetime import UTC, datetime

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import QueryDict

from apps.api.acts.paging import with_next
from apps.api.acts.registry import Told, act
from apps.api.callers import Caller
from apps.api.domain.cursors import cursor_of, place_of
from apps.api.domain.problems import Kind, Problem, not_found
from apps.api.domain.tokens import Scope
from apps.api.schemas.handovers import HandoversWish, HandoverWish, PickUpWish
from apps.core.clock import utcnow
from apps.core.errors import Permanent
from apps.handovers.domain.verifying import VerifyFacts, overall, verify
from apps.handovers.models import Handover
from apps.handovers.screens.listing import Query
from apps.handovers.search.finding import Hit, search
from apps.handovers.selectors import handover_of, live_pickup, verify_facts
from apps.handovers.services.scanning import scan_workspace
from apps.handovers.wiring import document_store
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import active_workspaces

LONGEST_TEXT = 400_000  # characters of a document that are told
FOUND, DEEPEST = "handovers found", 100_000  # the order of hits, and how far down it goes


@act(Scope.READ)
def search_handovers(caller: Caller, wish: HandoversWish) -> Told:
    """Find handovers by a question in plain words, a piece of a key or filters; without words the newest first."""
    if wish.q.strip():
        return _searched(wish)
    rows = _query(wish).filters.on(Handover.objects.select_related("workspace", "superseded_by"))
    rows = rows if wish.state else rows.exclude(state="gone")
    found, after = _newest(rows, wish)
    told = [handover_told(one) for one in found]
    return {"handovers": told, "next": after, "total": None, "unknown_words": []}


def _query(wish: HandoversWish) -> Query:
    """Return what the page's address would ask for, read by the page's own rules."""
    asked = QueryDict(mutable=True)
    asked.update(wish.model_dump(exclude={"limit", "cursor"}))
    return Query.of(asked)


def _searched(wish: HandoversWish) -> Told:
    place = place_of(wish.cursor, FOUND, int)
    begins = min(max(0, int(place[0])), DEEPEST) if place else 0
    found = search(wish.q, _query(wish).filters, limit=wish.limit, offset=begins or 0)
    told = [{**handover_told(hit.handover), "passage": _passage(hit)} for hit in found.hits]
    after = cursor_of(FOUND, (begins + wish.limit,)) if found.more else None
    return {"handovers": told, "next": after, "total": found.total, "unknown_words": list(found.unknown)}


def _passage(hit: Hit) -> str:
    return "".join(piece.text for piece in hit.passage.pieces)


def _newest(rows: QuerySet[Handover], wish: HandoversWish) -> tuple[list[Handover], str | None]:
    """Return one page by date, the newest first; what has no date stands where it was first seen."""
    rows = rows.annotate(stands_at=Coalesce("date", "first_seen_at"))
    if place := place_of(wish.cursor, "handovers", str, int):
        at = _moment(str(place[0]))
        rows = rows.filter(Q(stands_at__lt=at) | Q(stands_at=at, pk__lt=place[1]))
    found = list[Handover](rows.order_by("-stands_at", "-pk")[: wish.limit + 1])
    return with_next(found, wish, "handovers", lambda row: ((row.date or row.first_seen_at).isoformat(), row.pk))


def _moment(text: str) -> datetime:
    try:
        told = datetime.fromisoformat(text)
        if told.tzinfo is not None:
            return told.astimezone(UTC)
    except (ValueError, OverflowError):  # 0001-01-01T00:00+14:00 is no moment in UTC
        pass
    raise Problem(Kind.INVALID, "The cursor is none of this list: send the one in 'next', or none.")


@act(Scope.READ)
def show_handover(caller: Caller, wish: HandoverWish) -> Told:
    """Show one handover with its text, and who has picked it up."""
    row = named(wish)
    pickup = live_pickup(row)
    return {
        **handover_told(row),
        "text": text_of(row),
        "sections": list(row.sections),
        "picked_up_by": pickup.who if pickup else "",
        "picked_up_at": pickup.at if pickup else None,
    }


@act(Scope.READ)
def verify_handover(caller: Caller, wish: HandoverWish) -> Told:
    """Answer line by line whether to go on from a handover; the files are looked at first. Unknown is no pass."""
    row = named(wish)
    scanned = scan_workspace(workspace=row.workspace, store=document_store(), now=utcnow())
    facts = verify_facts(named(wish)) if scanned.ok else VerifyFacts(row.key, answered=False)
    lines = verify(facts)
    return {"key": row.key, "answer": overall(lines).value, "lines": [line.as_json() for line in lines]}


def named(wish: HandoverWish | PickUpWish) -> Handover:
    """Return the handover that is meant; ``Problem`` 404 where none is, or a piece of a key means several."""
    workspace = workspace_named(wish.workspace) if wish.workspace else None
    try:
        return handover_of(wish.handover, workspace)
    except Permanent as error:
        raise not_found(error) from error


def workspace_named(name: str) -> Workspace:
    known = active_workspaces()
    found = next((one for one in known if one.name == name), None)
    if found is None:
        raise not_found(f"There is no workspace '{name}'; there are: {', '.join(one.name for one in known) or 'none'}.")
    return found


def text_of(row: Handover) -> str:
    return row.content.text[:LONGEST_TEXT] if row.content else ""


def handover_told(row: Handover) -> Told:
    same = ("key", "path", "date", "branch", "agent", "author", "focus", "state", "pending_open", "pending_done")
    return {
        **{name: getattr(row, name) for name in same},
        "workspace": row.workspace.name,
        "superseded_by": row.superseded_by.key if row.superseded_by else None,
        "findings": list(row.findings),
    }
