"""Moving old handovers to the archive, and back; never what an index names or somebody still uses."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from apps.audit.services import record
from apps.core.errors import Permanent
from apps.handovers.domain.age import ArchiveDecision, ArchiveFacts, Dated, may_archive
from apps.handovers.models import CheckoutKey, DocumentFile, Handover, Pickup, Version
from apps.handovers.ports import ARCHIVE, FOLDER, DocumentStore
from apps.handovers.services.following import Moved, move_files, would_follow
from apps.handovers.services.pickups import release_old
from apps.handovers.services.scanning import scan_workspace
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
Hold = Callable[[Sequence[Handover]], dict[int, str]]
_HOLDS: list[Hold] = []
ANY_AGE = -36_500.0  # days


def holds_handovers(hold: Hold) -> Hold:
    """Register a function that says which handovers are in use, such as by a plan: primary keys, a sentence each."""
    _HOLDS.append(hold)
    return hold


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was, or would be, done with one handover. ``moved`` are the new paths, ``error`` what went wrong.

    ``links`` are sentences on the CLAUDE.md files that name its path: what was, would be or could not be changed.
    """

    key: str
    path: str
    archive: bool
    reason: str
    moved: tuple[str, ...] = ()
    error: str = ""
    links: tuple[str, ...] = ()


def archive_old(
    *,
    workspace: Workspace,
    store: DocumentStore,
    now: datetime,
    actor: str,
    dry_run: bool = False,
    only: Iterable[str] = (),
) -> list[Outcome]:
    """Archive what the policy says, or ``only`` these keys whatever their age; an outcome for each that was looked at.

    The workspace is looked at first, so that an index that was changed a moment ago counts. What cannot be moved stays
    where it is, is said, and stops no other.
    """
    keys = set(only)
    release_old(workspace=workspace, days=workspace.policy.handover_pickup_days, now=now)
    if not scan_workspace(workspace=workspace, store=store, now=now).ok:
        raise Permanent(f"The workspace {workspace.name} cannot be looked at now; nothing was archived.")
    rows = Handover.objects.filter(workspace=workspace, state__in=("current", "superseded"))
    candidates = list(rows.filter(key__in=keys) if keys else rows)
    held, named = _held(candidates), _named(workspace)
    unreadable = _unreadable_indexes(workspace)
    if not keys:
        held = _with_restored(held, candidates, now - timedelta(days=workspace.policy.handover_archive_days))
    days = ANY_AGE if keys else workspace.policy.handover_archive_days
    outcomes = []
    for row in candidates:
        by = (*named.get(row.key, ()), *(named.get(row.text_key, ()) if row.text_key else ()))
        facts = ArchiveFacts(Dated(row.date, row.date_source), by, (*held.get(row.pk, ()), *unreadable))
        outcomes.append(_outcome(row, may_archive(facts, now, days), store, actor, dry_run=dry_run))
    if any(one.moved for one in outcomes):
        scan_workspace(workspace=workspace, store=store, now=now)
    return outcomes


def _held(candidates: Sequence[Handover]) -> dict[int, tuple[str, ...]]:
    held: dict[int, tuple[str, ...]] = {}
    for one in Pickup.objects.filter(handover__in=candidates, released_at=None):
        told = f"{one.who} picked it up on {one.at:%Y-%m-%d} and goes on with it"
        held[one.handover_id] = (*held.get(one.handover_id, ()), told)
    for hold in _HOLDS:
        for pk, sentence in hold(candidates).items():
            held[pk] = (*held.get(pk, ()), sentence)
    return held


def _with_restored(
    held: dict[int, tuple[str, ...]], candidates: Sequence[Handover], since: datetime
) -> dict[int, tuple[str, ...]]:
    """What was brought back from the archive stays as long as a new one would."""
    came = Version.objects.filter(handover__in=candidates, event="moved", at__gte=since)
    came = came.filter(path_before__contains=f"/{FOLDER}/{ARCHIVE}/").exclude(path__contains=f"/{FOLDER}/{ARCHIVE}/")
    told = {one.handover_id: (f"it was brought back from the archive on {one.at:%Y-%m-%d}",) for one in came}
    return {pk: (*held.get(pk, ()), *told.get(pk, ())) for pk in held.keys() | told.keys()}


def _named(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    """Return which indexes name which key."""
    named: dict[str, tuple[str, ...]] = {}
    for row in CheckoutKey.objects.filter(workspace=workspace).exclude(key=""):
        named[row.key] = (*named.get(row.key, ()), f"{row.path}/CLAUDE.md")
    return named


def _unreadable_indexes(workspace: Workspace) -> tuple[str, ...]:
    """An index that cannot be read may name any of them: unknown is not 'no'."""
    rows = CheckoutKey.objects.filter(workspace=workspace, key="", has_index=False).exclude(problem={})
    return tuple(f"an index cannot be read: {row.problem['sentence']}" for row in rows)


def _outcome(row: Handover, decision: ArchiveDecision, store: DocumentStore, actor: str, *, dry_run: bool) -> Outcome:
    places = _places(row, archived=False) if decision.archive else []
    if not decision.archive or dry_run:
        links = would_follow(store, places, into_archive=True)
        return Outcome(row.key, row.path, decision.archive, decision.reason, links=links)
    done = move_files(store, places, into_archive=True)
    if done.paths:
        told = {"moved": list(done.paths), "links": list(done.links)}
        record(type="handover.archived", actor=actor, subject=row.key, reason=decision.reason, **told)
    if done.error:
        log.warning("handovers.archive.failed", key=row.key, error=done.error)
    return Outcome(row.key, row.path, True, decision.reason, done.paths, done.error, done.links)


def _places(row: Handover, *, archived: bool) -> list[Path]:
    files = DocumentFile.objects.filter(handover=row, archived=archived).exclude(content=None)
    return [Path(path) for path in files.order_by("path").values_list("path", flat=True)]


def restore(*, handover: Handover, store: DocumentStore, now: datetime, actor: str) -> Outcome:
    """Bring a handover back from the archive; ``Permanent`` where it is not there, or something else took its place."""
    places = _places(handover, archived=True)
    if not places:
        raise Permanent(f"{handover.key} is not in the archive.")
    done = move_files(store, places, into_archive=False)
    if done.error and not done.paths:
        raise Permanent(done.error)
    told = {"moved": list(done.paths), "links": list(done.links)}
    record(type="handover.restored", actor=actor, subject=handover.key, **told)
    scan_workspace(workspace=handover.workspace, store=store, now=now)
    return restored_outcome(handover.key, done)


def restored_outcome(key: str, done: Moved) -> Outcome:
    reason = "it was brought back from the archive"
    return Outcome(key, done.paths[0], False, reason, done.paths, done.error, done.links)
