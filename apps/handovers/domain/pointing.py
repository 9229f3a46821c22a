"""Which of people's lines in an index say what the current handover is; prose that only mentions a key is none."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apps.handovers.domain.keys import KEY, keys_in
from apps.handovers.domain.lines import Line
from apps.handovers.domain.tables import cells_of

MOST = 50
_PAST = re.compile(r"\b(?:previous|prior|old(?:er)?|last|archived?|superseded|history|earlier|before)\b", re.IGNORECASE)
_HEADING = re.compile(r" {0,3}(?P<marks>#{1,6})[ \t]+(?P<title>.*)$")
_PAST_HEADING = re.compile(r"\b(?:previous|prior|older|archived?|superseded|history|earlier)\b", re.IGNORECASE)
_LINK = re.compile(r"\[[^\]\[]{0,300}\]\([^()\s]{0,500}\)")
_WORD = re.compile(r"[^\W\d_]+")
_ASIDE = re.compile(r"\([^()]{0,100}\)")
_WHERE = re.compile(r"\b(?:for|of|on|für)\b(?: (?:the )?branch)? [^\s:=|]{1,100}(?= ?[:=|→–—-]|\s*$)", re.IGNORECASE)
_FIELD = re.compile(r"[\s>\-*+_`|]*[^\W\d][^:|]{0,40}[:：]")
_MARKS = " \t*_`\"'[(<@"
_SEPARATORS = (":", "：", "=", "|", "→", "–", "—", "->", "=>", " -")
# A label has no other words than these, one of the first two lists among them.
_OF_NOW = {"current", "currently", "active", "latest", "newest", "aktuell", "aktuelle", "aktueller"}
_OF_IT = {"handover", "handoff", "key", "session", "document", "doc", "file", "read", "übergabe", "schlüssel", "start"}
_AROUND = {"the", "our", "this", "is", "id", "now", "hand", "over", "off", "claude", "md", "work", "here", "first"}
_AROUND |= {"next", "resume", "continue", "from", "with", "pick", "up", "ho", "agent", "die", "der", "das", "dokument"}
_LABEL = _OF_NOW | _OF_IT | _AROUND
# Behind the key of a header line stands nothing, a mark, or where and when; a running sentence goes on with words.
_BEHIND = re.compile(
    r"[\s*_`\"'\])>]*(?:$|[.!]\s*$|[|,;:(·•—–→=-]|(?:for|of|on|branch|by|from|at|dated|updated|written|since)\b)",
    re.IGNORECASE,
)
_NOTHING_BEHIND = re.compile(r"[\s*_`\"'\])>]*(?:[.!]?\s*$|\([^()]{0,200}\)[\s.]*$)")


def pointing_line(lines: Sequence[Line]) -> tuple[str, int] | None:
    """Return the key that people's lines call current, and the position of that line in ``lines``; None without one.

    A line counts that has a label such as 'Handover Key:' or 'Active session', else a key that stands alone: in its
    line, in its table, or below a heading such as 'Current handover'. What is about earlier ones does not.
    """
    alone: list[tuple[str, int]] = []
    heading = _Heading()
    for at, line in enumerate(lines):
        heading = heading.after(line.text)
        told = _parted(line.text)
        if heading.past_level or told is None or _PAST.search(line.text):
            continue
        key, label, behind = told
        wrapped = at > 0 and lines[at - 1].number == line.number - 1 and _is_running(lines[at - 1].text)
        if _is_labelled(line.text, label, behind, wrapped=wrapped):
            return key, at
        if _is_alone(lines, at, label, behind, wrapped=wrapped, below_label=heading.is_label):
            alone.append((key, at))
    return alone[0] if len(alone) == 1 else None  # several are a list, and a list calls none of them current


@dataclass(frozen=True, slots=True)
class _Heading:
    """What the last heading says; ``past_level`` is that of one about earlier handovers, which has what is below it."""

    past_level: int = 0
    is_label: bool = False

    def after(self, text: str) -> "_Heading":
        found = _HEADING.match(text)
        if found is None:
            return self
        level, title = len(found["marks"]), found["title"]
        past = self.past_level if 0 < self.past_level < level else level if _PAST_HEADING.search(title) else 0
        return _Heading(past, _is_label(_words(title) - {"handovers", "index"} or {"handover"}))


def mentions_in(lines: Iterable[Line]) -> dict[str, int]:
    """Return every key that lines name, in order, with the number of the first line that does; ``MOST`` at most."""
    found: dict[str, int] = {}
    for line in lines:
        for key in keys_in(line.text):
            if len(found) < MOST:
                found.setdefault(key.text, line.number)
    return found


def _parted(text: str) -> tuple[str, str, str] | None:
    """Return the first key of a line, what stands before and behind it; a link or a path to it counts as the key."""
    text = _LINK.sub(_key_of_link, text)
    found = KEY.search(text)
    if found is None:
        return None
    before, behind = text[: found.start()], text[found.end() :]
    path = re.search(r"[\w./~-]*$", before[-500:])
    if path and "/" in path[0]:
        before = before[: len(before) - len(path[0])]
    ending = re.match(r"[\w.-]{0,200}?\.md\b", behind)
    return found[0], before, behind[ending.end() :] if ending else behind


def _key_of_link(link: re.Match[str]) -> str:
    found = KEY.search(link[0])
    return found[0] if found else link[0]


def _is_label(words: set[str]) -> bool:
    return words <= _LABEL and bool(words & (_OF_NOW | _OF_IT))


def _is_labelled(text: str, before: str, behind: str, *, wrapped: bool) -> bool:
    bare = _last_field(before).rstrip(_MARKS)
    words = _words(bare)
    if not _is_label(words):
        return False
    if bare.endswith(_SEPARATORS):
        return _BEHIND.match(behind) is not None
    own = bool(words & (_OF_NOW | {"key", "schlüssel"})) or text.lstrip()[:1] in ("#", "-", "*", "+")
    return own and "read" not in words and not wrapped and _NOTHING_BEHIND.match(behind) is not None


def _last_field(before: str) -> str:
    """Of `Branch: main · Handover: ` the last: a head may have several fields in a line."""
    pieces = re.split(r"\s[·•|;—–]\s|,\s", before)
    fields = all(_FIELD.match(piece) for piece in pieces[:-1])
    return pieces[-1] if fields else before


def _words(label: str) -> set[str]:
    told = _WHERE.sub(" ", _ASIDE.sub(" ", " ".join(label[:500].split())))
    return {word.lower() for word in _WORD.findall(told)}


def _is_alone(lines: Sequence[Line], at: int, label: str, behind: str, *, wrapped: bool, below_label: bool) -> bool:
    """Whether a line begins with its key and says no more, or is an entry below a heading that is a label."""
    if lines[at].text.lstrip().startswith("|"):
        return _is_in_column(lines, at, label.count("|") - 1)
    if _words(label) or wrapped:
        return False
    return bool(_NOTHING_BEHIND.match(behind) or (below_label and _BEHIND.match(behind)))


def _is_running(text: str) -> bool:
    """Whether a sentence may go on in the next line: this is no heading, bullet, row, field or key alone."""
    told = text.strip()
    return bool(told) and told[0] not in "#|>-*+" and not _FIELD.match(told) and bool(_words(KEY.sub("", told)))


def _is_in_column(lines: Sequence[Line], at: int, column: int) -> bool:
    """Whether the head of a table's column is a label; the table is the lines with bars above this one."""
    first = at
    while first > 0 and lines[first - 1].text.lstrip().startswith("|"):
        first -= 1
    heads = cells_of(lines[first].text)
    return first < at and 0 <= column < len(heads) and _is_label(_words(heads[column]))
