"""The headings of a document, whatever their level, mark or language, and the lines below each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from apps.handovers.domain.document import Kind, Section
from apps.handovers.domain.keys import KEY
from apps.handovers.domain.kinds import kind_of
from apps.handovers.domain.lines import Line

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+|(?=[^\s#]))(.*?)(?:[ \t]+#+)?[ \t]*$")
_RULE = re.compile(r" {0,3}(=+|-{3,})[ \t]*$")
_BOLD = re.compile(r" {0,3}(?:\*\*|__)([^*_]{2,80})(?:\*\*|__)[ \t]*:?[ \t]*$")
_LABEL = re.compile(r"([^\W\d][^:|]{1,60})[:：][ \t]*$")
_NO_PARAGRAPH = re.compile(r"\s*(?:[-*+>|#]|\d+[.)])")
_LOWEST = 7


@dataclass(frozen=True, slots=True)
class Part:
    """A section and the lines below its heading, up to the next heading of any level."""

    section: Section
    body: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """``preamble`` is what stands before the first heading."""

    preamble: tuple[Line, ...]
    parts: tuple[Part, ...]

    def body(self, *kinds: Kind) -> list[Line]:
        return [line for part in self.parts if part.section.kind in kinds for line in part.body]


@dataclass(frozen=True, slots=True)
class _Heading:
    level: int
    title: str
    start: int  # index of its line
    end: int  # index of the first line below it


def outline(lines: Sequence[Line]) -> Outline:
    """Return the sections. Labels such as ``Pending:`` count as headings only where no real heading is a known one."""
    headings = _headings(lines, labels=False)
    if not any(kind_of(one.title) not in (Kind.OTHER, Kind.HEADER) for one in headings):
        headings = _headings(lines, labels=True)
    sections = _sections(headings, lines)
    ends = [*(one.start for one in headings[1:]), len(lines)]
    parts = tuple(
        Part(section, tuple(lines[one.end : end])) for section, one, end in zip(sections, headings, ends, strict=False)
    )
    return Outline(tuple(lines[: headings[0].start] if headings else lines), parts)


def _headings(lines: Sequence[Line], *, labels: bool) -> list[_Heading]:
    found: list[_Heading] = []
    skip = _front_matter_end(lines)
    for at, line in enumerate(lines):
        if at < skip or not line.is_text or not line.text.strip():
            continue
        one = _atx(at, line.text) or _setext(lines, at) or _marked(at, line.text, labels=labels)
        if one is not None:
            found.append(one)
            skip = one.end
    return found


def front_matter(lines: Sequence[Line]) -> Sequence[Line]:
    """Return the lines between the two rules with which a document may begin."""
    end = _front_matter_end(lines)
    return lines[1 : end - 1] if end else []


def _front_matter_end(lines: Sequence[Line]) -> int:
    if not lines or lines[0].text.strip() != "---":
        return 0
    for at, line in enumerate(lines[1:60], 1):
        if line.text.strip() == "---":
            return at + 1
        if line.text.strip() and ":" not in line.text and not line.text.startswith((" ", "-", "#")):
            return 0
    return 0


def _atx(at: int, text: str) -> _Heading | None:
    found = _ATX.match(text)
    if found is None:
        return None
    level, title = len(found[1]), found[2].strip()
    touching = not text.lstrip()[level:].startswith((" ", "\t"))
    if not title or (touching and level == 1 and kind_of(title) is Kind.OTHER):
        return None  # `#123` and `#hashtag` are no headings
    return _Heading(level, title, at, at + 1)


def _setext(lines: Sequence[Line], at: int) -> _Heading | None:
    if at + 1 >= len(lines) or not lines[at + 1].is_text:
        return None
    rule, text = _RULE.match(lines[at + 1].text), lines[at].text
    alone = at == 0 or not lines[at - 1].text.strip() or not lines[at - 1].is_text
    if rule is None or not alone or len(text) > 200 or _NO_PARAGRAPH.match(text) or "|" in text:
        return None
    return _Heading(1 if rule[1][0] == "=" else 2, text.strip(), at, at + 2)


def _marked(at: int, text: str, *, labels: bool) -> _Heading | None:
    """A line in bold, or a label, that is the name of a known section and nothing else."""
    found = _BOLD.match(text) or (_LABEL.match(text) if labels else None)
    if found is None or kind_of(found[1]) in (Kind.OTHER, Kind.HEADER):
        return None
    return _Heading(_LOWEST, found[1].strip().rstrip(":"), at, at + 1)


def _sections(headings: Sequence[_Heading], lines: Sequence[Line]) -> list[Section]:
    above: list[Section] = []
    sections: list[Section] = []
    for one in headings:
        above = [section for section in above if section.level < one.level]
        section = _section(one, above, lines[one.start].number, first=not sections)
        above.append(section)
        sections.append(section)
    return sections


def _section(one: _Heading, above: Sequence[Section], line: int, *, first: bool) -> Section:
    kind = kind_of(one.title)
    parent = above[-1].kind if above else Kind.OTHER
    if parent not in (Kind.OTHER, Kind.HEADER) and one.level < _LOWEST and one.title.lower() != kind.value.lower():
        return Section(one.title, parent, one.level, line, inherited=True)
    if kind is Kind.OTHER and first and one.level == 1 and (len(above) == 0):
        return Section(one.title, Kind.HEADER, one.level, line)
    if kind is Kind.OTHER and KEY.search(one.title):
        return Section(one.title, Kind.HEADER, one.level, line)
    return Section(one.title, kind, one.level, line)
