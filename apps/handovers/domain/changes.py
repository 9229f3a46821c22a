"""What happened to the files of a workspace between two looks at them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Event(StrEnum):
    APPEARED = "appeared"
    EDITED = "edited"
    MOVED = "moved"
    RENAMED = "renamed"
    DELETED = "deleted"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Known:
    """A file as it was at the last look. ``sha256`` is empty where it could not be read."""

    path: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Happened:
    """``sha256`` is the content since then; ``path_before`` and ``name_before`` are set for a move and a rename."""

    event: Event
    name: str
    path: str
    sha256: str = ""
    path_before: str = ""
    name_before: str = ""


def events_of(
    *, read: Iterable[Known], known: Mapping[str, Known], lost: Iterable[Known], gone: frozenset[str]
) -> list[Happened]:
    """Return what happened, in order: ``read`` are files that are new or have another stamp, with their content now.

    ``known`` maps every path of the last look, ``lost`` are those of them that are not there now, ``gone`` the names
    of documents that had no file at the last look. A file whose content is the same as before tells nothing.
    """
    missing = {one.path: one for one in lost}
    names = {one.name for one in known.values()}
    contents = {(one.name, one.sha256) for one in known.values()}
    staying = {one.name for path, one in known.items() if path not in missing}
    found: list[Happened] = []
    for one in sorted(read, key=lambda each: each.path):
        before = known.get(one.path)
        if before is not None:
            # One that cannot be read now is as it was.
            found += [] if one.sha256 in ("", before.sha256) else [_happened(Event.EDITED, one)]
        else:
            found += _of_new(one, missing, names, contents, gone, staying)
        names.add(one.name)
        contents.add((one.name, one.sha256))
    left = staying | {one.name for one in found} | {one.name_before for one in found}
    return found + [_happened(Event.DELETED, one) for one in _last_ones(missing.values(), left)]


def _of_new(
    one: Known,
    missing: dict[str, Known],
    names: set[str],
    contents: set[tuple[str, str]],
    gone: frozenset[str],
    staying: set[str],
) -> list[Happened]:
    """A path that was not there before: the same name elsewhere, the same content under another name, or new."""
    moved = next((each for each in missing.values() if each.name == one.name), None)
    if moved is not None:
        del missing[moved.path]
        return [_happened(Event.MOVED, one, moved)]
    taken = gone | staying
    renamed = next((each for each in missing.values() if one.sha256 and each.sha256 == one.sha256), None)
    if renamed is not None and one.name not in names | taken and renamed.name not in taken:
        del missing[renamed.path]
        return [_happened(Event.RENAMED, one, renamed)]
    if one.name in gone and one.name not in names:
        return [_happened(Event.RESTORED, one)]
    if (one.name, one.sha256) in contents:
        return []  # the other copy of a document that is written twice
    return [_happened(Event.APPEARED, one)]


def _last_ones(missing: Iterable[Known], left: set[str]) -> list[Known]:
    """Of each document that has no file any more one lost file."""
    return list({one.name: one for one in missing if one.name not in left}.values())


def _happened(event: Event, one: Known, before: Known | None = None) -> Happened:
    name_before = before.name if before is not None and before.name != one.name else ""
    return Happened(event, one.name, one.path, one.sha256, before.path if before else "", name_before)
