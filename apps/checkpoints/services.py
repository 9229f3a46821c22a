"""Looking for the checkpoints of runs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from glob import escape

import structlog
from django.db import transaction

from apps.checkpoints.domain import newest, newest_first
from apps.checkpoints.models import Checkpoint, CheckpointTime
from apps.checkpoints.ports import CheckpointStore, FoundCheckpoint
from apps.core.errors import SweepboardError, Transient
from apps.core.upsert import upsert
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import workspace_by_project

log = structlog.get_logger(__name__)


def checkpoints_of(*, run: Run, workspace: Workspace, store: CheckpointStore) -> list[FoundCheckpoint]:
    """Return every checkpoint of a run, by the patterns of its workspace; ``Transient`` where they cannot be listed."""
    patterns = [
        pattern.format_map({"run_id": escape(run.run_id), "sweep_id": "*", "job_id": "*", "task_id": "*"})
        for pattern in workspace.patterns("checkpoints")
    ]
    return store.find(workspace.path, patterns, workspace.links_into)


def checkpoints_now(*, run: Run, store: CheckpointStore) -> tuple[list[FoundCheckpoint], str]:
    """Return a run's checkpoints as they are listed now, the newest first, or the sentence why they cannot be."""
    workspace = workspace_by_project().get(run.project_path)
    if workspace is None:
        return [], f"No workspace of sweepboard.toml has the project {run.project_path}, so nobody knows where to look."
    try:
        found = checkpoints_of(run=run, workspace=workspace, store=store)
    except SweepboardError as error:
        return [], str(error)
    return newest_first(found), ""


def find_checkpoints(*, runs: Iterable[Run], workspaces: dict[str, Workspace], store: CheckpointStore) -> set[int]:
    """Look for the newest checkpoint of each run; return the primary keys of runs where it changed.

    ``workspaces`` maps ``entity/project``. What cannot be listed now stays as it was.
    """
    rows, missing, written = [], [], {}
    for run in runs:
        workspace = workspaces.get(run.project_path)
        if workspace is None:
            continue
        try:
            found = checkpoints_of(run=run, workspace=workspace, store=store)
        except Transient as error:
            log.warning("checkpoints.unlistable", run=run.run_id, error=str(error))
            continue
        best = newest(found)
        if best is None:
            missing.append(run.pk)
            continue
        written[run.pk] = [one.modified_at for one in found]
        rows.append(
            {
                "run_id": run.pk,
                "path": str(best.path),
                "kind": best.kind,
                "step": best.step,
                "epoch": best.epoch,
                "bytes": best.bytes,
                "modified_at": best.modified_at,
                "total": len(found),
            }
        )
    with transaction.atomic():
        result = upsert(Checkpoint, key=("run_id",), rows=rows)
        _remember({checkpoint.run_id: written[checkpoint.run_id] for checkpoint in result.changed})
        lost = Checkpoint.objects.filter(run__in=missing)
        changed = set(lost.values_list("run_id", flat=True))
        if changed:
            lost.delete()
    return changed | {checkpoint.run_id for checkpoint in result.changed}


def _remember(written: Mapping[int, Iterable[datetime]]) -> None:
    """Keep when checkpoints were written, of runs by primary key: training code deletes the older ones."""
    rows = [
        {"run_id": run, "hour": at.replace(minute=0, second=0, microsecond=0), "at": at}
        for run, times in written.items()
        for at in sorted(times)
    ]
    upsert(CheckpointTime, key=("run_id", "hour"), rows=rows)
