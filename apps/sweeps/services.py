"""Pulling sweeps and runs from a source into the database."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps.audit.selectors import last_good_cursor
from apps.audit.services import PassTally, sync_pass
from apps.core.upsert import Upserted, upsert
from apps.sweeps.domain import finite, lookup, metric_of
from apps.sweeps.models import Run, Sweep, SweepAgent
from apps.sweeps.ports import LIVE_RUN_STATES, LIVE_SWEEP_STATES, RunRecord, SweepRecord, SweepSource
from apps.workspaces.selectors import workspace_by_project

SOURCE = "wandb"
OVERLAP = timedelta(minutes=3)  # heartbeats are stamped by machines whose clocks differ a little
BATCH = 500
METADATA_PER_PASS = 40
METADATA_TRIES = 4


@dataclass
class Changes:
    """What a pass changed, by primary key; ``ok`` is False when it ended in an error."""

    runs: set[int] = field(default_factory=set)
    sweeps: set[int] = field(default_factory=set)
    ok: bool = True


def sync_project(*, project: str, source: SweepSource, now: datetime, full: bool = False) -> Changes:
    """Bring one project up to date: every sweep, the runs with a new heartbeat, and all runs held as live.

    A run can become ``crashed`` without a heartbeat, so live ones are asked for by id as well. The pass
    is noted in ``SyncPass`` whether it ends well or not; what was stored before an error stays.
    """
    changes = Changes()
    with sync_pass(source=SOURCE, scope=project, full=full) as tally:
        cursor = last_good_cursor(SOURCE, project)
        try:
            _sync_sweeps(project, source, changes, tally)
            since = None if full else _since(cursor)
            newest = _sync_runs(project, source, since, changes, tally)
            _sync_agents(project, source, changes)
            _fetch_jobs(project, source, changes, tally)
            tally.cursor = {"heartbeat": newest.isoformat()} if newest else cursor
        finally:
            tally.requests += source.requests
            tally.changed += len(changes.runs) + len(changes.sweeps)
    changes.ok = not tally.error
    return changes


def _since(cursor: dict[str, Any]) -> datetime | None:
    stamp = cursor.get("heartbeat")
    return datetime.fromisoformat(stamp) - OVERLAP if stamp else None


def _sync_sweeps(project: str, source: SweepSource, changes: Changes, tally: PassTally) -> None:
    records = source.sweeps(project)
    tally.seen += len(records)
    workspace = workspace_by_project().get(project)
    rows = [_sweep_row(project, record, workspace.pk if workspace else None) for record in records]
    with transaction.atomic():
        result = upsert(Sweep, key=("entity", "project", "sweep_id"), rows=rows)
    changes.sweeps |= {sweep.pk for sweep in result.changed}


def _sweep_row(project: str, record: SweepRecord, workspace_id: int | None) -> dict[str, Any]:
    entity, name = project.split("/", 1)
    metric = metric_of(record.config)
    return {
        "entity": entity,
        "project": name,
        "sweep_id": record.sweep_id,
        "workspace_id": workspace_id,
        "name": record.name[:500],
        "method": record.method,
        "state": record.state,
        "description": record.description,
        "config": dict(record.config),
        "metric_name": metric.name,
        "metric_goal": metric.goal,
        "expected_runs": record.expected_runs,
        "url": record.url,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _sync_runs(
    project: str, source: SweepSource, since: datetime | None, changes: Changes, tally: PassTally
) -> datetime | None:
    """Store what has a new heartbeat, then ask for the live rest by id; return the newest heartbeat."""
    entity, name = project.split("/", 1)
    held = Run.objects.filter(entity=entity, project=name)
    newest = since + OVERLAP if since else None
    seen: set[str] = set()
    for batch in _batches(source.runs(project, since)):
        _store_runs(project, batch, changes)
        seen |= {record.run_id for record in batch}
        beats = [record.heartbeat_at for record in batch if record.heartbeat_at]
        newest = max([*beats, newest]) if newest else max(beats, default=None)
    still_live = set(held.filter(state__in=LIVE_RUN_STATES).values_list("run_id", flat=True)) - seen
    if still_live:
        found = list(source.runs_by_id(project, still_live))
        _store_runs(project, found, changes)
        seen |= {record.run_id for record in found}
        gone = still_live - {record.run_id for record in found}
        changes.runs |= set(held.filter(run_id__in=gone).values_list("pk", flat=True))
        held.filter(run_id__in=gone).update(state="deleted")
    tally.seen += len(seen)
    return newest


def _batches(records: Iterable[RunRecord]) -> Iterable[list[RunRecord]]:
    batch: list[RunRecord] = []
    for record in records:
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _store_runs(project: str, records: list[RunRecord], changes: Changes) -> None:
    entity, name = project.split("/", 1)
    wanted = {record.sweep_id for record in records if record.sweep_id}
    sweeps = {sweep.sweep_id: sweep for sweep in Sweep.objects.filter(entity=entity, project=name, sweep_id__in=wanted)}
    rows = [_run_row(entity, name, record, sweeps.get(record.sweep_id)) for record in records]
    with transaction.atomic():
        result = upsert(Run, key=("entity", "project", "run_id"), rows=rows)
        _allow_one_more_look(result)
    changes.runs |= {run.pk for run in result.changed}


def _allow_one_more_look(result: Upserted[Run]) -> None:
    """A run whose state changed may have its metadata by now, even if we had given up on it."""
    moved = [pk for pk, old in result.before.items() if "state" in old]
    Run.objects.filter(pk__in=moved, slurm_raw_id=None, metadata_tries__gte=METADATA_TRIES).update(
        metadata_tries=METADATA_TRIES - 1
    )


def _run_row(entity: str, project: str, record: RunRecord, sweep: Sweep | None) -> dict[str, Any]:
    metric = finite(lookup(record.summary, sweep.metric_name)) if sweep and sweep.metric_name else None
    return {
        "entity": entity,
        "project": project,
        "run_id": record.run_id,
        "sweep_id": sweep.pk if sweep else None,
        "name": record.name[:500],
        "state": record.state[:30],
        "user": record.user,
        "group": record.group,
        "tags": list(record.tags),
        "notes": record.notes,
        "url": record.url,
        "config": dict(record.config),
        "summary": dict(record.summary),
        "metric_value": metric,
        "created_at": record.created_at,
        "heartbeat_at": record.heartbeat_at,
    }


def _sync_agents(project: str, source: SweepSource, changes: Changes) -> None:
    """Ask for the agents of sweeps that still run, one request each."""
    entity, name = project.split("/", 1)
    for sweep in Sweep.objects.filter(entity=entity, project=name, state__in=LIVE_SWEEP_STATES):
        rows = [
            {
                "sweep_id": sweep.pk,
                "agent_id": agent.agent_id,
                "name": agent.name,
                "host": agent.host,
                "state": agent.state,
                "total_runs": agent.total_runs,
                "heartbeat_at": agent.heartbeat_at,
            }
            for agent in source.agents(project, sweep.sweep_id)
        ]
        with transaction.atomic():
            result = upsert(SweepAgent, key=("sweep_id", "agent_id"), rows=rows)
        if result.changed:
            changes.sweeps.add(sweep.pk)


def _fetch_jobs(project: str, source: SweepSource, changes: Changes, tally: PassTally) -> None:
    """Fetch the metadata of runs that just changed and whose Slurm job is not known, a few in each pass."""
    waiting = Run.objects.filter(pk__in=changes.runs, slurm_raw_id=None, metadata_tries__lt=METADATA_TRIES).order_by(
        "-heartbeat_at"
    )[:METADATA_PER_PASS]
    for run in waiting:
        job = source.job_of(project, run.run_id)
        run.metadata_tries += 1
        if job:
            run.slurm_raw_id, run.host = job.raw_id, job.host
            run.slurm_array_job_id, run.slurm_array_task_id = job.array_job_id, job.array_task_id
        run.save(
            update_fields=[
                "metadata_tries",
                "slurm_raw_id",
                "slurm_array_job_id",
                "slurm_array_task_id",
                "host",
            ]
        )
