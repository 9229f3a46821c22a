"""A pass over the handovers of one workspace: looks at every file, reads those that changed, says what happened."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog
from django.db import transaction

from apps.audit.selectors import last_good_cursor
from apps.audit.services import PassTally, record, sync_pass
from apps.core.errors import Transient
from apps.handovers.models import CheckoutKey, Handover
from apps.handovers.ports import DocumentStore, FoundDocument
from apps.handovers.services.doubles import mark_doubles
from apps.handovers.services.looking import Seen, SeenIndex, look
from apps.handovers.services.mentions import newest_rows, resolve_again
from apps.handovers.services.pickups import release_superseded
from apps.handovers.services.reading import LIMIT, Read, read
from apps.handovers.services.registering import Batch, FileRow, file_rows, register
from apps.handovers.services.states import restate
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
SOURCE = "handovers"
AT_ONCE = 100  # documents in one transaction
BYTES_AT_ONCE = 32 << 20
LOST_AT_ONCE = 500


@dataclass
class Scanned:
    """``changed`` are primary keys of handovers of which something changed; ``reads`` how many files were opened."""

    changed: set[int] = field(default_factory=set)
    reads: int = 0
    ok: bool = True


def scan_workspace(*, workspace: Workspace, store: DocumentStore, now: datetime, limit: int = LIMIT) -> Scanned:
    """Bring the registry in line with a workspace; a pass costs one look at each file and a read of those that changed.

    A file with the size, time and inode of the last look is not opened. A checkout that cannot be listed whole keeps
    what it had. Whatever fails is noted with the pass.
    """
    result = Scanned(ok=False)
    with sync_pass(source=SOURCE, scope=workspace.name) as tally:
        _scan(workspace, store, now, limit, result, tally)
        result.ok = True
    return result


def _scan(
    workspace: Workspace, store: DocumentStore, now: datetime, limit: int, result: Scanned, tally: PassTally
) -> None:
    for sentence in store.recover(workspace.path):
        record(type="handover.write.recovered", actor="sweepboard", subject=workspace.name, said=sentence)
        log.warning("handovers.write.recovered", workspace=workspace.name, said=sentence)
    seen = look(store, workspace.path)
    known = file_rows(workspace)
    batch = Batch(
        workspace,
        now,
        branches={str(one.path): one.branch for one in seen.checkouts if not one.is_main},
        mains={str(one.path) for one in seen.checkouts if one.is_main},
    )
    _register_changes(batch, seen, known, store, limit, result)
    moved = _save_indexes(workspace, seen, now)
    named = seen.current_keys
    if batch.touched or moved:
        branches = batch.changed_branches | _branches_named(workspace, named | moved)
        restate(workspace=workspace, branches=branches, named_keys=named)
        mark_doubles(workspace=workspace, touched=batch.touched)
        release_superseded(workspace=workspace, now=now)
    _resolve(workspace, tally)
    result.changed = batch.touched
    tally.seen, tally.changed, tally.requests = len(seen.documents), len(batch.touched), result.reads
    if seen.incomplete:
        raise Transient(" ".join(seen.problems[path].sentence for path in sorted(seen.incomplete)[:5]))


def _register_changes(
    batch: Batch, seen: Seen, known: dict[str, FileRow], store: DocumentStore, limit: int, result: Scanned
) -> None:
    changed = [found for path, found in seen.documents.items() if _is_due(found, known.get(path))]
    lost = [row for path, row in known.items() if path not in seen.documents and row.checkout not in seen.incomplete]
    for part in _parts(changed):
        reads = [one for found in part if not _as_before(one := read(store, found, limit), known.get(found.shown))]
        result.reads += sum(one.data is not None for one in reads)
        # What went to where one of these is now: a move or a rename, told in one breath.
        names, contents = {one.name for one in reads}, {one.sha256 for one in reads}
        matching = [row for row in lost if row.name in names or (row.sha256 and row.sha256 in contents)]
        register(batch, reads, known, matching)
        lost = _without(lost, matching, known)
    for start in range(0, len(lost), LOST_AT_ONCE):
        register(batch, [], known, lost[start : start + LOST_AT_ONCE])
        _without([], lost[start : start + LOST_AT_ONCE], known)


def _without(lost: list[FileRow], done: list[FileRow], known: dict[str, FileRow]) -> list[FileRow]:
    """Forget the files that are dealt with; return those that are not."""
    for row in done:
        known.pop(row.path)
    paths = {row.path for row in done}
    return [row for row in lost if row.path not in paths]


def _as_before(one: Read, row: FileRow | None) -> bool:
    """A file that still cannot be read, for the same reason."""
    return one.data is None and row is not None and row.problem == (one.problem.as_json() if one.problem else {})


def _parts(changed: list[FoundDocument]) -> Iterator[list[FoundDocument]]:
    """Yield batches of bounded count and bytes."""
    part: list[FoundDocument] = []
    size = 0
    for found in changed:
        if part and (len(part) >= AT_ONCE or size + found.size > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(found)
        size += found.size
    if part:
        yield part


def _is_due(found: FoundDocument, row: FileRow | None) -> bool:
    """A file that may not be opened is due when what is wrong with it is another thing than before."""
    if row is None or found.stamp != row.stamp:
        return row is None or bool(found.stamp) or _problem(found) != row.problem
    return _problem(found) != row.problem if not found.stamp else False


def _problem(found: FoundDocument) -> dict[str, str | int]:
    return found.problem.as_json() if found.problem else {}


@transaction.atomic
def _save_indexes(workspace: Workspace, seen: Seen, now: datetime) -> set[str]:
    """Keep what each index points at; return the keys that came or went."""
    held = {row.path: row for row in CheckoutKey.objects.filter(workspace=workspace)}
    moved: set[str] = set()
    for one in seen.indexes:
        row = held.pop(str(one.checkout.path), None)
        values = _index_values(one, seen)
        if row is None or any(getattr(row, name) != value for name, value in values.items()):
            moved |= {one.key, row.key if row else ""}
            CheckoutKey.objects.update_or_create(
                workspace=workspace, path=str(one.checkout.path), defaults={**values, "changed_at": now}
            )
    if held:
        moved |= {row.key for row in held.values()}
        CheckoutKey.objects.filter(pk__in=[row.pk for row in held.values()]).delete()
    return moved - {""}


def _index_values(one: SeenIndex, seen: Seen) -> dict[str, object]:
    problem = one.file.problem or seen.problems.get(str(one.checkout.path))
    return {
        "branch": one.checkout.branch[:300],
        "is_main": one.checkout.is_main,
        "key": one.key[:200],
        "has_index": one.file.data is not None,
        "mentions": one.mentions,
        "problem": problem.as_json() if problem else {},
    }


def _branches_named(workspace: Workspace, keys: set[str]) -> set[str]:
    if not keys:
        return set()
    rows = Handover.objects.filter(workspace=workspace)
    return set(rows.filter(key__in=keys).values_list("branch", flat=True)) | set(
        rows.filter(text_key__in=keys).values_list("branch", flat=True)
    )


def _resolve(workspace: Workspace, tally: PassTally) -> None:
    """Link what documents name to sweeps, runs and jobs that came since the last pass."""
    until = newest_rows()
    resolve_again(workspace=workspace, since=last_good_cursor(SOURCE, workspace.name), until=until)
    tally.cursor = dict(until)


def scan_folder(store: DocumentStore, root: Path, limit: int = LIMIT) -> tuple[Seen, list[Read]]:
    """Look at a folder and read every document in it, without a database."""
    seen = look(store, root)
    return seen, [read(store, found, limit) for found in seen.documents.values()]
