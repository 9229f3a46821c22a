"""A handover as lists and scripts see it, whether it comes from the registry or straight from a disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from apps.handovers.domain.document import Document, Finding
from apps.handovers.domain.parsing import parse
from apps.handovers.domain.states import Standing, states_of
from apps.handovers.models import Handover
from apps.handovers.ports import DocumentStore
from apps.handovers.services.looking import Seen, look
from apps.handovers.services.reading import LIMIT, Read, cut_finding, read, values_of


@dataclass(frozen=True)
class Entry:
    """One handover. ``files`` are all its places, ``data`` the bytes where a disk was read."""

    name: str
    key: str
    path: str
    date: datetime | None
    date_source: str
    branch: str
    agent: str
    focus: str
    state: str
    sections: list[str]
    pending_open: int
    pending_done: int
    findings: list[dict[str, Any]]
    superseded_by: str = ""
    text_key: str = ""
    files: tuple[tuple[str, bool], ...] = ()  # path, archived
    document: Document | None = field(default=None, compare=False)
    data: bytes = field(default=b"", compare=False, repr=False)

    @property
    def sentence(self) -> str:
        """One line for a terminal."""
        day = f"{self.date:%Y-%m-%d %H:%M}" if self.date else "no date"
        todo = f"{self.pending_open} open" if self.pending_open else "nothing open"
        odd = f", {len(self.findings)} findings" if self.findings else ""
        return plain(f"{self.key:26} {self.state:11}{day:17} {self.branch or '—'}  {self.focus or '—'} ({todo}{odd})")

    def as_json(self) -> dict[str, Any]:
        """The fields that scripts may rely on, and no other."""
        return {
            "key": self.key,
            "path": self.path,
            "date": self.date.isoformat() if self.date else None,
            "branch": self.branch,
            "agent": self.agent,
            "focus": self.focus,
            "state": self.state,
            "sections": self.sections,
            "pending_open": self.pending_open,
            "pending_done": self.pending_done,
            "findings": self.findings,
        }


def entry_of(row: Handover) -> Entry:
    """Return a row of the registry as an entry; fetch ``superseded_by`` with it."""
    return Entry(
        name=row.name,
        key=row.key,
        path=row.path,
        date=row.date,
        date_source=row.date_source,
        branch=row.branch,
        agent=row.agent,
        focus=row.focus,
        state=row.state,
        sections=list(row.sections),
        pending_open=row.pending_open,
        pending_done=row.pending_done,
        findings=list(row.findings),
        superseded_by=row.superseded_by.key if row.superseded_by else "",
        text_key=row.text_key,
    )


@dataclass
class Folder:
    """Everything that a folder holds, as read just now; no database is asked."""

    seen: Seen
    entries: list[Entry]


def read_folder(store: DocumentStore, root: Path, limit: int = LIMIT) -> Folder:
    """Read every document of the checkout that ``root`` belongs to; newest first. ``Transient`` where it is away."""
    seen = look(store, root)
    reads = [read(store, found, limit) for found in seen.documents.values()]
    groups: dict[str, list[Read]] = {}
    for one in reads:
        groups.setdefault(one.name, []).append(one)
    entries = [_entry(name, members, seen) for name, members in groups.items()]
    entries = _with_doubles(_with_states(entries, seen))
    return Folder(seen, sorted(entries, key=order, reverse=True))


def order(one: Entry) -> tuple[str, str]:
    return (one.date.isoformat() if one.date else "", one.name)


def _entry(name: str, members: list[Read], seen: Seen) -> Entry:
    chosen = _speaker(members, seen)
    document = parse(chosen.data or b"", f"{name}.md")
    checkout = seen.checkout(chosen.found.checkout)
    branch = checkout.branch if checkout and not checkout.is_main else ""
    values: Mapping[str, Any] = values_of(document, branch, chosen.found.modified_at)
    odd = list(document.findings) if chosen.data is not None else []
    odd += [cut_finding(len(chosen.data or b""))] if chosen.cut else []
    odd += [one.problem for one in members if one.problem]
    odd += _copies(members)
    return Entry(
        name=name,
        path=chosen.found.shown,
        state="",
        findings=[one.as_json() for one in odd],
        files=tuple((one.found.shown, one.found.archived) for one in members),
        document=document,
        data=chosen.data or b"",
        **{key: value for key, value in values.items() if key != "author"},
    )


def _speaker(members: list[Read], seen: Seen) -> Read:
    """The same choice as the registry's: read, not archived, the main checkout's; of differing copies the newest."""
    able = [one for one in members if one.data is not None] or members
    lying = [one for one in able if not one.found.archived] or able
    if len({one.sha256 for one in lying}) > 1:
        return max(lying, key=lambda one: (one.found.modified_at is not None, one.found.modified_at))
    return min(lying, key=lambda one: (one.found.checkout != seen.main.path, one.found.shown))


def _copies(members: list[Read]) -> list[Finding]:
    able = [one for one in members if one.data is not None]
    if len({one.sha256 for one in able}) > 1:
        told = " and ".join(one.found.shown for one in able[:4])
        return [Finding("copies-differ", f"Its copies do not say the same: {told}.")]
    if len({one.found.archived for one in able}) > 1:
        return [Finding("archived-twice", "It lies in the archive and outside of it.")]
    return []


def _with_states(entries: list[Entry], seen: Seen) -> list[Entry]:
    standings = [
        Standing(
            one.name,
            one.branch,
            one.date,
            readable=bool(one.data) or not any(odd["id"] in ("not-a-file", "unreadable") for odd in one.findings),
            archived=all(archived for _, archived in one.files),
        )
        for one in entries
    ]
    keys = seen.current_keys
    named = {one.name for one in entries if one.key in keys or (one.text_key and one.text_key in keys)}
    told = states_of(standings, named)
    by_name = {one.name: one.key for one in entries}
    return [
        replace(one, state=told[one.name].state.value, superseded_by=by_name.get(told[one.name].superseded_by, ""))
        for one in entries
    ]


def _with_doubles(entries: list[Entry]) -> list[Entry]:
    places: dict[str, list[str]] = {}
    for one in entries:
        places.setdefault(one.key, []).append(one.path)
    return [_doubled(one, [path for path in places[one.key] if path != one.path]) for one in entries]


def _doubled(one: Entry, others: list[str]) -> Entry:
    if not others:
        return one
    told = Finding("two-files-one-key", f"{one.key} is also the key of {' and '.join(others[:3])}.")
    return replace(one, findings=[*one.findings, told.as_json()])


def plain(text: str) -> str:
    """A terminal obeys control characters: they are spelled out, but for line ends and tabs."""
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)
