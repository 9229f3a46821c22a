"""ACTIVE_SWEEPS.md and the chat answer as Markdown. Pure: the same content gives the same text."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

GENERATED = "<!-- AGENT-GENERATED: Do not commit to git unless explicitly requested -->"
NOTES_HEADING = "## Notes"
NO_NOTES = "\n_Write here: this section is kept when the file is made anew._\n"
EMPTY = "—"
_PLAIN_IN_URL = "%/:?#@&=+$,;~!*'"

Cells = Sequence[str]


@dataclass(frozen=True)
class Table:
    title: str
    headings: Cells
    rows: Sequence[Cells] = ()
    empty: str = "None."


def link(text: str, url: str) -> str:
    """Return ``[id](url)``; TBD for a sweep that has no id yet."""
    if not text:
        return "TBD"
    # Whatever could end the link, its cell or its line is written as %XX.
    return f"[{cell(text)}]({quote(url, _PLAIN_IN_URL, errors='replace')})" if url else f"{cell(text)} (no W&B link)"


def cell(value: object) -> str:
    """Return a value that stays inside its cell of a table."""
    text = str(value).replace("\\", "\\\\").replace("|", "\\|")
    return re.sub(r"\s+", " ", text).strip() or EMPTY


def stamp(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else EMPTY


def table(one: Table) -> str:
    """Return a section with its table, or its sentence for nothing."""
    if not one.rows:
        return f"## {one.title}\n\n{one.empty}\n"
    lines = [f"| {' | '.join(one.headings)} |", f"|{'---|' * len(one.headings)}"]
    lines += [f"| {' | '.join(row)} |" for row in one.rows]
    return f"## {one.title}\n\n" + "\n".join(lines) + "\n"


def active_sweeps(title: str, updated: datetime, tables: Iterable[Table], notes: str) -> str:
    """Return the whole file; ``notes`` is everything below its Notes heading, kept to the letter."""
    head = f"{GENERATED}\n\n# {title}\n\n**Last updated:** {stamp(updated)}\n"
    return "\n".join([head, *(table(one) for one in tables), NOTES_HEADING]) + (notes or NO_NOTES)


def notes_of(text: str) -> str:
    """Return what stands below the Notes heading of an existing file; empty where there is none.

    A file without the mark of generated ones was written by a person: all of it becomes the notes.
    """
    if GENERATED not in text:
        return f"\n{text}" if text.strip() else ""
    found = re.search(r"^## Notes[ \t]*$", text, re.MULTILINE)
    return text[found.end() :] if found else ""


def without_stamp(text: str) -> str:
    """Return the text without its time, to see whether anything else changed."""
    return re.sub(r"^\*\*Last updated:\*\* .*$", "", text, count=1, flags=re.MULTILINE)
