"""What the known sections hold: pending items, decisions, validations, commits, the start-up prompt."""

import re
from collections.abc import Iterable, Sequence

from apps.handovers.domain.document import Box, Commit, Decision, Kind
from apps.handovers.domain.header import clean
from apps.handovers.domain.items import Item, items_in
from apps.handovers.domain.lines import Line, Role
from apps.handovers.domain.outline import Outline
from apps.handovers.domain.tables import Row, Table, empty_as_nothing, is_row, tables_in

_NOTHING = re.compile(r"(none|nothing|n/?a|keine?|rien|nada|-|—)\b[\s.!]*$|(-|—)$", re.IGNORECASE)
_DONE = {"done", "x", "yes", "✅", "✔", "complete", "completed", "closed", "finished", "erledigt", "fait", "hecho"}
_STRUCK = re.compile(r"~~(.+)~~[\s.]*$")
_ITEM_HEADS = ("item", "task", "todo", "what", "pending", "aufgabe")
_STATE_HEADS = ("status", "state", "done", "done?")
_DECISION_HEADS = ("decision", "choice", "what", "entscheidung", "décision", "decisión", "决策")
_REASON_HEADS = ("reason", "why", "rationale", "because", "grund", "begründung", "raison", "razón", "motivo", "原因")
_REASON = re.compile(
    r"[*_]{0,2}(?:reason|why|rationale|because|grund|raison)[*_]{0,2}\s*[:：][*_]{0,2}\s*", re.IGNORECASE
)
_PARTS = (" — ", " – ", " because ", "; reason: ", " -> ", " → ", ": ", " - ")
_SHA = re.compile(
    r"[\s\-*+•>|`\[(]*(?:commit\s+)?`?(?P<sha>[0-9a-f]{7,40})`?(?![0-9A-Za-z])"
    r"(?:\]\([^)]{0,300}\)|[\])`])*\s*(?:[|:—–-]\s+)?(?P<subject>.*)$"
)


def pending_of(outline: Outline) -> list[Box]:
    """Return the boxes of the pending sections; bullets where those have no boxes; every box where there is none."""
    lines = outline.body(Kind.PENDING)
    if not any(part.section.kind is Kind.PENDING for part in outline.parts):
        everywhere = [
            *outline.preamble,
            *(line for part in outline.parts for line in _not_spec(part.section.kind, part.body)),
        ]
        return [_box(item) for item in items_in(everywhere) if item.box is not None and item.text]
    items = items_in(line for line in lines if not is_row(line))
    # A list with boxes in brackets is a list of them; where there are none, every outer bullet is an item.
    boxes = (
        [_box(item) for item in items if item.box is not None and item.text]
        if any(item.drawn for item in items)
        else []
    )
    boxes = boxes or [_box(item) for item in _outer(items) if item.text and not _NOTHING.match(item.text)]
    boxes += [box for table in tables_in(lines, _ITEM_HEADS) for row in table.rows if (box := _pending_row(table, row))]
    return boxes


def _not_spec(kind: Kind, body: Sequence[Line]) -> Sequence[Line]:
    """Boxes of an acceptance list or a validation are no pending work."""
    return () if kind in (Kind.SPEC, Kind.VALIDATION) else body


def _outer(items: Sequence[Item]) -> list[Item]:
    least = min((item.indent for item in items), default=0)
    return [item for item in items if item.indent <= least]


def _box(item: Item) -> Box:
    struck = _STRUCK.match(item.text)
    return Box(struck[1] if struck else item.text, bool(item.box) or struck is not None, item.line)


def _pending_row(table: Table, row: Row) -> Box | None:
    what = table.column(_ITEM_HEADS)
    state = table.column(_STATE_HEADS)
    text = row.cell(what if what is not None else 0)
    told = row.cell(state if state is not None else -1).lower().strip("*_`[] ")
    return Box(text, told in _DONE, row.line) if text and not _NOTHING.match(text) else None


def decisions_of(outline: Outline) -> list[Decision]:
    """Return decisions with their reasons, from tables and bullets; one without a reason has none."""
    lines = outline.body(Kind.DECISIONS)
    found = [
        Decision(empty_as_nothing(row.cell(what)), empty_as_nothing(row.cell(why)), row.line)
        for table in tables_in(lines, (*_DECISION_HEADS, *_REASON_HEADS))
        for what, why in [_columns(table, _DECISION_HEADS, _REASON_HEADS)]
        for row in table.rows
        if empty_as_nothing(row.cell(what)) or empty_as_nothing(row.cell(why))
    ]
    items = _outer(items_in(line for line in lines if not is_row(line)))
    return found + [_decision(item) for item in items if item.text and not _NOTHING.match(item.text)]


def _columns(table: Table, first: Sequence[str], second: Sequence[str]) -> tuple[int, int]:
    """Return the two columns by their heads, else the first one and the one after it."""
    what, why = table.column(first), table.column(second)
    what = what if what is not None else (0 if why != 0 else 1)
    return what, why if why is not None else what + 1


def _decision(item: Item) -> Decision:
    below = next((one for one in item.below if _REASON.match(one)), "")
    if below:
        return Decision(clean(item.text), _REASON.sub("", below, count=1), item.line)
    inline = re.search(r"\s*[\(;,.]?\s*(?:reason|why|rationale)\s*[:：]\s*", item.text, re.IGNORECASE)
    if inline and inline.start():
        return Decision(clean(item.text[: inline.start()]), item.text[inline.end() :].rstrip(")"), item.line)
    for mark in _PARTS:
        before, between, after = item.text.partition(mark)
        if between and before.strip() and after.strip():
            return Decision(clean(before), after.strip().removeprefix("because ").strip(), item.line)
    return Decision(clean(item.text), " ".join(item.below), item.line)


def commits_of(outline: Outline) -> list[Commit]:
    """Return the commits that the commit section lists, in bullets, tables or the output of `git log --oneline`."""
    found = (
        (hit, line)
        for line in outline.body(Kind.COMMITS)
        if line.role is not Role.FENCE and (hit := _SHA.match(line.text)) and any(char.isdigit() for char in hit["sha"])
    )
    return [Commit(hit["sha"], _subject(line, hit["subject"]), line.number) for hit, line in found]


def _subject(line: Line, text: str) -> str:
    """Of a table's row the last bar is no part of it."""
    return text.strip().removesuffix("|").strip().replace("\\|", "|") if is_row(line) else text.strip()


def startup_of(outline: Outline) -> str:
    """Return the text to paste: the first code block of its section, else the quoted lines, else all of it."""
    lines = outline.body(Kind.STARTUP)
    code = _first_block(lines)
    if code:
        return "\n".join(line.text for line in code).strip("\n")
    quoted = [line.text.lstrip()[1:].removeprefix(" ") for line in lines if line.text.lstrip().startswith(">")]
    chosen = quoted or [line.text for line in lines if line.role is not Role.COMMENT]
    return "\n".join(chosen).strip()


def _first_block(lines: Iterable[Line]) -> list[Line]:
    block: list[Line] = []
    for line in lines:
        if line.role is Role.CODE:
            block.append(line)
        elif block:
            break
    return block


def sentences_of(outline: Outline, kind: Kind) -> list[str]:
    """Return what a section of free text says: its outer bullets, or else its paragraphs."""
    lines = [line for line in outline.body(kind) if line.is_text]
    items = [item.text for item in _outer(items_in(lines)) if item.text and not _NOTHING.match(item.text)]
    if items:
        return items
    paragraphs = "\n".join(line.text for line in lines).split("\n\n")
    return [said for one in paragraphs if (said := " ".join(one.split())) and not _NOTHING.match(said)]
