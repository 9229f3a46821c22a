"""The index `CLAUDE.md`: what it points at, and putting our block into it while every other byte stays as it is."""

import re
from dataclasses import dataclass, replace

from apps.handovers.domain.header import clean
from apps.handovers.domain.keys import key_in
from apps.handovers.domain.lines import Line, lines_of
from apps.handovers.domain.pointing import mentions_in, pointing_line

BEGIN = "<!-- SWEEPBOARD:HANDOVER:BEGIN (this block is rewritten; write outside of it) -->"
END = "<!-- SWEEPBOARD:HANDOVER:END -->"
_BEGIN = re.compile(rb"<!-- SWEEPBOARD:HANDOVER:BEGIN[^\r\n]{0,200}?-->")
_END = re.compile(rb"<!-- SWEEPBOARD:HANDOVER:END -->")
_BOM = b"\xef\xbb\xbf"
_MARK = re.compile(rb"<!-- AGENT-GENERATED:[^\r\n]{0,300}(?:\r\n|\n|\r|$)")
_FIELD = re.compile(
    r"[\s>\-*|]*[*_`]{0,3}(?P<label>branch|focus|sha-256)[*_`]{0,3}\s*[:|]\s*(?P<value>[^|]*)", re.IGNORECASE
)
_LINES = 400


@dataclass(frozen=True, slots=True)
class Pointer:
    """What an index says is current. ``line`` counts from 1; ``ours`` says that it stands in our block.

    ``sha256`` is the hash of the document as it was handed over, where our block tells it.
    """

    key: str
    branch: str = ""
    focus: str = ""
    line: int = 0
    ours: bool = False
    sha256: str = ""


def pointer_in(data: bytes) -> Pointer | None:
    """Return the handover that an index names as the current one: in our block, else in people's own words.

    None where no line says that one is; prose that mentions a key says nothing about what is current.
    """
    span = _block(data)
    if span is not None:
        before = data[: span[0]].decode("utf-8", "replace")
        found = _of_block(_text_lines(data[span[0] : span[1]]))
        offset = len(re.findall(r"\r\n|\n|\r", before))
        if found is not None:
            return replace(found, line=found.line + offset, ours=True)
    lines = _text_lines(data)
    told = pointing_line(lines)
    return _pointer(told[0], lines, told[1]) if told else None


def mentioned_in(data: bytes) -> dict[str, int]:
    """Return the keys that an index names anywhere, each with its first line, for whoever misses the pointer."""
    return mentions_in(_text_lines(data))


def _text_lines(data: bytes) -> list[Line]:
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    return [line for line in lines_of(text)[0][:_LINES] if line.is_text]


def _of_block(lines: list[Line]) -> Pointer | None:
    """Our own block has no prose: the first key in it is meant."""
    found = ((at, key) for at, line in enumerate(lines) if (key := key_in(line.text)) is not None)
    return next((_pointer(key.text, lines, at) for at, key in found), None)


def _pointer(key: str, lines: list[Line], at: int) -> Pointer:
    fields = _fields([one.text for one in lines[max(0, at - 6) : at + 7]])
    branch, focus, sha256 = (fields.get(name, "") for name in ("branch", "focus", "sha-256"))
    return Pointer(key, branch, focus, lines[at].number, sha256=sha256)


def _fields(lines: list[str]) -> dict[str, str]:
    found = (_FIELD.match(line) for line in lines)
    told: dict[str, str] = {}
    for one in found:
        if one:
            told.setdefault(one["label"].lower(), clean(one["value"]))
    return told


def _block(data: bytes) -> tuple[int, int] | None:
    """Return where our block begins and ends; None where it is missing or was broken by an edit."""
    begin = _BEGIN.search(data)
    end = _END.search(data, begin.end()) if begin else None
    return (begin.start(), end.end()) if begin and end else None


def with_pointer(data: bytes, pointer: Pointer, path: str) -> bytes:
    """Return the index with our block saying ``pointer``; all bytes outside of the block are those of ``data``.

    ``path`` is the document's, relative to the checkout. Without a block it is put at the head, below a byte order
    mark and the mark of files that tools write. Line ends are the file's own.
    """
    newline = b"\r\n" if data.count(b"\r\n") * 2 > data.count(b"\n") else b"\n"
    block = newline.join(line.encode("utf-8", "replace") for line in _lines(pointer, path))
    span = _block(data)
    if span is not None:
        return data[: span[0]] + block + data[span[1] :]
    head = len(_BOM) if data.startswith(_BOM) else 0
    mark = _MARK.match(data, head)
    at = mark.end() if mark else head
    gap = b"" if at == 0 or data[:at].endswith((b"\n", b"\r", _BOM)) else newline
    return data[:at] + gap + block + newline + (newline if data[at:] else b"") + data[at:]


def with_path(data: bytes, before: str, after: str) -> bytes:
    """Return the index with the path ``after`` wherever exactly ``before`` stands, also as `./…`; all else stays.

    Both are relative to the checkout. A longer path that ends or begins so is another file's.
    """
    path = re.escape(before.encode("utf-8", "surrogateescape"))
    exact = re.compile(rb"(?<![\w./~-])(?P<here>\./)?" + path + rb"(?![\w/-]|\.\w)")
    return exact.sub(lambda found: (found["here"] or b"") + after.encode("utf-8", "surrogateescape"), data)


def without_pointer(data: bytes) -> bytes:
    """Return what people wrote: all outside of our block, without byte order mark and the mark of files of tools."""
    span = _block(data)
    told = (data[: span[0]] + data[span[1] :] if span else data).removeprefix(_BOM)
    mark = _MARK.match(told)
    return told[mark.end() :] if mark else told


def _lines(pointer: Pointer, path: str) -> list[str]:
    told = [("Handover Key", f"`{pointer.key}`"), ("Document", f"[{path}]({path})")]
    told += [("Branch", f"`{pointer.branch}`")] if pointer.branch else []
    told += [("Focus", " ".join(pointer.focus.split()).replace("-->", "→"))] if pointer.focus else []
    told += [("SHA-256", f"`{pointer.sha256}`")] if pointer.sha256 else []
    return [BEGIN, *(f"- **{name}:** {value}" for name, value in told), END]
