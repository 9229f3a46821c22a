"""Finding handovers: candidates from the index of words, then the passages of the best of them side by side.

A word weighs the more the fewer documents have it. Where every word is common, the newest documents are looked at:
nobody who asks for 'training loss' wants the oldest of ten thousand.
"""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q, QuerySet

from apps.handovers.models import Content, Handover
from apps.handovers.search import index
from apps.handovers.search.index import Entry
from apps.handovers.search.passages import Passage, best_passage
from apps.handovers.search.query import Term, terms_of

COMMON = 400  # documents; a word in so many of them chooses none
LOOKED_AT = 40  # candidates whose text is looked at
AT_ONCE = 500
MOST_WITH_PIECE = 2_000  # documents; a piece of a key that so many have chooses none
STEPS = (200, 4_000, 50_000)  # how many of the newest are gone through where filters leave too few
IN_TITLE = 1.5  # times what a word weighs, when it is in the name, the focus or a heading
_KEYLIKE = re.compile(r"(?i)(?:ho-)?[0-9a-f-]{3,}|ho-.*")


@dataclass(frozen=True)
class Filters:
    """What is left out before anything is looked for; empty means everything. ``sweep`` is W&B's id of one."""

    workspace: str = ""
    branch: str = ""
    agent: str = ""
    author: str = ""
    state: str = ""
    sweep: str = ""
    has_pending: bool = False
    since: datetime | None = None
    until: datetime | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """The words of the index that everything has which passes."""
        kept = {"workspace": self.workspace, "branch": self.branch, "agent": self.agent, "author": self.author}
        return tuple(index.mark(kind, value) for kind, value in kept.items() if value)

    def on(self, rows: QuerySet[Handover]) -> QuerySet[Handover]:
        """Return those of ``rows`` that pass."""
        exact = {"workspace__name": self.workspace, "branch": self.branch, "agent": self.agent, "author": self.author,
                 "state": self.state}  # fmt: skip
        rows = rows.filter(**{name: value for name, value in exact.items() if value})
        if self.has_pending:
            rows = rows.filter(pending_open__gt=0)
        if self.since:
            rows = rows.filter(date__gte=self.since)
        if self.until:
            rows = rows.filter(date__lt=self.until)
        if self.sweep:
            named = Q(mentions__sweep__sweep_id=self.sweep) | Q(mentions__run__sweep__sweep_id=self.sweep)
            rows = rows.filter(named).distinct()
        return rows


@dataclass(frozen=True)
class Hit:
    """A handover that was found. ``older`` says that it is an earlier version of it that has the passage."""

    handover: Handover
    passage: Passage
    score: float
    older: bool = False


@dataclass(frozen=True)
class Found:
    """``total`` counts what was found, ``at_least`` says that there may be more; ``unknown`` are words nobody wrote.

    ``more`` says that another page follows these hits.
    """

    hits: list[Hit] = field(default_factory=list)
    total: int = 0
    at_least: bool = False
    unknown: tuple[str, ...] = ()
    more: bool = False


def search(
    text: str, filters: Filters | None = None, *, typing: bool = False, limit: int = 20, offset: int = 0
) -> Found:
    """Return the handovers that answer ``text`` best; without a word, the newest.

    ``typing`` says that the last word may be unfinished; ``offset`` are those of earlier pages.
    """
    filters = filters or Filters()
    rows = filters.on(Handover.objects.select_related("workspace", "superseded_by"))
    terms = terms_of(text, typing=typing)
    end = offset + limit
    if not terms and not text.strip():
        # What is gone from the disk is listed only when it is asked for.
        return _newest(rows if filters.state else rows.exclude(state="gone"), offset, end)
    by_key = _by_key(text, rows, end + 1)
    if not terms:
        return Found(by_key[offset:end], len(by_key), more=len(by_key) > end)
    found = _candidates(terms, filters.marks, rows, end + 1)
    passing, more = _passing(found.scores, rows, max(LOOKED_AT, 2 * end))
    named = {hit.handover.pk for hit in by_key}
    # Where words choose nothing, the order is that of time, and only what is shown is looked at.
    windows = _windows(passing, 2 * limit if found.at_least else LOOKED_AT, named)
    hits = [*by_key[offset:end], *_ranked(windows, found.weights, offset - len(by_key), end - len(by_key))]
    total = len(by_key) + sum(len({entry.handover for entry in window}) for window in windows)
    at_least = found.at_least or more
    return Found(hits, total, at_least, found.unknown, more=total > end or (more and len(hits) == limit))


