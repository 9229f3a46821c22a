"""Reading what was appended to the logs of jobs."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import structlog
from django.db import transaction

from apps.audit.services import note_health
from apps.core.clock import utcnow
from apps.core.errors import Transient
from apps.joblogs.domain import LogState, dump_state, restore_state, trace_values
from apps.joblogs.finding import Finder, Found, Key
from apps.joblogs.models import LogFile, LogSharer, LogTrace
from apps.joblogs.ports import LogStore
from apps.joblogs.reading import Budget, Reading
from apps.joblogs.trace import Trace
from apps.slurm.models import Job
from apps.workspaces.config import ConfigError, LogsConfig
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import current_config

log = structlog.get_logger(__name__)
BATCH = 500
_SAVED = ["inode", "offset", "modified_at", "read_at", "behind", "skipped_bytes", "notes", "problem", "carry"]


def read_logs(
    *, jobs: Iterable[Job], store: LogStore, workspaces: list[Workspace], limits: LogsConfig | None = None
) -> set[Key]:
    """Read on in the logs of these jobs; return the (cluster, job id) pairs whose logs said something new.

    A pass costs what was appended: a log in which nothing changed costs one look at it, and all of them together a
    fixed number of queries. What the limits leave over is read in the next passes, the log that was read longest ago
    first. A log that cannot be read now is left as it was, and read on at the next pass.
    """
    limits = limits or _limits_in_force()
    finder = Finder(store, workspaces)
    found = finder.find({(job.cluster, job.job_id): job for job in jobs}.values())
    rows = _rows_of(found)
    due = [row for row in rows if _is_due(row, found[Path(row.path)], finder)]
    due.sort(key=lambda row: (row.read_at is not None, row.read_at, row.pk))
    changed: set[Key] = set()
    budget, traces = Budget(limits), _traces_of(due)
    for number, row in enumerate(due):
        if budget.spent:
            _leave_for_later(due[number:])
            break
        one = found[Path(row.path)]
        if _read_safely(Reading(row, one, restore_state(row.carry, traces[row.pk]), finder, limits, budget)):
            changed.update(one.owners)
    _tell(finder, rows)
    return changed


def _limits_in_force() -> LogsConfig:
    """The limits of sweepboard.toml; the defaults while it cannot be used, which the board tells."""
    try:
        return current_config().logs
    except ConfigError:
        return LogsConfig()


def _rows_of(found: dict[Path, Found]) -> list[LogFile]:
    """Return the row of every log that is there or was, made where it was never seen; note who shares it."""
    rows = _stored(found)
    missing = [path for path, one in found.items() if str(path) not in rows and (one.stamp or one.problem)]
    if missing:
        LogFile.objects.bulk_create(
            [
                LogFile(path=str(path), cluster=found[path].owners[0][0], job_id=found[path].owners[0][1])
                for path in missing
            ],
            ignore_conflicts=True,
        )
        rows |= _stored(missing)
    _note_sharers(rows.values(), found)
    return list(rows.values())


def _stored(paths: Iterable[Path]) -> dict[str, LogFile]:
    names = [str(path) for path in paths]
    batches = (names[start : start + BATCH] for start in range(0, len(names), BATCH))
    return {row.path: row for batch in batches for row in LogFile.objects.filter(path__in=batch)}


def _note_sharers(rows: Iterable[LogFile], found: dict[Path, Found]) -> None:
    """Keep every job that writes to a log, so that each of them finds its runs in it."""
    wanted = {
        (row.pk, *owner) for row in rows for owner in found[Path(row.path)].owners if owner != (row.cluster, row.job_id)
    }
    if not wanted:
        return
    held = LogSharer.objects.filter(log__in={pk for pk, _, _ in wanted}).values_list("log", "cluster", "job_id")
    LogSharer.objects.bulk_create(
        [LogSharer(log_id=pk, cluster=cluster, job_id=job_id) for pk, cluster, job_id in wanted - set(held)],
        ignore_conflicts=True,
    )


def _is_due(row: LogFile, one: Found, finder: Finder) -> bool:
    if one.problem:
        return False
    if one.stamp is None:
        return _went_on_elsewhere(row, finder)
    unread = row.behind or row.offset != one.stamp.size or row.inode != one.stamp.inode
    return unread or row.modified_at != one.stamp.modified_at or (one.ended and bool(row.carry.get("rest")))


def _went_on_elsewhere(row: LogFile, finder: Finder) -> bool:
    """Tell whether a log that is gone from its path lies beside it under another name, with more in it."""
    try:
        path = finder.renamed(Path(row.path), row.inode) if row.inode else None
        stamp = finder.store.stamp(path) if path is not None else None
    except Transient:
        return False
    return stamp is not None and (stamp.size > row.offset or row.behind)


def _traces_of(rows: list[LogFile]) -> dict[int, list[Trace]]:
    found: dict[int, list[Trace]] = defaultdict(list)
    for start in range(0, len(rows), BATCH):
        for trace in LogTrace.objects.filter(log__in=rows[start : start + BATCH]):
            found[trace.log_id].append(_trace_of(trace))
    return found


def _trace_of(row: LogTrace) -> Trace:
    return Trace(**{field.name: getattr(row, field.name) for field in fields(Trace)})


def _read_safely(reading: Reading) -> bool:
    """Read on in one log; whatever is wrong with it stops no other log."""
    row = reading.row
    try:
        changed = reading.read_on()
        row.problem = ""
        _save(reading, changed)
        return bool(changed)
    except Transient as error:
        row.problem = str(error)[:500]
        reading.finder.problems[Path(row.path)] = str(error)
        log.warning("joblogs.unreadable", path=row.path, job=row.job_id, error=str(error))
    except Exception as error:
        row.problem = f"Sweepboard failed on this log ({type(error).__name__})."
        log.exception("joblogs.reader.crashed", path=row.path, job=row.job_id)
    LogFile.objects.filter(pk=row.pk).update(behind=True, problem=row.problem, read_at=utcnow())
    return False


def _save(reading: Reading, changed: set[str]) -> None:
    row, stamp = reading.row, reading.found.stamp
    row.modified_at = stamp.modified_at if stamp is not None else row.modified_at
    row.read_at = utcnow()
    row.carry = dump_state(reading.state)
    with transaction.atomic():
        row.save(update_fields=_SAVED)
        _save_traces(row, reading.state, changed)


def _save_traces(row: LogFile, state: LogState, changed: set[str]) -> None:
    values: list[dict[str, Any]] = [trace_values(state.traces[run_id]) for run_id in sorted(changed)]
    LogTrace.objects.bulk_create(
        [LogTrace(log=row, **one) for one in values],
        update_conflicts=True,
        unique_fields=["log", "run_id"],
        update_fields=[field.name for field in fields(Trace) if field.name != "run_id"],
    )


def _leave_for_later(rows: list[LogFile]) -> None:
    """Remember the logs that this pass did not come to, even if their jobs have ended by the next one."""
    LogFile.objects.filter(pk__in=[row.pk for row in rows if not row.behind]).update(behind=True)


def _tell(finder: Finder, rows: list[LogFile]) -> None:
    """Say on the status screen which logs cannot be read; they stay as last read and are tried again."""
    for row in rows:
        problem = finder.logs[Path(row.path)].problem[:500]
        if problem and (row.problem != problem or not row.behind):
            LogFile.objects.filter(pk=row.pk).update(problem=problem, behind=True)
        elif row.behind and finder.is_deleted(Path(row.path)) and not _went_on_elsewhere(row, finder):
            LogFile.objects.filter(pk=row.pk).update(problem="It was deleted before it was read whole.", behind=False)
    error = None
    if finder.problems:
        first = next(iter(finder.problems.values()))
        more = len(finder.problems) - 1
        error = Transient(f"{first} {more} more could not be read either." if more else first)
    note_health(source="logs", scope="job logs", error=error)
