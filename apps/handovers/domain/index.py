"""The index `CLAUDE.md`: what it points at, and putting our block into it while every other byte stays as it is."""

import re
from dataclasses import dataclass, replace

from apps.handovers.domain.header import clean
from apps.handovers.domain.keys import Key, key_in
from apps.handovers.domain.lines import lines_of

BEGIN = "<!-- SWEEPBOARD:HANDOVER:BEGIN (this block is rewritten; write outside of it) -->"
END = "<!-- SWEEPBOARD:HANDOVER:END -->"
_BEGIN = re.compile(rb"<!-- SWEEPBOARD:HANDOVER:BEGIN[^\r\n]{0,200}?-->")
_END = re.compile(rb"<!-- SWEEPBOARD:HANDOVER:END -->")
_BOM = b"\xef\xbb\xbf"
_MARK = re.compile(rb"<!-- AGENT-GENERATED:[^\r\n]{0,300}(?:\r\n|\n|\r|$)")
_WORDS = re.compile(r"handover|key|current|active|session|übergabe|CLAUDE/", re.IGNORECASE)
_PAST = re.compile(r"\b(?:previous|prior|old(?:er)?|last|archived?|superseded|history|earlier|before)\b", re.IGNORECASE)
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

    Of people's lines the first counts that says key, handover, current or the like; lines about earlier ones do not.
    None where no key is named.
    """
    span = _block(data)
    if span is not None:
        before = data[: span[0]].decode("utf-8", "replace")
        found = _first(data[span[0] : span[1]].decode("utf-8", "replace"), anything=True)
        offset = len(re.findall(r"\r\n|\n|\r", before))
        if found is not None:
            return replace(found, line=found.line + offset, ours=True)
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    return _first(text, anything=False) or _first(text, anything=True)


def _first(text: str, *, anything: bool) -> Pointer | None:
    lines = [line for line in lines_of(text)[0][:_LINES] if line.is_text]
    for at, line in enumerate(lines):
        key = key_in(line.text)
        if key is None or _PAST.search(line.text) or not (anything or _WORDS.search(_without(line.text, key))):
            continue
        fields = _fields([one.text for one in lines[max(0, at - 6) : at + 7]])
        branch, focus, sha256 = (fields.get(name, "") for name in ("branch", "focus", "sha-256"))
        return Pointer(key.text, branch, focus, line.number, sha256=sha256)
    return None


def _without(text: str, key: Key) -> str:
    return text.replace(f"{key.text}.md", "").replace(key.text, "")


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