def _newest(rows: QuerySet[Handover], offset: int, end: int) -> Found:
    listed = rows.select_related("content").order_by("-date", "-pk")
    found = list(listed[offset : end + 1])
    shown, more = found[: end - offset], len(found) > end - offset
    hits = [Hit(row, best_passage(row.content.text[:400] if row.content else "", (), {}), 0.0) for row in shown]
    return Found(hits, offset + len(hits), at_least=more, more=more)


def _windows(entries: Sequence[Entry], size: int, but: Collection[int]) -> list[list[Entry]]:
    """Part the entries into windows, each ranked for itself, so that a page costs what it shows.

    A handover of which an earlier window has a version has had its place there; ``but`` are those that have one anyway.
    """
    seen, windows = set(but), []
    for start in range(0, len(entries), size):
        window = [entry for entry in entries[start : start + size] if entry.handover not in seen]
        seen |= {entry.handover for entry in window}
        windows.append(window)
    return windows


def _by_key(text: str, rows: QuerySet[Handover], limit: int) -> list[Hit]:
    """Whoever has a piece of a key wants that document, wherever in the key the piece is."""
    wanted = text.strip().strip("`'\"")
    if not _KEYLIKE.fullmatch(wanted) or not any(sign.isdigit() for sign in wanted):
        return []
    found = rows.filter(_begins_with(wanted)) if wanted[:3].upper() == "HO-" else rows.none()
    newest = list(found.order_by("-date", "-pk")[:limit])
    newest = newest or list(rows.filter(pk__in=_with_piece(wanted)).order_by("-date", "-pk")[:limit])
    return [Hit(row, Passage(0.0, ()), 1000.0) for row in newest]


def _begins_with(wanted: str) -> Q:
    """Keys between two: an index answers that, and SQLite has none for a LIKE."""
    told = f"HO-{wanted[3:]}"
    return Q(key__gte=told, key__lt=told + "\U0010ffff")


def _with_piece(wanted: str) -> set[int]:
    """Return the primary keys of those with this piece in their key or name, asked for so that indexes alone answer."""
    every = Handover.objects.order_by()
    named = (every.filter(**{f"{field}__icontains": wanted}).values_list("pk", flat=True) for field in ("key", "name"))
    return {pk for found in named for pk in found[:MOST_WITH_PIECE]}


@dataclass(frozen=True)
class _Candidates:
    """Entries with a first score, what each term weighs, whether there may be more, and words that nobody wrote."""

    scores: dict[Entry, float]
    weights: dict[Term, float]
    at_least: bool
    unknown: tuple[str, ...]


def _candidates(terms: Sequence[Term], marks: Sequence[str], rows: QuerySet[Handover], limit: int) -> _Candidates:
    held = {term: index.newest_with([term], COMMON, marks=marks) for term in terms}
    unknown = tuple(term.written for term, entries in held.items() if not entries)
    weights = {term: _weight(len(entries)) for term, entries in held.items() if entries}
    rare = [term for term in weights if len(held[term]) < COMMON]
    if weights and not rare:
        alone = held[next(iter(weights))] if len(weights) == 1 else None
        return _Candidates(_of_common(list(weights), marks, rows, limit, alone), weights, True, unknown)
    scores: dict[Entry, float] = {}
    for term in rare:
        for entry in held[term]:
            scores[entry] = scores.get(entry, 0.0) + weights[term]
    for term in weights.keys() - set(rare):
        for entry in index.newest_with([term], COMMON, any_of=rare, marks=marks):
            if entry in scores:
                scores[entry] += weights[term]
    # Whoever asks with several words wants a document with the most of them: the others are not counted as found.
    least = 0.5 * max(scores.values(), default=0.0)
    return _Candidates({entry: score for entry, score in scores.items() if score >= least}, weights, False, unknown)


