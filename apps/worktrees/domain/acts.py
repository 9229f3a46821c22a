"""What would be done to make a worktree or to clean one up: steps that are shown before they run. Pure."""

import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.core.units import count, size
from apps.worktrees.domain.facts import Facts, How, shown
from apps.worktrees.domain.table import OWN

_TAKEN = (".", "..", ".git", *(name.lower() for name in OWN))
_STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``kind`` is git (``argv`` is what runs), link (``path``, ``target``), folder, write or delete."""

    kind: str
    argv: tuple[str, ...] = ()
    path: str = ""
    target: str = ""
    note: str = ""

    @property
    def shown(self) -> str:
        """The step as a line for people; git's arguments are quoted as a shell would need them."""
        if self.kind == "git":
            return shown(shlex.join(self.argv))
        what = {"link": f"link {self.path} → {self.target}", "folder": f"make the folder {self.path}"}
        line = what.get(self.kind, f"{self.kind} {self.path}")
        return shown(f"{line} ({self.note})" if self.note else line)


def digest_of(steps: Sequence[Step], facts: Sequence[str]) -> str:
    """Return what binds a press to exactly these steps and to what they were decided by."""
    told = json.dumps([[(one.kind, one.argv, one.path, one.target) for one in steps], list(facts)])
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def folder_name(branch: str) -> str:
    """Return the folder's name for a branch: `fix/warm restarts` becomes `fix-warm-restarts`; empty for none."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", branch).strip("-.")[:100]


def may_be_folder(name: str) -> bool:
    """Tell whether a new worktree's folder may have this name: one that can be read, and means nothing else here."""
    return bool(name) and name.isprintable() and "/" not in name and name.lower() not in _TAKEN


def readable(text: str) -> str:
    """Return a text without the signs that steer a terminal or turn what stands around them; lines stay."""
    return _STEERS.sub("", text)


@dataclass(frozen=True, slots=True)
class JobFacts:
    """The live jobs that run from a worktree. ``unknown`` says why nobody can tell; empty where somebody could."""

    live: tuple[str, ...] = ()
    unknown: str = ""
    asked_at: datetime | None = None


def refusals_of(facts: Facts, jobs: JobFacts, overlooked: Sequence[str] = ()) -> tuple[str, ...]:
    """Return every reason against cleaning a worktree up; empty where it may go.

    ``overlooked`` are files that are there and that git was told not to look at.

    What is unknown is a reason: nothing is removed on a guess ('Use worktrees, not clones' of docs/practice.md).
    """
    if facts.kind == "main":
        return ("This is the main checkout, and no worktree.",)
    if facts.kind == "clone":
        return ("This is a clone: what only it holds is not known here. Delete it by hand.",)
    if facts.prunable:
        return (f"The folder is not there ({facts.prunable}); `git worktree prune` forgets it.",)
    return (*_unmerged(facts), *_work(facts), *_overlooked(overlooked), *_only_here(facts), *_used(facts, jobs))


def _unmerged(facts: Facts) -> list[str]:
    merge = facts.merge
    if merge.merged is True:
        return []
    word = {How.NOTHING_YET: "It is not merged: ", How.NO: "It is not merged: "}.get(
        merge.how, "Whether it is merged is unknown: "
    )
    return [f"{word}{merge.why}"]


def _work(facts: Facts) -> list[str]:
    said = []
    if facts.changes is None:
        said.append(f"What is not committed is unknown: {' '.join(facts.problems) or 'git did not tell.'}")
    elif facts.changes.total:
        said.append(
            f"{count(facts.changes.total, 'change')} not committed: {_named(facts.dirty_paths)}. Commit or discard."
        )
    if facts.unpushed is None:
        said.append(f"What is not pushed is unknown: {facts.unpushed_why}")
    elif facts.unpushed:
        said.append(f"{count(facts.unpushed, 'commit')} not pushed: {facts.unpushed_why} Push first.")
    if facts.busy:
        said.append(f"Git is in the middle of {facts.busy} there.")
    return said


def _named(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return f"{', '.join(paths[:5])}{more}"


def _overlooked(paths: Sequence[str]) -> list[str]:
    if not paths:
        return []
    return [
        f"Git was told to overlook {count(len(paths), 'file')}: {_named(paths)}. What was changed in it is not known: "
        "`git update-index --no-assume-unchanged` (or `--no-skip-worktree`) shows it."
    ]


def _only_here(facts: Facts) -> list[str]:
    if facts.held is None:
        return ["What only it holds is unknown: there is too much of it to be looked through, or it cannot be read."]
    files = sum(one.files for one in facts.held)
    if not files:
        return []
    named = ", ".join(f"{one.path} ({count(one.files, 'file')}, {size(one.bytes)})" for one in facts.held[:5])
    more = f" and {len(facts.held) - 5} more places" if len(facts.held) > 5 else ""
    return [
        f"Only it holds {count(files, 'file')}: {named}{more}. "
        "Move what is needed to the main checkout, and delete the rest."
    ]


def _used(facts: Facts, jobs: JobFacts) -> list[str]:
    said = []
    if jobs.live:
        said.append(f"Jobs run from it: {', '.join(jobs.live)}.")
    if jobs.unknown:
        said.append(f"Whether a job runs from it is unknown: {jobs.unknown}")
    if facts.locked is not None:
        said.append(f"It is locked{f': {facts.locked}' if facts.locked else ''}. `git worktree unlock` opens it.")
    return said
