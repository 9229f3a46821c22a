"""Key, date, agent, author, branch and focus, however a document's head is laid out."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone

from apps.handovers.domain.document import Header, Kind
from apps.handovers.domain.keys import Key, key_in
from apps.handovers.domain.lines import Line
from apps.handovers.domain.outline import Outline, front_matter
from apps.handovers.domain.tables import cells_of, tables_in

_FIELDS: dict[str, tuple[str, ...]] = {
    "key": ("key", "handover key", "handover", "handover id", "id", "schlüssel", "clé", "clave"),
    "date": ("date", "created", "created at", "when", "time", "timestamp", "datum", "fecha", "日期", "日付"),
    "agent": ("agent", "from agent", "session agent", "model", "written by agent", "agente", "代理"),
    "author": ("author", "by", "from", "written by", "owner", "person", "autor", "auteur", "作者"),
    "branch": ("branch", "git branch", "working branch", "zweig", "branche", "rama", "分支", "ブランチ"),
    "focus": ("focus", "topic", "subject", "goal", "task", "summary", "thema", "fokus", "sujet", "tema", "焦点"),
}
_FIELD_OF = {label: name for name, labels in _FIELDS.items() for label in labels}
_LABELLED = re.compile(
    r"[\s>\-*+•]*[*_`]{0,3}(?P<label>[^\W\d][\w ]{0,30}?)[*_`]{0,3}\s*[:：=](?:\*\*|__)?\s*(?P<value>.*)$"
)
_BETWEEN = re.compile(r"\s+(?:[·•|;]|—|–)\s+(?=[*_`]{0,3}[^\W\d][\w ]{0,30}[*_`]{0,3}\s*[:：])")
_UNTOLD = {"unknown", "none", "n/a", "tbd", "-", "–", "—", "?", "todo"}
_HEAD_LINES = 60
_ISO = re.compile(
    r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ,]+(?:at )?(\d{1,2}):(\d{2})(?::\d{2}(?:\.\d{1,9})?)?)?"
    r"\s*(Z|UTC|[+-]\d{2}:?\d{2})?"
)
_EUROPEAN = re.compile(r"(?<!\d)(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ ,]+(\d{1,2}):(\d{2}))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_MONTH = re.compile(r"(?<!\d)(\d{1,2})(?:st|nd|rd|th)?\.?\s+([A-Za-z]{3})[a-z]*\.?,?\s+(\d{4})")
_MONTH_DAY = re.compile(r"([A-Za-z]{3})[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})")


def header_of(lines: Sequence[Line], outline: Outline) -> Header:
    """Return what the head says; where it is silent on key, branch or agent the start-up prompt is asked."""
    told = _told(_head(lines, outline))
    prompt = _told(outline.body(Kind.STARTUP))
    for name in ("branch", "agent"):
        told.setdefault(name, prompt.get(name, ""))
    key = key_in(told.get("key", "")) or _key_of_head(lines, outline) or key_in(prompt.get("key", ""))
    author = told.get("author", "")
    return Header(
        key=key.text if key else "",
        date=moment_in(told.get("date", "")),
        agent=told.get("agent", "") or author,
        author=author,
        branch=_branch(told.get("branch", "")),
        focus=told.get("focus", ""),
    )


def _branch(told: str) -> str:
    """A branch holds no blank: what stands behind it is said about it."""
    first = re.split(r"[\s|,;(]", told.strip(), maxsplit=1)[0]
    return first.strip("`*'\"").removeprefix("origin/")


def _key_of_head(lines: Sequence[Line], outline: Outline) -> Key | None:
    titles = " ".join(part.section.title for part in outline.parts[:1])
    head = " ".join(line.text for line in _head(lines, outline))
    return key_in(titles) or key_in(head)


def _head(lines: Sequence[Line], outline: Outline) -> list[Line]:
    """The lines that may be a head: front matter, what precedes the first known section, and header sections."""
    head = [*front_matter(lines), *outline.preamble]
    for part in outline.parts:
        if part.section.kind not in (Kind.HEADER, Kind.OTHER):
            break
        head += part.body
    late = [line for part in outline.parts if part.section.kind is Kind.HEADER for line in part.body]
    seen: dict[int, Line] = {line.number: line for line in [*head[:_HEAD_LINES], *late[:_HEAD_LINES]]}
    return list(seen.values())


def _told(lines: Iterable[Line]) -> dict[str, str]:
    """Return the fields that are told, each by its first line."""
    told: dict[str, str] = {}
    kept = list(lines)
    for table in tables_in(kept, [label for labels in _FIELDS.values() for label in labels]):
        names = [_FIELD_OF.get(head, "") for head in table.heads]
        if sum(bool(name) for name in names) > 1 and table.rows:
            for name, cell in zip(names, table.rows[0].cells, strict=False):
                _note(told, name, cell)
    for line in kept:
        for label, value in _pairs(line):
            _note(told, _FIELD_OF.get(" ".join(label.lower().split()), ""), value)
    return told


def _note(told: dict[str, str], name: str, value: str) -> None:
    if name and (cleaned := clean(value)) and cleaned.lower() not in _UNTOLD:
        told.setdefault(name, cleaned)


def _pairs(line: Line) -> list[tuple[str, str]]:
    if line.text.lstrip().startswith("|"):
        cells = cells_of(line.text)
        return [(cells[0].strip("*_` :"), cells[1])] if len(cells) == 2 else _labelled(line.text)
    return _labelled(line.text)


def _labelled(text: str) -> list[tuple[str, str]]:
    """Return ``label: value`` of a line, or several of them where marks such as ``·`` stand between.

    A focus is free text and has the rest of its line.
    """
    first = _LABELLED.match(text)
    if first is None:
        return []
    if _FIELD_OF.get(first["label"].lower().strip()) == "focus":
        return [(first["label"], first["value"])]
    found = (_LABELLED.match(piece) for piece in _BETWEEN.split(text))
    return [(one["label"], one["value"]) for one in found if one]


def clean(value: str) -> str:
    """Return a value without the marks around it; bold and code that stand for the whole of it go, others stay."""
    value = " ".join(value.split())
    for _ in range(6):
        before = value
        value = value.removeprefix("**").strip() if value.count("**") == 1 else value
        for mark in ("**", "__", "`", "*", '"'):
            inner = value[len(mark) : -len(mark)]
            if len(value) > 2 * len(mark) and value.startswith(mark) and value.endswith(mark) and mark not in inner:
                value = inner.strip()
        if value == before:
            break
    return value


def moment_in(text: str) -> datetime | None:
    """Return the first date in ``text``, with its time where one stands there; without a zone it is UTC."""
    if found := _ISO.search(text):
        year, month, day, hour, minute, zone = found.groups()
        return _moment(int(year), int(month), int(day), hour, minute, zone or "")
    if found := _EUROPEAN.search(text):
        day, month, year, hour, minute = found.groups()
        return _moment(int(year), int(month), int(day), hour, minute, "")
    if (found := _DAY_MONTH.search(text)) and found[2].lower() in _MONTHS:
        return _moment(int(found[3]), _MONTHS.index(found[2].lower()) + 1, int(found[1]), None, None, "")
    if (found := _MONTH_DAY.search(text)) and found[1].lower() in _MONTHS:
        return _moment(int(found[3]), _MONTHS.index(found[1].lower()) + 1, int(found[2]), None, None, "")
    return None


def _moment(year: int, month: int, day: int, hour: str | None, minute: str | None, zone: str) -> datetime | None:
    try:
        at = datetime(year, month, day, int(hour or 0), int(minute or 0), tzinfo=_zone(zone))
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(zone: str) -> timezone:
    if zone in ("", "Z", "UTC"):
        return UTC
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(offset if zone[0] == "+" else -offset)
