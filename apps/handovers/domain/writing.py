"""Writing a document from its fields, in the practice's sections, so that reading it gives the same fields back."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.handovers.domain.document import Box, Check, Commit, Decision, Document
from apps.handovers.domain.header import clean
from apps.handovers.domain.parsing import MARK

NONE = "None."


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to hand over. ``file`` is the path that the next one reads, relative to the checkout."""

    key: str
    date: datetime
    focus: str
    next_actions: tuple[str, ...]
    agent: str = ""
    author: str = ""
    branch: str = ""
    file: str = ""
    spec: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    commits: tuple[Commit, ...] = ()
    checks: tuple[Check, ...] = ()
    pending: tuple[Box, ...] = ()
    decisions: tuple[Decision, ...] = ()
    uncommitted: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def draft_of(document: Document, date: datetime) -> Draft:
    """Return a document's fields as a draft, so that it can be written anew."""
    head = document.header
    return Draft(
        key=document.key,
        date=head.date or date,
        focus=head.focus,
        next_actions=document.next_actions,
        agent=head.agent,
        author=head.author,
        branch=head.branch,
        spec=document.spec,
        changes=document.changes,
        commits=document.commits,
        checks=document.checks,
        pending=document.pending,
        decisions=document.decisions,
    )


def write(draft: Draft) -> str:
    """Return the document as Markdown; it begins with the mark of files that tools write."""
    parts = [
        f"{MARK}\n# Handover {draft.key}",
        _head(draft),
        _section("Spec Digest", _bullets(draft.spec)),
        _section("What Changed", [*_bullets(draft.changes), *_uncommitted(draft)]),
        _section("Commits", [_commit(one) for one in draft.commits]),
        _section(
            "Validation",
            _table(("Command", "Result"), [(_code(one.command), _line(one.result)) for one in draft.checks]),
        ),
        _section(
            "Pending", [f"- [{'x' if box.done else ' '}] {_line(box.text)}" for box in draft.pending if _line(box.text)]
        ),
        _section(
            "Key Decisions",
            _table(("Decision", "Reason"), [(_line(one.decision), _line(one.reason)) for one in draft.decisions]),
        ),
        _section("Next Session", _bullets(draft.next_actions)),
        *(
            [_section("Runs and Flags", [*_bullets(draft.runs), *_bullets(draft.flags)])]
            if draft.runs or draft.flags
            else []
        ),
        _section("Startup Prompt", _fenced(startup_prompt(draft))),
    ]
    return "\n\n".join(parts) + "\n"


def startup_prompt(draft: Draft) -> str:
    """Return what the next one pastes: key, branch, the file to read, the first action."""
    first = next((_line(one) for one in draft.next_actions if _line(one)), "")
    lines = [
        f"Handover Key: {draft.key}",
        *([f"Branch: {_line(draft.branch)}"] if _line(draft.branch) else []),
        f"Read: {draft.file or f'CLAUDE/{draft.key}.md'}",
        f"First action: {first or 'read the document'}",
        f"Verify the key first: manage.py handover verify {draft.key}",
    ]
    return "\n".join(lines)


def _head(draft: Draft) -> str:
    told = [
        ("Key", draft.key),
        ("Date", f"{draft.date:%Y-%m-%d %H:%M} UTC"),
        ("Agent", draft.agent if draft.agent != draft.author else ""),  # an author alone is read as both
        ("Author", draft.author),
        ("Branch", f"`{_line(draft.branch)}`" if draft.branch else ""),
        ("Focus", draft.focus),
    ]
    return "\n".join(f"- **{name}:** {_line(value)}" for name, value in told if _line(value))


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + ("\n".join(lines) if lines else NONE)


def _bullets(texts: Iterable[str]) -> list[str]:
    return [f"- {line}" for text in texts if (line := _line(text))]


def _commit(one: Commit) -> str:
    """A subject that begins with a mark is parted from the hash by another, or its own would be taken for that."""
    subject = _line(one.subject)
    return f"- `{one.sha}`{':' if subject[:1] in tuple('|:—–-') else ''} {subject}".rstrip()


def _uncommitted(draft: Draft) -> list[str]:
    count = len(draft.uncommitted)
    if not count:
        return []
    named = "; ".join(_line(one) for one in draft.uncommitted[:30])
    more = f"; and {count - 30} more" if count > 30 else ""
    return [f"- Not committed ({count}): {named}{more}"]


def _table(heads: tuple[str, str], rows: Sequence[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    lines = [heads, ("---", "---"), *((_cell(first), _cell(second)) for first, second in rows)]
    return [f"| {first} | {second} |" for first, second in lines]


def _cell(text: str) -> str:
    return text.replace("|", "\\|") or "—"


def _code(command: str) -> str:
    text = _line(command)
    if not text:
        return ""
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return f"{ticks} {text} {ticks}" if len(ticks) > 1 else f"`{text}`"


def _fenced(text: str) -> list[str]:
    ticks = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return [f"{ticks}text", *text.split("\n"), ticks]


def _line(text: str) -> str:
    """One line: what breaks lines becomes a space, what a terminal or a database would choke on goes."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return clean(" ".join(shown.split()))
