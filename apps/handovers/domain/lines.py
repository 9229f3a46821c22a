"""The lines of a document and what each is: text, code in a fence, or a comment. Linear in the text's length."""

import re
from dataclasses import dataclass
from enum import StrEnum

from apps.handovers.domain.decoding import LONG_LINE
from apps.handovers.domain.document import Finding

LONGEST_COMMENT = 300  # lines
_ENDS = re.compile(r"\r\n|\n|\r")
_FENCE = re.compile(r"[ \t>]{0,40}(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")


class Role(StrEnum):
    TEXT = "text"
    CODE = "code"
    FENCE = "fence"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Line:
    """``number`` counts from 1. ``info`` is what stands behind the opening fence of the code it belongs to."""

    number: int
    text: str
    role: Role = Role.TEXT
    info: str = ""

    @property
    def is_text(self) -> bool:
        return self.role is Role.TEXT


def lines_of(text: str) -> tuple[list[Line], list[Finding]]:
    """Return the lines of ``text``; a fence or comment that never ends is said, and hides nothing."""
    raw = [line[:LONG_LINE] for line in _ENDS.split(text)]
    fences = [_FENCE.match(line) for line in raw]
    closers, comment_ends = _closers(fences), _comment_ends(raw)
    lines: list[Line] = []
    findings: list[Finding] = []
    while len(lines) < len(raw):
        at = len(lines)
        end = _fence_end(fences, closers, at)
        if end is not None:
            lines += _fenced(raw, fences, at, end)
        elif (end := _comment_end(raw, comment_ends, at)) is not None:
            lines += [Line(number + 1, raw[number], Role.COMMENT) for number in range(at, end + 1)]
        else:
            findings += _unclosed(raw, fences, at)
            lines.append(Line(at + 1, raw[at]))
    return lines, findings[:20]


def _closers(fences: list[re.Match[str] | None]) -> list[tuple[int, int]]:
    """For each line the longest bare fence of backticks and of tildes from it on: no search runs to the end in vain."""
    longest = [(0, 0)] * (len(fences) + 1)
    for at in range(len(fences) - 1, -1, -1):
        ticks, tildes = longest[at + 1]
        found = fences[at]
        if found and not found["info"].strip():
            size = len(found["mark"])
            ticks, tildes = (max(ticks, size), tildes) if found["mark"][0] == "`" else (ticks, max(tildes, size))
        longest[at] = (ticks, tildes)
    return longest


def _fence_end(fences: list[re.Match[str] | None], closers: list[tuple[int, int]], at: int) -> int | None:
    opened = fences[at]
    if opened is None:
        return None
    mark = opened["mark"]
    if closers[at + 1][mark[0] == "~"] < len(mark):
        return None
    for number in range(at + 1, len(fences)):
        found = fences[number]
        if found and found["mark"].startswith(mark) and not found["info"].strip():
            return number
    return None


def _fenced(raw: list[str], fences: list[re.Match[str] | None], start: int, end: int) -> list[Line]:
    opened = fences[start]
    info = opened["info"].strip() if opened else ""
    inside = [Line(number + 1, raw[number], Role.CODE, info) for number in range(start + 1, end)]
    return [Line(start + 1, raw[start], Role.FENCE, info), *inside, Line(end + 1, raw[end], Role.FENCE, info)]


def _comment_ends(raw: list[str]) -> list[int]:
    """For each line the next one, itself included, on which a comment ends; -1 where none does."""
    ends = [-1] * (len(raw) + 1)
    for at in range(len(raw) - 1, -1, -1):
        ends[at] = at if "-->" in raw[at] else ends[at + 1]
    return ends


def _comment_end(raw: list[str], ends: list[int], at: int) -> int | None:
    """A comment hides lines only where it begins one, and ends within a few hundred."""
    begins = raw[at].lstrip().startswith("<!--")
    return ends[at] if begins and 0 <= ends[at] < at + LONGEST_COMMENT else None


def _unclosed(raw: list[str], fences: list[re.Match[str] | None], at: int) -> list[Finding]:
    if fences[at] is not None:
        return [Finding("unclosed-fence", f"The code block of line {at + 1} never ends; it is read as text.", at + 1)]
    if raw[at].lstrip().startswith("<!--"):
        return [Finding("unclosed-comment", f"The comment of line {at + 1} does not end; it is read as text.", at + 1)]
    return []
