"""Bytes of a file as text, and what is odd about them. Nothing is refused: what is no text is replaced and said."""

import codecs
from dataclasses import dataclass

from apps.handovers.domain.document import Finding

LONG_LINE = 20_000  # characters; of a longer line only this beginning is looked at
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Decoded:
    """``text`` keeps the file's line ends. ``lossy`` says that the bytes cannot be had back from it."""

    text: str
    findings: tuple[Finding, ...]
    lossy: bool


def decode(data: bytes) -> Decoded:
    """Return the text of a file: UTF-8 by default, UTF-16 where its mark says so."""
    if data.startswith(_UTF16):
        return _utf16(data)
    marked = data.startswith(codecs.BOM_UTF8)
    body = data[len(codecs.BOM_UTF8) :] if marked else data
    found = [Finding("byte-order-mark", "It begins with a byte order mark.", 1)] if marked else []
    try:
        text = body.decode("utf-8")
        lossy = marked
    except UnicodeDecodeError as error:
        text, lossy = body.decode("utf-8", errors="replace"), True
        line = body.count(b"\n", 0, error.start) + 1
        bad = text.count("\ufffd") - body.count("\ufffd".encode())
        found.append(Finding("not-utf8", f"It is not UTF-8 from line {line} on; {bad} places are shown as �.", line))
    return _without_nul(text, found, lossy)


def _utf16(data: bytes) -> Decoded:
    found = [Finding("not-utf8", "It is UTF-16; it is read as that.", 1)]
    return _without_nul(data.decode("utf-16", errors="replace"), found, True)


def _without_nul(text: str, found: list[Finding], lossy: bool) -> Decoded:
    """No database takes NUL; its picture stands for it."""
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        found = [*found, Finding("nul-characters", "It holds NUL characters, shown as ␀.", line)]
        text, lossy = text.replace("\x00", "␀"), True
    return Decoded(text, (*found, *_line_findings(text)), lossy)


def _line_findings(text: str) -> list[Finding]:
    found = []
    if "\r" in text:
        windows, every = text.count("\r\n"), text.count("\n") + text.count("\r") - text.count("\r\n")
        how = "Its lines end as on Windows" if windows == every else "Its lines end in different ways"
        found.append(Finding("line-ends", f"{how} (CRLF or CR); they are kept so."))
    longest = max((len(line) for line in text.split("\n")), default=0)
    if longest > LONG_LINE:
        found.append(Finding("long-line", f"A line has {longest} characters; of it {LONG_LINE} are looked at."))
    return found
