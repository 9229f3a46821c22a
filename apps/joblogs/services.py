"""Reading what was appended to the logs of jobs."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import structlog
from django.db import transaction

from apps.core.errors import Transient
from apps.joblogs.domain import LogState, Trace, dump_state, follow, restore_state, trace_values
from apps.joblogs.models import LogFile, LogTrace
from apps.joblogs.ports import FileStamp, LogStore
from apps.slurm.models import Job
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
CHUNK = 1 << 20
MAX_BYTES_PER_PASS = 32 << 20  # a log that grows faster is caught up with in the next passes


def read_logs(*, jobs: Iterable[Job], store: LogStore, workspaces: list[Workspace]) -> set[tuple[str, str]]:
    """Read on in the logs of these jobs; return the (cluster, job id) pairs whose logs said something new.

    A log that cannot be read now is left as it was, and read on at the next pass.
    """
    changed: set[tuple[str, str]] = set()
    for job in {(job.cluster, job.job_id): job for job in jobs}.values():
        try:
            paths = _paths_of(job, store, workspaces)
        except Transient as error:
            log.warning("joblogs.unreadable", job=job.job_id, error=str(error))
            continue
        for path in paths:
            if _read_safely(path, job, store):
                changed.add((job.cluster, job.job_id))
    return changed


def _read_safely(path: Path, job: Job, store: LogStore) -> bool:
    """Read on in one log; whatever is wrong with it stops no other log."""
    try:
        return _read_on(path, job, store)
    except Transient as error:
        log.warning("joblogs.unreadable", path=str(path), job=job.job_id, error=str(error))
    except Exception:
        log.exception("joblogs.reader.crashed", path=str(path), job=job.job_id)
    LogFile.objects.filter(path=str(path)).update(behind=True)
    return False


def _paths_of(job: Job, store: LogStore, workspaces: list[Workspace]) -> list[Path]:
    """The paths that the job itself names, else those that the workspaces' patterns find."""
    named = [Path(path) for path in dict.fromkeys([job.stdout_path, job.stderr_path]) if path]
    present = [path for path in named if store.stamp(path) is not None]
    if present:
        return present
    array_id = str(job.array_job_id) if job.array_job_id is not None else job.job_id
    values = {"job_id": array_id, "task_id": "" if job.array_task_id is None else str(job.array_task_id)}
    found: list[Path] = []
    for workspace in workspaces:
        patterns = [
            pattern.format_map({"run_id": "*", "sweep_id": "*", **values})
            for pattern in workspace.patterns("logs")
            if ("{task_id}" in pattern) == (job.array_task_id is not None)
        ]
        found += store.find(workspace.path, patterns)
    return list(dict.fromkeys(found))


def _read_on(path: Path, job: Job, store: LogStore) -> bool:
    stamp = store.stamp(path)
    if stamp is None:
        return False
    row, _ = LogFile.objects.get_or_create(path=str(path), defaults={"cluster": job.cluster, "job_id": job.job_id})
    if _replaced(row, stamp):
        row.traces.all().delete()
        row.offset, row.carry = 0, {}
    elif row.offset == stamp.size and not row.behind:
        return False
    state = restore_state(row.carry, [_trace_of(trace) for trace in row.traces.all()])
    changed = _consume(row, state, path, stamp, store)
    row.inode, row.modified_at, row.carry = stamp.inode, stamp.modified_at, dump_state(state)
    row.behind = row.offset < stamp.size
    with transaction.atomic():
        row.save()
        for run_id in changed:
            LogTrace.objects.update_or_create(log=row, run_id=run_id, defaults=trace_values(state.traces[run_id]))
    return bool(changed)


def _replaced(row: LogFile, stamp: FileStamp) -> bool:
    """Another file under the same name, or the same one cut short: read it from its beginning."""
    return row.inode != stamp.inode or stamp.size < row.offset


def _consume(row: LogFile, state: LogState, path: Path, stamp: FileStamp, store: LogStore) -> set[str]:
    changed: set[str] = set()
    stop = min(stamp.size, row.offset + MAX_BYTES_PER_PASS)
    while row.offset < stop:
        chunk = store.read(path, row.offset, min(CHUNK, stop - row.offset))
        if not chunk:
            break
        row.offset += len(chunk)
        changed |= follow(state, chunk.decode("utf-8", errors="replace").replace("\x00", ""))
    return changed


def _trace_of(row: LogTrace) -> Trace:
    return Trace(**{field.name: getattr(row, field.name) for field in fields(Trace)})
