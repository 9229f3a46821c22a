"""Writing a new handover into its checkout, and into the main one beside a worktree, with both indexes."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from apps.audit.services import record
from apps.core.errors import Permanent
from apps.handovers.domain.document import Box, Check, Decision, Finding
from apps.handovers.domain.index import Pointer
from apps.handovers.domain.keys import new_key
from apps.handovers.domain.parsing import parse_text
from apps.handovers.domain.writing import Draft, startup_prompt, write
from apps.handovers.models import Handover
from apps.handovers.ports import ARCHIVE, FOLDER, INDEX, DocumentStore, IndexEdit, NewDocument, Write
from apps.handovers.services.prefilling import Prefill, once
from apps.handovers.services.scanning import scan_workspace
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
_WARNS = ("claim-without-proof", "check-without-result")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person or an agent adds to what was prefilled. Focus and at least one next action are required."""

    focus: str
    next_actions: tuple[str, ...]
    agent: str = ""
    author: str = ""
    spec: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    pending: tuple[Box, ...] = ()
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """``paths`` are the document's, the checkout's own first. ``warnings`` are what a reader will ask about."""

    key: str
    paths: tuple[str, ...]
    indexes: tuple[str, ...]
    prompt: str
    text: str
    warnings: tuple[Finding, ...] = field(default=())


def draft_for(*, wish: Wish, prefill: Prefill, key: str, now: datetime) -> Draft:
    """Return the whole draft: what was wished for, after what was prefilled."""
    return Draft(
        key=key,
        date=now.astimezone(UTC),
        focus=wish.focus,
        next_actions=wish.next_actions,
        agent=wish.agent,
        author=wish.author or prefill.author,
        branch=prefill.branch,
        spec=wish.spec,
        changes=wish.changes,
        commits=prefill.commits,
        checks=once((*prefill.checks, *wish.checks)),
        pending=_once((*prefill.pending, *wish.pending)),
        decisions=wish.decisions,
        uncommitted=prefill.uncommitted,
        runs=prefill.runs,
        flags=prefill.flags,
    )


def _once(boxes: tuple[Box, ...]) -> tuple[Box, ...]:
    """Of two pending items with one text the later counts: it says whether it is done by now."""
    return tuple({box.text.strip(): box for box in boxes if box.text.strip()}.values())


def preview(*, wish: Wish, prefill: Prefill, now: datetime) -> tuple[str, tuple[Finding, ...]]:
    """Return the document as it would be written, its key but for the hash, and the warnings."""
    text = write(draft_for(wish=wish, prefill=prefill, key=f"HO-{now.astimezone(UTC):%Y%m%d-%H%M}-000000", now=now))
    return text, warnings_of(text)


def warnings_of(text: str) -> tuple[Finding, ...]:
    """Return the claims that no command with a result proves."""
    return tuple(one for one in parse_text(text, "").findings if one.id in _WARNS)


def write_handover(
    *,
    wish: Wish,
    prefill: Prefill,
    store: DocumentStore,
    now: datetime,
    actor: str,
    workspace: Workspace | None = None,
) -> Written:
    """Write the document and the index, in a worktree in both places; all of it or nothing.

    ``Permanent`` where focus or next action are missing, ``NothingWritten`` where it could not be written.
    """
    _check(wish)
    draft = draft_for(wish=wish, prefill=prefill, key="", now=now)
    key = new_key(write(draft), now, lambda key: _is_taken(key, prefill, workspace))
    draft = draft_for(wish=wish, prefill=prefill, key=key, now=now)
    text = write(draft)
    plan = _plan(key, draft, text, prefill)
    store.write(plan)
    paths, indexes = tuple(str(one.path) for one in plan.documents), tuple(str(one.path) for one in plan.indexes)
    log.info("handovers.written", key=key, paths=paths)
    if workspace is not None:
        record(type="handover.written", actor=actor, subject=key, workspace=workspace.name, paths=list(paths))
        scan_workspace(workspace=workspace, store=store, now=now)
    return Written(key, paths, indexes, startup_prompt(draft), text, warnings_of(text))


def _check(wish: Wish) -> None:
    if not wish.focus.strip():
        raise Permanent("A handover needs its focus: one line on what this is about.")
    if not any(action.strip() for action in wish.next_actions):
        raise Permanent("A handover needs the next action: what whoever comes next does first.")


def _homes(prefill: Prefill) -> list[Path]:
    return list(dict.fromkeys([prefill.checkout, prefill.main]))


def _is_taken(key: str, prefill: Prefill, workspace: Workspace | None) -> bool:
    """A key is taken by a file in any place, and by every handover that there ever was."""
    names = [home / FOLDER / part / f"{key}.md" for home in _homes(prefill) for part in ("", ARCHIVE)]
    if any(path.exists() or path.is_symlink() for path in names):
        return True
    return workspace is not None and Handover.objects.filter(key=key).exists()


def _plan(key: str, draft: Draft, text: str, prefill: Prefill) -> Write:
    relative = f"{FOLDER}/{key}.md"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    pointer = Pointer(key, draft.branch, draft.focus, sha256=sha256)
    homes = _homes(prefill)
    return Write(
        root=prefill.main,
        documents=tuple(NewDocument(home / relative, text.encode()) for home in homes),
        indexes=tuple(IndexEdit(home / INDEX, pointer, relative) for home in homes),
    )
