"""Windows of a log: which bytes to read, and the lines in them with the byte at which each begins. Pure.

A log may be gigabytes long and its lines too: no window is longer than ``WINDOW``, no shown line than ``LONGEST_LINE``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

WINDOW = 64 << 10  # bytes
BEFORE = 8 << 10  # bytes of context above a byte that is jumped to
LONGEST_LINE = 2000  # characters
LEAD = 120  # bytes of a long line above the one that is jumped to
SEARCHED_AT_ONCE = 16 << 20  # bytes
CHUNK = 1 << 20
MOST_HITS = 50
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line; ``byte`` is where it begins, or where reading began within it.

    ``cut`` says that it goes on beyond what is shown, ``led`` that it began before. ``here`` is the one jumped to.
    """

    byte: int
    text: str
    cut: bool = False
    marked: bool = False
    here: bool = False
    led: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """What is shown of a log of ``size`` bytes: from ``begin`` up to, and without, ``end``."""

    begin: int
    end: int
    size: int
    lines: tuple[Line, ...]

    @property
    def older(self) -> int | None:
        """Where the window above begins; None at the log's head."""
        return max(0, self.begin - WINDOW) if self.begin > 0 else None

    @property
    def newer(self) -> int | None:
        return self.end if self.end < self.size else None


def is_beyond(size: int, asked: int | None) -> bool:
    """Tell whether a log of ``size`` bytes has no such byte: it was cut after somebody was led there."""
    return asked is not None and 0 < asked >= size


def start_of(size: int, at: int | None, line: int | None = None) -> int:
    """Return the byte at which to begin: ``at``, or so that ``line``, a byte, has lines above it.

    It is the tail's where neither is asked for, and where the log has no such byte.
    """
    asked = at if line is None else line
    if asked is None or is_beyond(size, asked):
        return max(0, size - WINDOW)
    return max(0, asked if line is None else line - BEFORE)


def read_from(begin: int) -> int:
    """Return where reading begins for a window from ``begin`` on: by the byte before, a line's beginning is known."""
    return max(0, begin - 1)


def window(content: bytes, begin: int, size: int, marks: Iterable[int] = (), here: int | None = None) -> Window:
    """Cut ``content``, read from byte ``begin`` on, into whole lines.

    A line whose beginning was not read is left out at the top, unless nothing else would remain; one whose end was not
    read is left out at the bottom, for the next window. Neither is the line of byte ``here``, which is jumped to.
    ``marks`` are bytes in lines that stand out.
    """
    head, tail = _whole_lines(content, at_head=begin == 0, at_end=begin + len(content) >= size)
    place = -1 if here is None else here - begin
    if 0 <= place < head:
        head = 0
    if tail <= place < len(content):
        tail = len(content)
    lines = _lines(content[head:tail], begin + head, set(marks), here)
    return Window(begin + head, begin + tail, size, tuple(lines))


def _whole_lines(content: bytes, *, at_head: bool, at_end: bool) -> tuple[int, int]:
    """Return between which places of ``content`` the lines lie that were read as a whole; all of it for none."""
    first = 0 if at_head else content.find(b"\n") + 1
    head = first if first < len(content) else 0
    last = len(content) if at_end else content.rfind(b"\n") + 1
    return head, last if last > head else len(content)


def _lines(content: bytes, begin: int, marks: set[int], here: int | None) -> Iterable[Line]:
    at = begin
    for raw in content.split(b"\n"):
        if raw or at < begin + len(content):
            marked = any(at <= mark <= at + len(raw) for mark in marks)
            jumped = here is not None and at <= here <= at + len(raw)
            yield _line(raw, at, here - at if here is not None and jumped else 0, marked=marked, here=jumped)
        at += len(raw) + 1


def _line(raw: bytes, at: int, place: int, *, marked: bool, here: bool) -> Line:
    """Return a line as it is shown; ``place`` is the byte in it that is jumped to."""
    # A progress bar draws itself over and over in one line: what a terminal would show is its last frame.
    first, frame = _frame_at(raw, place) if place else (0, raw)
    begun = max(0, place - first - LEAD) if len(frame) > LONGEST_LINE else 0
    while begun and begun < len(frame) and frame[begun] & 0xC0 == 0x80:  # within a letter
        begun += 1
    text = plain(frame[begun:])
    return Line(at, text[:LONGEST_LINE], len(text) > LONGEST_LINE, marked, here, begun > 0)


def _frame_at(raw: bytes, place: int) -> tuple[int, bytes]:
    """Return where the frame of a redrawn line begins that holds byte ``place``, and the frame."""
    first, end = raw.rfind(b"\r", 0, place) + 1, raw.find(b"\r", place)
    return first, raw[first : end if end >= 0 else len(raw)]


def plain(raw: bytes) -> str:
    """Return a line as text without colours and control characters; of a redrawn one the last frame."""
    frames = raw.rstrip(b"\r").rsplit(b"\r", 1)
    return _CONTROL.sub("", frames[-1].decode(errors="replace").replace("\r", ""))


@dataclass(frozen=True, slots=True)
class Hit:
    """A line in which the words that were sought stand, at ``byte``; what was read of it ends before byte ``end``."""

    byte: int
    text: str
    end: int


def hits(content: bytes, begin: int, sought: str, *, most: int = MOST_HITS) -> list[Hit]:
    """Return the lines of ``content`` in which ``sought`` stands, whatever its case, at most ``most``.

    ``content`` was read from byte ``begin`` on and begins with a line, or within one that is longer than what is read.
    """
    wanted = re.compile(b"".join(_in_any_case(letter) for letter in sought), re.IGNORECASE)
    found: list[Hit] = []
    stop = 0
    while len(found) < most and (match := wanted.search(content, stop)):
        start = content.rfind(b"\n", 0, match.start()) + 1
        end = content.find(b"\n", match.end())
        stop = len(content) if end < 0 else end
        lead = max(start, match.start() - LEAD)
        text = plain_around(content[lead : min(stop, lead + 400)])
        found.append(Hit(begin + match.start(), text, begin + min(stop + 1, len(content))))
        if end < 0:
            break
    return found


def longest(sought: str) -> int:
    """Return how many bytes the words take at most, in any case: so much of a word may lie on either side of a cut."""
    return sum(max(map(len, _cases(letter))) for letter in sought)


def _cases(letter: str) -> set[bytes]:
    return {form.encode() for form in (letter, letter.lower(), letter.upper())}


def _in_any_case(letter: str) -> bytes:
    """Return a pattern of one letter; of bytes, ``re`` itself knows the cases of ASCII only."""
    if letter.isascii():
        return re.escape(letter.encode())
    return b"(?:" + b"|".join(re.escape(form) for form in sorted(_cases(letter))) + b")"


def plain_around(raw: bytes) -> str:
    return _CONTROL.sub("", raw.decode(errors="replace").replace("\r", " ")).strip()
