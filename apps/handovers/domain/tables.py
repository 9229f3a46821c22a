"""Tables as people write them: without outer bars or a rule, with bars in code, with cells too many or too few."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apps.handovers.domain.document import Finding
from apps.handovers.domain.lines import Line

_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_BULLET = re.compile(r"(?:[-*+•]|\d{1,4}[.)])[ \t]")
_BAR = re.compile(r"(?<!\\)\|")
_BAR_OR_CODE = re.compile(r"(`+)(?:(?!\1).)*?\1(?!`)|(?<!\\)\|")
_NOTHING = {"", "-", "–", "—", "n/a", "none", "…", "..."}


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    cells: tuple[str, ...]

    def cell(self, column: int) -> str:
        return self.cells[column] if 0 <= column < len(self.cells) else ""


@dataclass(frozen=True, slots=True)
class Table:
    """``heads`` is in lower case, empty where the table has none."""

    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...] = ()

    def column(self, names: Sequence[str]) -> int | None:
        """Return the first column whose head is one of ``names`` or holds it as a word; None where none is."""
        exact = next((at for at, head in enumerate(self.heads) if head in names), None)
        if exact is not None:
            return exact
        return next((at for at, head in enumerate(self.heads) if set(head.split()) & set(names)), None)


def is_row(line: Line) -> bool:
    """Whether a line may be a table's; a bullet with a bar in it is none."""
    text = line.text.strip()
    return line.is_text and (text.startswith("|") or (" | " in text and not _BULLET.match(text)))


def tables_in(lines: Iterable[Line], heads: Sequence[str] = ()) -> list[Table]:
    """Return the tables; ``heads`` are words by which a first row without a rule below it is known for the head."""
    groups: list[list[Line]] = [[]]
    for line in lines:
        if is_row(line):
            groups[-1].append(line)
        elif groups[-1]:
            groups.append([])
    return [_table(group, heads) for group in groups if _is_table(group)]


def _is_table(group: Sequence[Line]) -> bool:
    """Without bars at its edges a table is known by the rule below its head."""
    return bool(group) and (group[0].text.strip()[0] == "|" or (len(group) > 1 and bool(_RULE.match(group[1].text))))


def cells_of(text: str, wanted: int = 0) -> tuple[str, ...]:
    """Return the cells of a row; bars in code are kept in it where that gives the ``wanted`` number of cells."""
    inner = text.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    plain = _split(inner, _BAR)
    if wanted and len(plain) != wanted and "`" in inner:
        careful = _split(inner, _BAR_OR_CODE)
        plain = careful if len(careful) == wanted else plain
    return tuple(cell.strip().replace("\\|", "|") for cell in plain)


def _split(text: str, pattern: re.Pattern[str]) -> list[str]:
    cuts = [found.start() for found in pattern.finditer(text) if found[0] == "|"]
    return [text[start:end] for start, end in zip([0, *(cut + 1 for cut in cuts)], [*cuts, len(text)], strict=True)]


def empty_as_nothing(cell: str) -> str:
    """A dash in a cell says that there is nothing."""
    return "" if cell.strip().lower() in _NOTHING else cell.strip()


def _table(group: Sequence[Line], known: Sequence[str]) -> Table:
    first = cells_of(group[0].text)
    ruled = len(group) > 1 and _RULE.match(group[1].text) is not None
    headed = ruled or any(cell.lower().strip("*` ") in known for cell in first)
    heads = tuple(cell.lower().strip("*` ") for cell in first) if headed else ()
    body = [line for line in group[headed:] if not _RULE.match(line.text)]
    rows = tuple(Row(line.number, cells_of(line.text, len(heads))) for line in body)
    return Table(heads, rows, tuple(_oddities(group[0].number, heads, rows, ruled=ruled)))


def _oddities(line: int, heads: Sequence[str], rows: Sequence[Row], *, ruled: bool) -> list[Finding]:
    found = []
    if not ruled:
        found.append(Finding("broken-table", f"The table of line {line} has no rule below its head.", line))
    wrong = [row for row in rows if heads and len(row.cells) != len(heads)]
    if wrong:
        told = f"Line {wrong[0].line} has {len(wrong[0].cells)} cells in a table of {len(heads)} columns"
        more = f"; so have {len(wrong) - 1} more lines another number" if len(wrong) > 1 else ""
        found.append(Finding("broken-table", f"{told}{more}.", wrong[0].line))
    return found
