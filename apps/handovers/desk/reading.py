"""Listing, finding and verifying handovers, in the registry or straight from a folder."""

import hashlib
from datetime import datetime

from apps.core.errors import Permanent, Transient
from apps.handovers import selectors
from apps.handovers.desk.places import Where
from apps.handovers.domain.decoding import decode
from apps.handovers.domain.keys import key_in
from apps.handovers.domain.verifying import IndexFact, Line, VerifyFacts, verify
from apps.handovers.entries import Entry, Folder, entry_of, read_folder
from apps.handovers.models import Handover
from apps.handovers.ports import DocumentStore
from apps.handovers.search.finding import Filters, search
from apps.handovers.search.indexing import index_new
from apps.handovers.search.passages import best_passage
from apps.handovers.search.query import terms_of
from apps.handovers.services.reading import LIMIT, bytes_of
from apps.handovers.services.scanning import scan_workspace

MOST = 200  # that a search tells
_KEY_FINDINGS = ("two-files-one-key", "key-mismatch", "copies-differ")


def listed(where: Where, store: DocumentStore, now: datetime, limit: int = LIMIT) -> list[Entry]:
    """Return every handover of a place, newest first, as it is at this moment."""
    if where.workspace is None:
        return read_folder(store, where.checkout, limit).entries
    refresh(where, store, now, limit)
    return [entry_of(row) for row in selectors.handovers(where.workspace)]


def refresh(where: Where, store: DocumentStore, now: datetime, limit: int = LIMIT) -> bool:
    """Look at a workspace's files before its rows are read; False where that did not work."""
    if where.workspace is None:
        return True
    return scan_workspace(workspace=where.workspace, store=store, now=now, limit=limit).ok


def found(where: Where, query: str, store: DocumentStore, now: datetime, limit: int = LIMIT) -> list[Entry]:
    """Return the handovers of a place that answer ``query``, the best first."""
    if where.workspace is None:
        return _found_in(read_folder(store, where.checkout, limit).entries, query)
    refresh(where, store, now, limit)
    index_new()
    hits = search(query, Filters(workspace=where.workspace.name), limit=MOST).hits
    return [entry_of(hit.handover) for hit in hits]


def _found_in(entries: list[Entry], query: str) -> list[Entry]:
    """The same by the words of a few files, without an index; a piece of a key finds its own."""
    terms = terms_of(query)
    weights = dict.fromkeys(terms, 1.0)
    scores = [best_passage(f"{one.name}\n{text_of(one)}", terms, weights).score for one in entries]
    wanted = query.strip().casefold()
    named = [bool(wanted) and wanted in f"{one.key} {one.name}".casefold() for one in entries]
    best = max(scores, default=0.0)
    told = [
        (is_named, score, one)
        for is_named, score, one in zip(named, scores, entries, strict=True)
        if is_named or score > best / 2
    ]
    return [one for _, _, one in sorted(told, key=lambda row: row[:2], reverse=True)]


def text_of(one: Entry) -> str:
    return decode(one.data).text


def shown(where: Where, key: str, store: DocumentStore, now: datetime, limit: int = LIMIT) -> tuple[Entry, str]:
    """Return one handover and its text; ``Permanent`` where the key means none or several."""
    if where.workspace is None:
        one = pick(read_folder(store, where.checkout, limit).entries, key)
        return one, text_of(one)
    refresh(where, store, now, limit)
    row = selectors.handover_of(key, where.workspace)
    return entry_of(row), decode(bytes_of(row.content)).text if row.content else ""


def pick(entries: list[Entry], key: str) -> Entry:
    """Return the entry that a key or a fragment of one means, by the same rule as the registry."""
    exact = [one for one in entries if key in (one.key, one.name, one.text_key)]
    meant = exact or [one for one in entries if key and key.lower() in f"{one.key} {one.name}".lower()]
    if not meant:
        raise Permanent(f"No handover has the key '{key}', nor one that holds it.")
    if len({one.key for one in meant}) > 1:
        named = ", ".join(one.key for one in meant[:5])
        raise Permanent(f"'{key}' is part of several keys: {named}. Write more of it.")
    return min(meant, key=lambda one: one.key != key)


def verified(
    where: Where, key: str, store: DocumentStore, now: datetime, limit: int = LIMIT
) -> tuple[Entry | None, tuple[Line, ...]]:
    """Answer for a key, or without one for what the place's own index names."""
    try:
        folder = read_folder(store, where.checkout, limit) if where.workspace is None or not key else None
    except Transient:
        return None, verify(VerifyFacts(key or str(where.checkout), answered=False))
    if not key and folder is not None:
        key = _key_of_index(where, folder)
        if not key:
            return None, verify(VerifyFacts(f"that {where.checkout}/CLAUDE.md could name (it names none)"))
    if where.workspace is None and folder is not None:
        return _verified_on_disk(where, key, folder)
    if not refresh(where, store, now, limit):
        return None, verify(VerifyFacts(key, answered=False))
    return _verified_in_registry(where, key)


def _key_of_index(where: Where, folder: Folder) -> str:
    here = where.checkout.resolve()
    return next((one.key for one in folder.seen.indexes if one.checkout.path.resolve() == here), "")


def _verified_in_registry(where: Where, key: str) -> tuple[Entry | None, tuple[Line, ...]]:
    rows = _rows(where, key)
    if not rows:
        return None, verify(VerifyFacts(key))
    row = rows[0]
    facts = selectors.verify_facts(row, str(where.checkout) if where.by_folder else "")
    return entry_of(row), verify(facts)


def _rows(where: Where, key: str) -> list[Handover]:
    rows = selectors.find_handovers(key, where.workspace)
    whole = key_in(key)
    if whole is not None and whole.text == key:
        return [row for row in rows if key in (row.key, row.text_key, row.name)]
    if len({row.key for row in rows}) > 1:
        raise Permanent(f"'{key}' is part of several keys: {', '.join(row.key for row in rows[:5])}. Write more of it.")
    return rows


def _verified_on_disk(where: Where, key: str, folder: Folder) -> tuple[Entry | None, tuple[Line, ...]]:
    try:
        one = pick(folder.entries, key)
    except Permanent:
        return None, verify(VerifyFacts(key))
    # The index keeps the hash of what it was written for; so a folder can answer without a registry.
    naming = [index for index in folder.seen.indexes if index.key == one.key]
    facts = VerifyFacts(
        key=one.key,
        path=one.path,
        state=one.state,
        superseded_by=one.superseded_by,
        indexes=_index_facts(where, folder),
        registered=any(index.pointer and index.pointer.sha256 for index in naming),
        handed_over=next((index.pointer.sha256 for index in naming if index.pointer and index.pointer.sha256), ""),
        now=hashlib.sha256(one.data).hexdigest() if one.data else "",
        findings=tuple(str(odd["sentence"]) for odd in one.findings if odd["id"] in _KEY_FINDINGS),
    )
    return one, verify(facts)


def _index_facts(where: Where, folder: Folder) -> tuple[IndexFact, ...]:
    """The index of the checkout that was named; it alone is meant."""
    facts = []
    for one in folder.seen.indexes:
        if one.checkout.path.resolve() == where.checkout.resolve():
            told = one.file.problem.sentence if one.file.problem else ""
            facts.append(IndexFact(str(one.file.path), one.key, told, one.file.data is not None, one.mentions))
    return tuple(facts)
