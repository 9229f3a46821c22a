"""Reading one document: whatever its shape, everything that can be told is told, and what is odd is said."""

import re
from collections import Counter
from dataclasses import replace

from apps.handovers.domain.age import LATE_EOD
from apps.handovers.domain.checks import checks_of
from apps.handovers.domain.claims import claims_without_proof
from apps.handovers.domain.decoding import decode
from apps.handovers.domain.document import REQUIRED, Document, Finding, Header, Kind, Section
from apps.handovers.domain.extracting import commits_of, decisions_of, pending_of, sentences_of, startup_of
from apps.handovers.domain.header import header_of
from apps.handovers.domain.keys import Key, key_in, key_of_name
from apps.handovers.domain.lines import Line, lines_of
from apps.handovers.domain.names import names_in
from apps.handovers.domain.outline import Outline, outline
from apps.handovers.domain.tables import tables_in

MARK = "<!-- AGENT-GENERATED: Do not commit to git unless explicitly requested -->"
LONGEST_KEY = 200
_ACTIVE = re.compile(
    r"<\s*(?:script|iframe|object|embed|svg|style|form|meta|base|link)\b|\bon[a-z]{3,20}\s*=\s*[\"'\w(]|"
    r"(?:javascript|vbscript|data:text/html)\s*:|<\s*(?:img|a|div|details|video)\b[^>]{0,300}\bon[a-z]{3,20}",
    re.IGNORECASE,
)


def parse(data: bytes, name: str) -> Document:
    """Return what the bytes of a file called ``name`` say; no content makes this fail."""
    decoded = decode(data)
    return parse_text(decoded.text, name, decoded.findings)


def parse_text(text: str, name: str, found: tuple[Finding, ...] = ()) -> Document:
    """Return what a text says; ``found`` are findings made before, such as by decoding it."""
    lines, odd_lines = lines_of(text)
    shape = outline(lines)
    header = header_of(lines, shape)
    named = key_of_name(name)
    sections = tuple(part.section for part in shape.parts)
    commits, checks = tuple(commits_of(shape)), tuple(checks_of(shape))
    document = Document(
        key=_key(named, header, name),
        header=header,
        title=sections[0].title if sections else "",
        sections=sections,
        pending=tuple(pending_of(shape)),
        decisions=tuple(decisions_of(shape)),
        checks=checks,
        commits=commits,
        changes=tuple(sentences_of(shape, Kind.CHANGES)),
        spec=tuple(sentences_of(shape, Kind.SPEC)),
        next_actions=tuple(sentences_of(shape, Kind.NEXT)),
        startup_prompt=startup_of(shape),
        names=names_in(text, lines, (commit.sha for commit in commits), header.branch),
    )
    odd = [*found, *_odd_keys(named, header, document.startup_prompt), *_odd_header(named, header)]
    odd += [*odd_lines, *_odd_sections(text, sections), *_odd_tables(shape), *_active(lines)]
    odd += claims_without_proof(_claiming(shape), checks)
    return replace(document, findings=tuple(odd))


def _key(named: Key | None, header: Header, name: str) -> str:
    """The file's name decides, because people and indexes find a document by it."""
    return (named.text if named else header.key or name.rpartition("/")[2].removesuffix(".md"))[:LONGEST_KEY]


def _odd_keys(named: Key | None, header: Header, prompt: str) -> list[Finding]:
    found = []
    if named is None:
        found.append(Finding("no-key-in-name", "Its file name holds no handover key."))
    elif not named.is_exact:
        found.append(
            Finding("odd-key", f"{named.text} is not of the shape HO-YYYYMMDD-HHMM-hash (4 to 12 hex digits).")
        )
    if named is not None and named.at is None:
        found.append(Finding("impossible-date", f"{named.text} names a day or an hour that does not exist."))
    if not header.key:
        found.append(Finding("no-key-in-text", "Its text names no handover key of its own."))
    elif named is not None and header.key.lower() != named.text.lower():
        found.append(Finding("key-mismatch", f"Its name says {named.text}, its text {header.key}; the name counts."))
    asked = key_in(prompt)
    own = {header.key.lower(), named.text.lower() if named else ""}
    if asked is not None and asked.text.lower() not in own:
        found.append(Finding("prompt-names-another", f"Its startup prompt names {asked.text}, which is another key."))
    return found


def _odd_header(named: Key | None, header: Header) -> list[Finding]:
    missing = [name for name in ("date", "agent", "branch", "focus") if not getattr(header, name)]
    found = [Finding("header-incomplete", f"Its head does not tell: {', '.join(missing)}.")] if missing else []
    if named and named.at and header.date and abs((header.date - named.at).total_seconds()) > LATE_EOD:
        told = f"{header.date:%Y-%m-%d}"
        found.append(Finding("date-mismatch", f"Its head says {told}, its key {named.at:%Y-%m-%d}; the key counts."))
    return found


def _odd_sections(text: str, sections: tuple[Section, ...]) -> list[Finding]:
    if not text.strip():
        return [Finding("empty", "It is empty.")]
    kinds = [one.kind for one in sections if not one.inherited]
    missing = [kind.value for kind in REQUIRED if kind not in kinds]
    found = [Finding("sections-missing", f"It has no section: {', '.join(missing)}.")] if missing else []
    twice = sorted(kind for kind, count in Counter(kinds).items() if count > 1)
    twice = [kind for kind in twice if kind not in (Kind.OTHER, Kind.HEADER)]
    found += [Finding("section-twice", f"It has more than one section {kind.value}.") for kind in twice]
    return found


def _odd_tables(shape: Outline) -> list[Finding]:
    bodies = [shape.preamble, *(part.body for part in shape.parts)]
    return [finding for body in bodies for table in tables_in(body) for finding in table.findings][:20]


def _active(lines: list[Line]) -> list[Finding]:
    first = next((line for line in lines if line.is_text and _ACTIVE.search(line.text[:5000])), None)
    if first is None:
        return []
    return [Finding("active-content", "It holds HTML that could run in a browser; it is shown as text.", first.number)]


def _claiming(shape: Outline) -> list[Line]:
    """What is pending or still to come claims nothing."""
    parts = (
        part for part in shape.parts if part.section.kind not in (Kind.PENDING, Kind.NEXT, Kind.STARTUP, Kind.SPEC)
    )
    return [*shape.preamble, *(line for part in parts for line in part.body)]
