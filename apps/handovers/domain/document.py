"""What a handover document says, as frozen facts. Lines count from 1; what is missing is empty, never guessed."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """The sections that a handover has by the practice, and ``OTHER`` for whatever else people write."""

    SPEC = "Spec Digest"
    CHANGES = "What Changed"
    COMMITS = "Commits"
    VALIDATION = "Validation"
    PENDING = "Pending"
    DECISIONS = "Key Decisions"
    NEXT = "Next Session"
    STARTUP = "Startup Prompt"
    HEADER = "Header"
    OTHER = "Other"


REQUIRED = (Kind.CHANGES, Kind.VALIDATION, Kind.PENDING, Kind.DECISIONS, Kind.NEXT, Kind.STARTUP)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is odd about a document: an id for filters, a sentence for people, and the line; 0 for the whole file."""

    id: str
    sentence: str
    line: int = 0

    def as_json(self) -> dict[str, str | int]:
        return {"id": self.id, "sentence": self.sentence, "line": self.line}


@dataclass(frozen=True, slots=True)
class Section:
    """One heading. ``kind`` is its own or, for a heading below a known one, that of the section it belongs to."""

    title: str
    kind: Kind
    level: int
    line: int
    inherited: bool = False

    @property
    def name(self) -> str:
        """The practice's name of the section where it has one, else the title as written."""
        return self.title if self.inherited or self.kind is Kind.OTHER else self.kind.value


@dataclass(frozen=True, slots=True)
class Box:
    """One pending item."""

    text: str
    done: bool
    line: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    decision: str
    reason: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """A validation: the command and what it said; an empty result is no proof."""

    command: str
    result: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    subject: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Names:
    """What the text names, each once and in order."""

    sweeps: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    handovers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """``key`` is the one in the text. ``date`` is aware; a time without a zone is taken for UTC."""

    key: str = ""
    date: datetime | None = None
    agent: str = ""
    author: str = ""
    branch: str = ""
    focus: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One handover document. ``key`` is the file name's, or else the text's, or else the name itself."""

    key: str
    header: Header = Header()
    title: str = ""
    sections: tuple[Section, ...] = ()
    pending: tuple[Box, ...] = ()
    decisions: tuple[Decision, ...] = ()
    checks: tuple[Check, ...] = ()
    commits: tuple[Commit, ...] = ()
    changes: tuple[str, ...] = ()
    spec: tuple[str, ...] = ()
    next_actions: tuple[str, ...] = ()
    startup_prompt: str = ""
    names: Names = Names()
    findings: tuple[Finding, ...] = field(default=())

    @property
    def pending_open(self) -> tuple[Box, ...]:
        return tuple(box for box in self.pending if not box.done)

    @property
    def pending_done(self) -> tuple[Box, ...]:
        return tuple(box for box in self.pending if box.done)

    @property
    def section_names(self) -> list[str]:
        """Each section once, in the document's order."""
        shown = (one.name for one in self.sections if one.kind is not Kind.HEADER)
        return list(dict.fromkeys(shown))

    def has(self, kind: Kind) -> bool:
        return any(section.kind is kind for section in self.sections)
