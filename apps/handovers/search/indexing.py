"""Bringing the index of words in line with the registry: whatever has a version and no entry gets one.

It derives everything from rows, so a pass that dies anywhere is made good by the next.
"""

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db import transaction

from apps.handovers.models import Content, Handover, SearchEntry, Version
from apps.handovers.search import index
from apps.handovers.search.words import stems_of
from apps.handovers.services.reading import parsed

AT_ONCE = 50
WORDS_IN_PART = 15_000  # PostgreSQL tells positions apart up to 16,383
MOST_PARTS = 200
_BITS = 20


def index_new(*, limit: int | None = None) -> int:
    """Index the versions that are not yet, the newest first; return how many."""
    waiting = Version.objects.filter(indexed=False).order_by("-pk").values_list("pk", "handover", "content")
    versions = list(waiting[: limit or None])
    for start in range(0, len(versions), AT_ONCE):
        _index(versions[start : start + AT_ONCE])
    return len(versions)


def index_anew() -> int:
    """Forget the index and build it from every version that the registry keeps; return how many."""
    with transaction.atomic():
        index.clear()
        SearchEntry.objects.all().delete()
        Version.objects.update(indexed=False)
    return index_new()


@transaction.atomic
def _index(versions: Sequence[tuple[int, int, int | None]]) -> None:
    told = dict.fromkeys((handover, content) for _, handover, content in versions if content is not None)
    held = SearchEntry.objects.filter(handover__in={handover for handover, _ in told}, part=0)
    known = set(held.values_list("handover", "content"))
    pairs = [pair for pair in told if pair not in known]
    handovers = (
        Handover.objects.select_related("workspace").defer("findings").in_bulk({handover for handover, _ in pairs})
    )
    contents = Content.objects.defer("raw").in_bulk({content for _, content in pairs})
    made = [
        (SearchEntry(id=number, handover=handovers[handover], content=contents[content], part=part), title, body)
        for handover, content in pairs
        for part, (number, title, body) in enumerate(_parts(handovers[handover], contents[content]))
    ]
    SearchEntry.objects.bulk_create(row for row, _, _ in made)
    index.add((row.id, title, body, _marks(row.handover)) for row, title, body in made)
    Version.objects.filter(pk__in=[pk for pk, _, _ in versions]).update(indexed=True)


def _marks(handover: Handover) -> str:
    kept = {"workspace": handover.workspace.name, "branch": handover.branch, "agent": handover.agent,
            "author": handover.author}  # fmt: skip
    return " ".join(index.mark(kind, value) for kind, value in kept.items())


def _parts(handover: Handover, content: Content) -> Iterator[tuple[int, str, str]]:
    """Yield number, stems of the title and stems of the body of each part of a version."""
    date = handover.date or handover.first_seen_at
    title = " ".join(stems_of(" ".join(_heads(handover, content))))
    stems = stems_of(content.text)
    for start in range(0, max(1, len(stems)), WORDS_IN_PART):
        if start // WORDS_IN_PART == MOST_PARTS:
            return
        yield number_for(date), title, " ".join(stems[start : start + WORDS_IN_PART])


def _heads(handover: Handover, content: Content) -> Iterator[str]:
    """Yield what stands above a version: name, focus, branch and headings. The newest is parsed already."""
    yield handover.name
    if handover.content_id == content.pk:
        yield from (handover.focus, handover.branch, *handover.sections)
    else:
        document = parsed(content, handover.name)
        yield from (document.header.focus, document.header.branch, *(one.title for one in document.sections))


def number_for(date: datetime) -> int:
    """Draw an entry's number: later dates have higher ones, and no two are equal but by an unlikely chance.

    One that was drawn before fails to be made, and the next pass draws another.
    """
    return (max(0, int(date.timestamp())) << _BITS) | secrets.randbits(_BITS)
