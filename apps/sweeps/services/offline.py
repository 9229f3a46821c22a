"""Bringing the run folders of a workspace into the database: what trained without a server is seen all the same."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import structlog
from django.db import transaction

from apps.audit.services import sync_pass
from apps.core.errors import Permanent, Transient
from apps.core.units import whole
from apps.core.upsert import upsert
from apps.sweeps.domain import finite, lookup
from apps.sweeps.models import Run, RunFolder, Sweep, UploadRequest
from apps.sweeps.ports import FolderStamp, LocalRun, RunFolders
from apps.sweeps.services.project import job_values
from apps.sweeps.services.states import note_states, set_state
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
SOURCE = "wandb-local"
READS_PER_PASS = 20  # each costs a process; what is left is read in the next passes
READS_IN_VAIN = 3  # so many in a row that did not end in time: it is the filesystem, not the folders
READ_AGAIN = -1  # the size noted of a folder that was not read in time
AHEAD = timedelta(minutes=10)  # an online folder this much newer than W&B's heartbeat holds what W&B does not
FORGET_ONLINE = timedelta(days=14)
NO_PROJECT = "uncategorized"


@dataclass
class FolderChanges:
    """The runs that a pass over run folders changed; ``ok`` is False when it ended in an error."""

    runs: set[int] = field(default_factory=set)
    ok: bool = True


def sync_folders(*, workspace: Workspace, folders: RunFolders, now: datetime) -> FolderChanges:
    """Read the folders that changed since they were last read; what W&B does not know becomes an offline run."""
    changes = FolderChanges()
    with sync_pass(source=SOURCE, scope=workspace.name) as tally:
        stamps = folders.list(workspace.path)
        tally.seen = len(stamps)
        known = {run.run_id: run for run in _runs_named(workspace, [stamp.run_id for stamp in stamps])}
        wanted = [stamp for stamp in stamps if _matters(stamp, known.get(stamp.run_id), now)]
        held = {row.path: row for row in RunFolder.objects.filter(workspace=workspace)}
        changes.runs |= _forget(held, {str(stamp.path) for stamp in stamps}, now)
        try:
            _read_some(workspace, _in_turn(wanted, held)[:READS_PER_PASS], folders, changes, now)
        finally:
            tally.requests, tally.changed = folders.requests, len(changes.runs)
        changes.runs |= _settle(workspace, {str(stamp.path) for stamp in stamps if stamp.synced})
    changes.ok = not tally.error
    return changes


def _runs_named(workspace: Workspace, run_ids: Iterable[str]) -> list[Run]:
    paths = set(workspace.projects)
    runs = Run.objects.filter(run_id__in=set(run_ids), offline=False).defer("config")
    return [run for run in runs if run.project_path in paths]


def _matters(stamp: FolderStamp, run: Run | None, now: datetime) -> bool:
    """Offline folders until they are uploaded; those of online runs only while they hold more than W&B has."""
    if stamp.offline or stamp.synced:
        return not stamp.synced
    if now - stamp.modified_at > FORGET_ONLINE:
        return False
    return run is None or run.heartbeat_at is None or stamp.modified_at > run.heartbeat_at + AHEAD


def _moved(row: RunFolder | None, stamp: FolderStamp) -> bool:
    return row is None or (row.size, row.modified_at) != (stamp.size, stamp.modified_at)


def _in_turn(stamps: Iterable[FolderStamp], held: Mapping[str, RunFolder]) -> list[FolderStamp]:
    """Return the folders to read, so that none waits for ever: runs that are always written would stay in front.

    Folders never read, newest first, take turns with those that changed, the longest unread first; then those that
    were not read in time.
    """
    rows = [(stamp, held.get(str(stamp.path))) for stamp in stamps]
    new = [stamp for stamp, row in rows if row is None]
    moved = sorted(
        ((row.modified_at, stamp) for stamp, row in rows if row and row.size != READ_AGAIN and _moved(row, stamp)),
        key=lambda pair: pair[0],
    )
    late = [stamp for stamp, row in rows if row and row.size == READ_AGAIN]
    turns = zip_longest(new, [stamp for _, stamp in moved])
    return [*(stamp for turn in turns for stamp in turn if stamp), *late]


def _read_some(
    workspace: Workspace, stamps: Iterable[FolderStamp], folders: RunFolders, changes: FolderChanges, now: datetime
) -> None:
    """Read these folders; one that is not read in time is noted, and tried again after all others."""
    in_vain = 0
    for stamp in stamps:
        try:
            changes.runs |= _read_one(workspace, stamp, folders, now)
            in_vain = 0
        except Transient as error:
            in_vain += 1
            _store_folder(workspace, stamp, size=READ_AGAIN, problem=str(error)[:500])
            if in_vain == READS_IN_VAIN:
                raise


def _read_one(workspace: Workspace, stamp: FolderStamp, folders: RunFolders, now: datetime) -> set[int]:
    """Read one folder; one that the client cannot read is noted with the reason and stops no other."""
    try:
        local = folders.read(stamp.path)
    except Permanent as error:
        log.warning("sweeps.folder.unreadable", path=str(stamp.path), error=str(error))
        with transaction.atomic():
            _store_folder(workspace, stamp, problem=str(error)[:500])
        return set()
    with transaction.atomic():
        run, changed = _run_of(workspace, local, now)
        _store_folder(workspace, stamp, run=run, state=local.record.state, step=local.step, problem="")
    return changed


def _store_folder(workspace: Workspace, stamp: FolderStamp, **values: Any) -> None:
    fixed = {
        "workspace": workspace,
        "run_name": stamp.run_id,
        "offline": stamp.offline,
        "synced": False,
        "size": stamp.size,
        "modified_at": stamp.modified_at,
    }
    RunFolder.objects.update_or_create(path=str(stamp.path), defaults={**fixed, **values})


def _run_of(workspace: Workspace, local: LocalRun, now: datetime) -> tuple[Run | None, set[int]]:
    """Return the run of a folder; one that W&B does not know is made, or brought up to date, as an offline run."""
    path = _project_of(workspace, local)
    if path is None:
        return None, set()
    known = Run.objects.of_project(path).filter(run_id=local.record.run_id).first()
    if known is not None and not known.offline:
        return known, set()
    result = upsert(Run, key=("entity", "project", "run_id"), rows=[_run_row(path, local)])
    note_states(result, now)
    run = known or Run.objects.of_project(path).get(run_id=local.record.run_id)
    return run, {one.pk for one in result.changed}


def _project_of(workspace: Workspace, local: LocalRun) -> str | None:
    """Return which of the workspace's projects a folder belongs to; None for one of a project that nobody follows.

    W&B adds the entity only when it uploads, and a folder that was told no project says 'uncategorized'.
    """
    sweep = Sweep.objects.filter(workspace=workspace, sweep_id=local.record.sweep_id).first()
    if local.record.sweep_id and sweep is not None:
        return sweep.project_path
    if local.project in ("", NO_PROJECT):
        return next(iter(workspace.projects), None)
    entities = [local.entity] if local.entity else [path.split("/", 1)[0] for path in workspace.projects]
    named = [f"{entity}/{local.project}" for entity in entities]
    return next((path for path in named if path in workspace.projects), None)


def _run_row(path: str, local: LocalRun) -> dict[str, Any]:
    entity, project = path.split("/", 1)
    record = local.record
    sweep = Sweep.objects.filter(entity=entity, project=project, sweep_id=record.sweep_id).first()
    metric = finite(lookup(record.summary, sweep.metric_name)) if sweep and sweep.metric_name else None
    return {
        "entity": entity,
        "project": project,
        "run_id": record.run_id,
        "sweep_id": sweep.pk if sweep else None,
        "name": record.name[:500],
        "state": record.state,
        "group": record.group,
        "tags": list(record.tags),
        "notes": record.notes,
        "config": dict(record.config),
        "summary": dict(record.summary),
        "metric_value": metric,
        "created_at": record.created_at,
        "heartbeat_at": record.heartbeat_at,
        "offline": True,
        **job_values(record.jobs),
    }


def _forget(held: dict[str, RunFolder], present: set[str], now: datetime) -> set[int]:
    """Drop folders that are gone from the disk; an offline run that is nowhere else any more is deleted."""
    # A folder that somebody waits for stays until its upload has ended, and has said why.
    awaited = set(UploadRequest.objects.filter(state__in=UploadRequest.OPEN).values_list("folder_id", flat=True))
    gone = [row for path, row in held.items() if path not in present and row.pk not in awaited]
    pks = [row.run_id for row in gone]
    RunFolder.objects.filter(pk__in=[row.pk for row in gone]).delete()
    lost = Run.objects.filter(pk__in=[pk for pk in pks if pk], offline=True, folders=None)
    changed = set(lost.values_list("pk", flat=True))
    set_state(changed, "deleted", now)
    return changed


def _settle(workspace: Workspace, marked: set[str]) -> set[int]:
    """Note which folders are uploaded by now, whoever did it: the client marked them, or W&B has as many steps."""
    waiting = RunFolder.objects.filter(workspace=workspace, synced=False).select_related("run")
    settled = [row for row in waiting if row.path in marked or (row.run and _has_all(row.run, row))]
    RunFolder.objects.filter(pk__in=[row.pk for row in settled]).update(synced=True)
    return {row.run_id for row in settled if row.run_id}


def _has_all(run: Run, folder: RunFolder) -> bool:
    if run.offline:
        return False
    step = whole(run.summary.get("_step"))
    return folder.step is None or (step is not None and step >= folder.step)
