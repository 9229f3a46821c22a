"""Which handover of a branch is the current one, which is superseded and by which."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class State(StrEnum):
    CURRENT = "current"
    SUPERSEDED = "superseded"
    ARCHIVED = "archived"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides the state of one handover. ``branch`` is the document's, or that of the worktree it lies in."""

    name: str
    branch: str
    at: datetime | None
    readable: bool = True
    present: bool = True
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """``superseded_by`` is the name of the newest handover of the branch; empty where none is newer."""

    state: State
    superseded_by: str = ""


def states_of(every: Iterable[Standing], named: Set[str]) -> Mapping[str, Told]:
    """Return the state of each handover by its name; ``named`` are those that an index names as current.

    Current is what an index names, and the newest of a branch that is not in the archive. A newer document that no
    index names yet makes the older ones superseded all the same, except the named one.
    """
    branches: dict[str, list[Standing]] = defaultdict(list)
    for one in every:
        branches[one.branch].append(one)
    return {name: told for members in branches.values() for name, told in _of_branch(members, named)}


def _of_branch(members: list[Standing], named: Set[str]) -> list[tuple[str, Told]]:
    present = [one for one in members if one.present and one.readable]
    newest = max(present, key=_order, default=None)
    lying = max((one for one in present if not one.archived), key=_order, default=None)
    return [(one.name, _told(one, newest, lying, named)) for one in members]


def _order(one: Standing) -> tuple[datetime, str]:
    return (one.at or _EARLIEST, one.name)


def _told(one: Standing, newest: Standing | None, lying: Standing | None, named: Set[str]) -> Told:
    later = newest.name if newest is not None and _order(newest) > _order(one) else ""
    if not one.present:
        return Told(State.GONE, later)
    if one.archived:
        return Told(State.ARCHIVED, later)
    if one.name in named or (lying is not None and lying.name == one.name):
        return Told(State.CURRENT, later)
    return Told(State.SUPERSEDED, later)


def came_after(key: str, state: str, newer: str) -> str:
    """Return which handover one should go on with instead of a superseded one, in a sentence; empty for another one."""
    return f"{newer or 'A newer one'} came after {key} on its branch." if state == State.SUPERSEDED else ""


def why_not_begun(key: str, state: str, newer: str) -> str:
    """Return why no work begins on a handover that nobody can read where it lay, and what to do; empty where it may."""
    instead = f" {newer} came after it: go on with that one." if newer else ""
    if state == State.GONE:
        return f"{key} is gone: its document lies nowhere any more.{instead}"
    if state == State.ARCHIVED:
        return f"{key} is in the archive.{instead or ' Bring it back first, on its page or by `handover restore`.'}"
    return ""
