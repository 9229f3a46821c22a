"""Windows of a log: which bytes to read, and the lines in them with the byte at which each begins. Pure.

A log may be gigabytes long and its lines too: no window is longer than ``WINDOW``, no shown line than ``LONGEST_LINE``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

WINDOW = 64 << 10  # bytes
BEFORE = 8 << 10  # bytes of context above a byte that is jumped to
LONGEST_LINE = 2000  # characters
SEARCHED_AT_ONCE = 16 << 20  # bytes
CHUNK = 1 << 20
MOST_HITS = 50
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line; ``byte`` is where it begins. ``cut`` says that it goes on beyond what is shown."""

    byte: int
    text: str
    cut: bool = False
    marked: bool = False


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


def window(content: bytes, begin: int, size: int, marks: Iterable[int] = ()) -> Window:
    """Cut ``content``, read from byte ``begin`` on, into whole lines.

    A line whose beginning was not read is left out at the top, unless nothing else would remain; one whose end was not
    read is left out at the bottom, for the next window. ``marks`` are bytes at which lines begin that stand out.
    """
    head = 0
    if begin > 0:
        first = content.find(b"\n") + 1
        head = first if 0 < first < len(content) else 0
    tail = len(content)
    if begin + len(content) < size:
        last = content.rfind(b"\n") + 1
        tail = last if last > head else tail
    return Window(begin + head, begin + tail, size, tuple(_lines(content[head:tail], begin + head, set(marks))))


def _lines(content: bytes, begin: int, marks: set[int]) -> Iterable[Line]:
    at = begin
    for raw in content.split(b"\n"):
        if raw or at < begin + len(content):
            # A progress bar draws itself over and over in one line: what a terminal would show is its last frame.
            text = plain(raw)
            within = any(at <= mark <= at + len(raw) for mark in marks)
            yield Line(at, text[:LONGEST_LINE], len(text) > LONGEST_LINE, within)
        at += len(raw) + 1


def plain(raw: bytes) -> str:
    """Return a line as text without colours and control characters; of a redrawn one the last frame."""
    frames = raw.rstrip(b"\r").rsplit(b"\r", 1)
    return _CONTROL.sub("", frames[-1].decode(errors="replace").replace("\r", ""))


@dataclass(frozen=True, slots=True)
class Hit:
    """A line in which the words that were sought stand; it ends before byte ``end``."""

    byte: int
    text: str
    end: int


def hits(content: bytes, begin: int, sought: str, *, most: int = MOST_HITS) -> list[Hit]:
    """Return the lines of ``content`` in which ``sought`` stands, whatever its case, at most ``most``.

    ``content`` was read from byte ``begin`` on and begins with a line.
    """
    wanted = re.compile(re.escape(sought.encode()), re.IGNORECASE)
    found: list[Hit] = []
    stop = 0
    while len(found) < most and (match := wanted.search(content, stop)):
        start = content.rfind(b"\n", 0, match.start()) + 1
        end = content.find(b"\n", match.end())
        stop = len(content) if end < 0 else end
        lead = max(start, match.start() - 120)
        found.append(Hit(begin + start, plain_around(content[lead : min(stop, lead + 400)]), begin + stop + 1))
        if end < 0:
            break
    return found


def plain_around(raw: bytes) -> str:
    return _CONTROL.sub("", raw.decode(errors="replace").replace("\r", " ")).strip()
