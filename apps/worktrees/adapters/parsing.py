"""What git prints, read: pure."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from apps.worktrees.domain.facts import Changes
from apps.worktrees.ports import Entry, Status

_SHA = re.compile(rb"[0-9a-f]{40,64}(?: [0-9a-f]{40,64})*\n")


def entries_in(text: str, folders: Mapping[str, Path]) -> list[Entry]:
    """Read ``worktree list --porcelain -z``; ``folders`` are git's own of each path."""
    found: list[Entry] = []
    for block in text.split("\0\0"):
        told = dict(line.partition(" ")[::2] for line in block.split("\0") if line)
        path = told.get("worktree")
        if not path:
            continue
        found.append(
            Entry(
                path=Path(path),
                head=told.get("HEAD", ""),
                branch=told.get("branch", "").removeprefix("refs/heads/"),
                is_main=not found,
                folder=folders.get(path),
                locked=told.get("locked"),
                prunable=told["prunable"] or "nothing is there" if "prunable" in told else "",
                bare="bare" in told,
            )
        )
    return found


def status_in(text: str) -> Status:
    """Read ``status --porcelain=v2 -z --ignored``; of a rename the new name counts."""
    counts = {"staged": 0, "changed": 0, "untracked": 0, "conflicted": 0}
    dirty: list[str] = []
    untracked: list[str] = []
    ignored: list[str] = []
    parts = iter(text.split("\0"))
    for part in parts:
        kind = part[:1]
        if kind == "!":
            ignored.append(part[2:])
        elif kind == "?":
            counts["untracked"] += 1
            untracked.append(part[2:])
            dirty.append(part[2:])
        elif kind == "u":
            counts["conflicted"] += 1
            dirty.append(part.split(" ", 10)[-1])
        elif kind in ("1", "2"):
            counts["staged"] += part[2] != "."
            counts["changed"] += part[3] != "."
            dirty.append(part.split(" ", 8 if kind == "1" else 9)[-1])
            if kind == "2":
                next(parts, None)
    return Status(Changes(**counts), tuple(dirty), tuple(untracked), tuple(ignored))


def overlooked_in(text: str) -> list[str]:
    """Read ``ls-files -v -z``: small letters are assumed to be unchanged, S is skipped in the work tree."""
    rows = (row.partition(" ") for row in text.split("\0"))
    return [name for tag, _, name in rows if tag.islower() or tag == "S"]


def patch_ids(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Yield ``(commit, identity)`` of what ``diff-tree --stdin -p --full-index`` prints.

    As in `git patch-id --verbatim` places do not count and white space does: indentation is what Python means.
    Unlike there a binary file counts by its content.
    """
    name, digest = "", hashlib.sha1(usedforsecurity=False)
    empty, blobs = True, b""
    for line in lines:
        if _SHA.fullmatch(line):
            if name and not empty:
                yield name, digest.hexdigest()
            name, digest, empty = line.split()[0].decode(), hashlib.sha1(usedforsecurity=False), True
            continue
        empty = False
        if line.startswith(b"index "):
            blobs = line.split()[1]
            continue
        if line.startswith((b"@@ ", b"similarity ", b"dissimilarity ")):
            continue
        digest.update(blobs + b"\n" if line.startswith(b"Binary files ") else line)
    if name and not empty:
        yield name, digest.hexdigest()
