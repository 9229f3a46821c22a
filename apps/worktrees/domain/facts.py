"""What is known of one worktree: frozen, and None or 'unknown' where nothing tells."""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


def shown(text: str) -> str:
    """Return a name as it can be shown and stored: bytes that are no text become question marks."""
    return text.encode("utf-8", "replace").decode()


class How(StrEnum):
    """How a branch came into its base. Only the first four are merged; ``nothing-yet`` has no commits of its own."""

    MERGE = "merge"
    FAST_FORWARD = "fast-forward"
    REBASE = "rebase"
    SQUASH = "squash"
    NO = "no"
    NOTHING_YET = "nothing-yet"
    BASE = "base"
    UNKNOWN = "unknown"


MERGED = frozenset({How.MERGE, How.FAST_FORWARD, How.REBASE, How.SQUASH})


@dataclass(frozen=True, slots=True)
class Merge:
    """``base`` is the branch that was looked at, ``why`` the evidence in a sentence."""

    how: How = How.UNKNOWN
    base: str = ""
    why: str = "Nobody has looked yet."

    @property
    def merged(self) -> bool | None:
        """True or False; None where it cannot be told, or where the worktree holds the base itself."""
        if self.how in (How.UNKNOWN, How.BASE):
            return None
        return self.how in MERGED


@dataclass(frozen=True, slots=True)
class Changes:
    """Files that are not committed, by kind: counts. A file that is staged and changed again counts in both."""

    staged: int = 0
    changed: int = 0
    untracked: int = 0
    conflicted: int = 0

    @property
    def total(self) -> int:
        return self.staged + self.changed + self.untracked + self.conflicted


class Place(StrEnum):
    """What lies where a resource is looked for."""

    MISSING = "missing"
    LOCAL = "local"
    LINK = "link"  # a link to what the main checkout has, or into the main checkout
    LINK_ELSEWHERE = "link-elsewhere"
    LINK_ALLOWED = "link-allowed"  # a link into a place of its own that the workspace's links_into names


@dataclass(frozen=True, slots=True)
class Resource:
    """One name of the practice's table in a worktree. ``tracked``: git has it in HEAD or in the index."""

    name: str
    place: Place
    target: str = ""
    tracked: bool = False
    ignored: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """Something that lies in this worktree and nowhere else: a file or a folder, with its size in bytes."""

    path: str
    files: int
    bytes: int
    ignored: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """``path`` is absolute. ``branch`` is empty on a detached head.

    ``kind`` is main, worktree or clone. ``active_at`` is the newest of the last commit, of what git last did here and
    of the files that are not committed. ``changes``, ``unpushed``, ``held`` and ``size`` (bytes) are None where they
    cannot be told; ``unpushed`` counts commits whose work is neither on a remote nor, without any remote, in the base.
    ``key`` and ``focus`` are what its `CLAUDE.md` says. ``busy`` names what git is in the middle of.
    ``links`` are links that git does not have. ``problems`` are sentences: what could not be asked.
    """

    path: str
    kind: str = "worktree"
    branch: str = ""
    head: str = ""
    active_at: datetime | None = None
    changes: Changes | None = None
    unpushed: int | None = None
    unpushed_why: str = ""
    merge: Merge = Merge()
    size: int | None = None
    key: str = ""
    focus: str = ""
    has_index: bool | None = None
    resources: tuple[Resource, ...] = ()
    held: tuple[Held, ...] | None = None
    dirty_paths: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    locked: str | None = None
    prunable: str = ""
    busy: str = ""
    problems: tuple[str, ...] = field(default=())

    @property
    def dirty(self) -> bool | None:
        return None if self.changes is None else self.changes.total > 0

    def as_json(self) -> dict[str, Any]:
        """Return the facts as a database gives them back, so that two looks can be compared."""
        told = {**asdict(self), "active_at": self.active_at.isoformat() if self.active_at else None}
        plain: dict[str, Any] = json.loads(shown(json.dumps(told, ensure_ascii=False)))
        return plain


def facts_from(told: dict[str, Any]) -> Facts:
    """Return facts as ``as_json`` wrote them."""
    return Facts(
        **{
            **told,
            "active_at": datetime.fromisoformat(told["active_at"]) if told["active_at"] else None,
            "changes": Changes(**told["changes"]) if told["changes"] else None,
            "merge": Merge(**{**told["merge"], "how": How(told["merge"]["how"])}),
            "resources": tuple(Resource(**{**one, "place": Place(one["place"])}) for one in told["resources"]),
            "held": None if told["held"] is None else tuple(Held(**one) for one in told["held"]),
            "dirty_paths": tuple(told["dirty_paths"]),
            "links": tuple(told["links"]),
            "problems": tuple(told["problems"]),
        }
    )