def _of_common(
    terms: Sequence[Term], marks: Sequence[str], rows: QuerySet[Handover], limit: int, newest: Sequence[Entry] | None
) -> dict[Entry, float]:
    """Return the newest entries that have every term, and before them those that have them in their title.

    ``newest`` are the newest ``COMMON`` of a term that stands alone: they were asked for already.
    """
    titled = index.newest_with(terms, LOOKED_AT, marks=marks, title=True)
    found: Sequence[Entry] = []
    for step in STEPS:
        found = newest[:step] if newest and step <= COMMON else index.newest_with(terms, step, marks=marks)
        if len(found) < step or len(_passing(dict.fromkeys(found, 1.0), rows, max(LOOKED_AT, limit))[0]) >= limit:
            break
    return {**dict.fromkeys(found, 1.0), **dict.fromkeys(titled, IN_TITLE)}


def _weight(documents: int) -> float:
    """What one word weighs: the rarer, the more."""
    return math.log(1 + 5_000 / max(1, documents))


def _passing(scores: dict[Entry, float], rows: QuerySet[Handover], enough: int = LOOKED_AT) -> tuple[list[Entry], bool]:
    """Return the entries whose handovers pass the filters, the best and of equal ones the newest first.

    Where ``enough`` pass the rest is left, and the second value says that there may be more.
    """
    ordered = sorted(scores, key=lambda entry: (-scores[entry], -entry.number))
    if not rows.query.where:
        return ordered, False
    found: list[Entry] = []
    for start in range(0, len(ordered), AT_ONCE):
        batch = ordered[start : start + AT_ONCE]
        passing = set(rows.order_by().filter(pk__in={entry.handover for entry in batch}).values_list("pk", flat=True))
        found += [entry for entry in batch if entry.handover in passing]
        if len(found) >= enough:
            return found, start + AT_ONCE < len(ordered)
    return found, False


def _ranked(windows: Sequence[list[Entry]], weights: dict[Term, float], start: int, end: int) -> list[Hit]:
    """Return the hits from place ``start`` to ``end``; only the windows that have those are looked at."""
    meant: list[list[Entry]] = []
    place = skipped = 0
    for window in windows:
        size = len({entry.handover for entry in window})
        if place < end and place + size > start:
            meant.append(window)
        elif place + size <= start:
            skipped += size
        place += size
    entries = [entry for window in meant for entry in window]
    handovers = Handover.objects.select_related("workspace", "superseded_by").in_bulk(
        {entry.handover for entry in entries}
    )
    texts = dict(Content.objects.filter(pk__in={entry.content for entry in entries}).values_list("pk", "text"))
    hits = [hit for window in meant for hit in _best_of(window, handovers, texts, weights)]
    return hits[max(0, start - skipped) : max(0, end - skipped)]


def _best_of(
    window: Sequence[Entry], handovers: dict[int, Handover], texts: dict[int, str], weights: dict[Term, float]
) -> list[Hit]:
    best: dict[int, Hit] = {}
    for place, entry in enumerate(window):
        hit = _hit(handovers[entry.handover], entry, texts[entry.content], weights, place)
        before = best.get(entry.handover)
        # Of versions that say it equally well the newest counts.
        if before is None or (hit.score, not hit.older) > (before.score, not before.older):
            best[entry.handover] = hit
    return sorted(best.values(), key=lambda hit: -hit.score)


def _hit(handover: Handover, entry: Entry, text: str, weights: dict[Term, float], place: int) -> Hit:
    terms = list(weights)
    passage = best_passage(text, terms, weights)
    title = best_passage(f"{handover.name} {handover.focus}", terms, weights)
    older = entry.content != handover.content_id
    stands = (0.5 if handover.state == "gone" else 1.0) * (0.9 if older else 1.0)
    score = (passage.score + title.score * (IN_TITLE - 1)) * stands - place * 1e-3
    return Hit(handover, passage, score, older)
