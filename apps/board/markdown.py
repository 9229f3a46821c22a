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
    """Return a value as a text inside its cell: nothing in it ends the cell or its link, or is code or HTML."""
    return re.sub(r"[][<`]", r"\\\g<0>", _in_row(value)) or EMPTY


def code(value: object) -> str:
    """Return a value as code inside its cell; backticks, which would end it, become apostrophes."""
    text = str(value).replace("`", "'")
    return f"`{_in_row(text)}`"


def _in_row(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("|", "\\|")
    return re.sub(r"\s+", " ", text).strip()


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
    """Return what people wrote into an existing file: all that stands below its Notes heading.

    The heading may have been retyped (``## Notes:``, ``### notes``) or renamed: then what follows the last
    generated section counts. A file without the mark of generated ones was written by a person as a whole.
    """
    if GENERATED not in text:
        return f"\n{text}" if text.strip() else ""
    if found := re.search(r"^#{1,6}[ \t]*notes\b[ \t:]*\r?$", text, re.MULTILINE | re.IGNORECASE):
        return text[found.end() :]
    if found := re.search(r"^## Source Locations[ \t]*\r?\n(?:[ \t]*\r?\n|\|.*\n|None\.\r?\n)*", text, re.MULTILINE):
        return f"\n\n{text[found.end() :]}" if text[found.end() :].strip() else ""
    return ""


def without_stamp(text: str) -> str:
    """Return the text without its time, to see whether anything else changed."""
    return re.sub(r"^\*\*Last updated:\*\* .*$", "", text, count=1, flags=re.MULTILINE)
