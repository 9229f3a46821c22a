"""Reading one document whole, up to the limit, and what a registry keeps of it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from apps.core.errors import Transient
from apps.handovers.domain.age import dated
from apps.handovers.domain.decoding import decode
from apps.handovers.domain.document import Document, Finding
from apps.handovers.domain.parsing import parse
from apps.handovers.models import Content
from apps.handovers.ports import DocumentStore, FoundDocument

LIMIT = 10 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Read:
    """One listed document with its content; ``data`` is None where it could not be read, and ``problem`` says why."""

    found: FoundDocument
    data: bytes | None
    cut: bool = False
    problem: Finding | None = None

    @property
    def name(self) -> str:
        return name_of(self.found)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest() if self.data is not None else ""


def name_of(found: FoundDocument) -> str:
    return found.shown.rpartition("/")[2][:-3][:300]


def read(store: DocumentStore, found: FoundDocument, limit: int = LIMIT) -> Read:
    """Read at most ``limit`` bytes of a document; whatever goes wrong is a finding of it."""
    if not found.stamp:
        return Read(found, None, problem=found.problem)
    try:
        data = store.read(found.path, limit + 1)
    except Transient as error:
        return Read(found, None, problem=Finding("unreadable", str(error)))
    return Read(found, data[:limit], len(data) > limit, found.problem)


def content_of(one: Read, now: datetime) -> Content:
    """Return the unsaved row of what was read."""
    data = one.data or b""
    decoded = decode(data)
    raw = data if decoded.lossy else None
    return Content(sha256=one.sha256, text=decoded.text, raw=raw, size=len(data), cut=one.cut, first_seen_at=now)


def bytes_of(content: Content) -> bytes:
    """Return the bytes that a content was made from, up to the limit."""
    return bytes(content.raw) if content.raw is not None else content.text.encode()


def parsed(content: Content, name: str) -> Document:
    return parse(bytes_of(content), f"{name}.md")


def cut_finding(size: int) -> Finding:
    told = f"It is larger than {size / (1 << 20):.0f} MiB; what comes after that is not in the registry."
    return Finding("too-large", told)


def values_of(document: Document, branch: str, modified_at: datetime | None) -> dict[str, object]:
    """Return the columns of a handover that come from its text; ``branch`` is that of the checkout it lies in."""
    head = document.header
    told = dated(document.key, head.date, modified_at)
    return {
        "key": document.key[:200],
        "text_key": head.key[:60],
        "date": told.at,
        "date_source": told.source,
        "branch": (head.branch or branch)[:300],
        "agent": head.agent[:200],
        "author": head.author[:200],
        "focus": head.focus[:1000],
        "sections": document.section_names[:200],
        "pending_open": len(document.pending_open),
        "pending_done": len(document.pending_done),
    }
