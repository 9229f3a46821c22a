"""Pulling one project's sweeps and runs from a source into the database."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from apps.audit.selectors import last_good_cursor
from apps.audit.services import PassTally, sync_pass
from apps.core.upsert import Upserted, upsert
from apps.sweeps.domain import finite, lookup, metric_of, parameters_hash
from apps.sweeps.models import Run, Sweep, SweepAgent
from apps.sweeps.ports import LIVE_SWEEP_STATES, RunJob, RunRecord, SweepRecord, SweepSource
from apps.sweeps.services.closed import ends_that_were_closed
from apps.sweeps.services.gone import GONE, note_gone, note_moved
from apps.sweeps.services.states import note_states
from apps.workspaces.selectors import workspace_by_project

SOURCE = "wandb"
OVERLAP = timedelta(minutes=3)  # heartbeats are stamped by machines whose clocks differ a little
BATCH = 500
METADATA_PER_PASS = 10
METADATA_TRIES = 4


@dataclass
class Changes:
    """What a pass changed, by primary key; ``ok`` is False when it ended in an error."""

    runs: set[int] = field(default_factory=set)
    sweeps: set[int] = field(default_factory=set)
    ok: bool = True


def sync_project(*, project: str, source: SweepSource, now: datetime, full: bool = False) -> Changes:
    """Bring one project up to date: every sweep, the runs with a new heartbeat, and all runs held as live.

    A run can become ``crashed`` without a heartbeat, so live ones are asked for by name as well. The pass
    is noted in ``SyncPass`` whether it ends well or not; what was stored before an error stays.
    """
    changes = Changes()
    with sync_pass(source=SOURCE, scope=project, full=full) as tally:
        cursor = last_good_cursor(SOURCE, project)
        try:
            _sync_sweeps(project, source, changes, tally)
            since = None if full else _since(cursor)
            newest = _sync_runs(project, source, since, changes, tally, now)
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
    """Store every sweep, and the agents of those that were live when we last looked."""
    entity, name = project.split("/", 1)
    held = Sweep.objects.filter(entity=entity, project=name)
    live = list(held.filter(state__in=LIVE_SWEEP_STATES).values_list("sweep_id", flat=True))
    records = source.sweeps(project, live)
    tally.seen += len(records)
    workspace = workspace_by_project().get(project)
    rows = [_sweep_row(project, record, workspace.pk if workspace else None) for record in records]
    with transaction.atomic():
        result = upsert(Sweep, key=("entity", "project", "sweep_id"), rows=rows)
        changes.sweeps |= {sweep.pk for sweep in result.changed}
        named = [record.sweep_id for record in records]
        gone = set(held.exclude(sweep_id__in=named).exclude(state="DELETED").values_list("pk", flat=True))
        if gone:
            held.filter(pk__in=gone).update(state="DELETED")
        changes.sweeps |= gone
    _store_agents(project, records, changes)


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


def _store_agents(project: str, records: list[SweepRecord], changes: Changes) -> None:
    entity, name = project.split("/", 1)
    asked = {record.sweep_id: record.agents for record in records if record.agents}
    sweeps = Sweep.objects.filter(entity=entity, project=name, sweep_id__in=asked)
    pk_of = dict(sweeps.values_list("sweep_id", "pk"))
    rows = [
        {"sweep_id": pk_of[sweep_id], **asdict(agent)}
        for sweep_id, agents in asked.items()
        for agent in agents or ()
        if sweep_id in pk_of
    ]
    with transaction.atomic():
        result = upsert(SweepAgent, key=("sweep_id", "agent_id"), rows=rows)
    changes.sweeps |= {agent.sweep_id for agent in result.changed}


def _sync_runs(
    project: str, source: SweepSource, since: datetime | None, changes: Changes, tally: PassTally, now: datetime
) -> datetime | None:
    """Store what has a new heartbeat and what we hold as live; return the newest heartbeat."""
    held = Run.objects.of_project(project).filter(offline=False)
    live = set(held.live().values_list("run_id", flat=True))
    newest = since + OVERLAP if since else None
    seen: set[str] = set()
    for batch in _batches(source.runs(project, since, live)):
        _store_runs(project, batch, source, changes, now)
        seen |= {record.run_id for record in batch}
        # A heartbeat from the future would hide every later one behind the watermark.
        beats = [min(record.heartbeat_at, now) for record in batch if record.heartbeat_at]
        newest = max([*beats, newest]) if newest else max(beats, default=None)
    expected = live if since else set(held.exclude(state__in=GONE).values_list("run_id", flat=True))
    changes.runs |= note_gone(project=project, run_ids=expected - seen, now=now)
    tally.seen += len(seen)
    return newest


def _batches(records: Iterable[RunRecord]) -> Iterable[list[RunRecord]]:
    batch: list[RunRecord] = []
    for record in records:
        if record.run_id:
            batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _store_runs(project: str, records: list[RunRecord], source: SweepSource, changes: Changes, now: datetime) -> None:
    entity, name = project.split("/", 1)
    wanted = {record.sweep_id for record in records if record.sweep_id}
    sweeps = {sweep.sweep_id: sweep for sweep in Sweep.objects.filter(entity=entity, project=name, sweep_id__in=wanted)}
    closed = ends_that_were_closed(project, records)
    rows = [_run_row(entity, name, record, sweeps.get(record.sweep_id)) for record in records]
    for row in rows:
        row["trained_until"] = row["trained_until"] or closed.get(row["run_id"])
    with transaction.atomic():
        result = upsert(Run, key=("entity", "project", "run_id"), rows=rows, keep_if_empty=JOB_FIELDS)
        note_states(result, now)
        _allow_one_more_look(result)
    changes.runs |= {run.pk for run in result.changed}
    in_a_file = {record.run_id for record in records if record.ask_metadata}
    if in_a_file:
        _fetch_jobs(project, source, [run.pk for run in result.changed if run.run_id in in_a_file])


JOB_FIELDS = ("slurm_jobs", "slurm_raw_id", "host")  # what a metadata file told stays when the config is silent


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
        "parameters_hash": parameters_hash(record.config, sweep.config) if sweep else "",
        "created_at": record.trained_from or record.created_at,
        "heartbeat_at": record.heartbeat_at,
        "trained_until": record.trained_until,
        "offline": False,
        "gpu_percent": record.gpu_percent,
        "gpu_memory_percent": record.gpu_memory_percent,
        **job_values(record.jobs),
    }


def job_values(jobs: tuple[RunJob, ...]) -> dict[str, Any]:
    """Return the columns that say which Slurm jobs a run's processes lived in."""
    if not jobs:
        return {"slurm_jobs": [], "slurm_raw_id": None, "host": ""}
    told = [{**asdict(job), "started_at": job.started_at.isoformat() if job.started_at else None} for job in jobs]
    return {"slurm_jobs": told, "slurm_raw_id": jobs[-1].raw_id, "host": jobs[-1].host}


def _allow_one_more_look(result: Upserted[Run]) -> None:
    """A run whose state changed may have its metadata by now, even if we had given up on it."""
    moved = [pk for pk, old in result.before.items() if "state" in old]
    if moved:
        Run.objects.filter(pk__in=moved, slurm_raw_id=None, metadata_tries__gte=METADATA_TRIES).update(
            metadata_tries=METADATA_TRIES - 1
        )


def _fetch_jobs(project: str, source: SweepSource, pks: list[int]) -> None:
    """Fetch the metadata files of runs of old clients whose Slurm job is not known, a few in each pass."""
    waiting = Run.objects.filter(pk__in=pks, slurm_raw_id=None, metadata_tries__lt=METADATA_TRIES)
    for run in waiting.order_by("-heartbeat_at")[:METADATA_PER_PASS]:
        job = source.job_of(project, run.run_id)
        Run.objects.filter(pk=run.pk).update(
            metadata_tries=F("metadata_tries") + 1, **(job_values((job,)) if job else {})
        )


def look_for_gone_runs(*, project: str, source: SweepSource, now: datetime) -> Changes:
    """Compare the ids that W&B lists with those that we hold; a slow pass, because ended runs vanish silently.

    They come silently as well: a run that is moved into the project, or back from the dead, has an old heartbeat.
    """
    changes = Changes()
    with sync_pass(source="wandb-deletions", scope=project) as tally:
        rows = Run.objects.of_project(project).filter(offline=False).exclude(state__in=GONE)
        held = set(rows.values_list("run_id", flat=True))  # before the question: a run may begin meanwhile
        try:
            present = source.run_ids(project)
            changes.runs = note_gone(project=project, run_ids=held - present, now=now)
            _store_new_found(project, source, present - held, changes, now)
        finally:
            tally.requests += source.requests
            tally.changed = len(changes.runs)
        tally.seen = len(present)
    changes.ok = not tally.error
    return changes


def _store_new_found(project: str, source: SweepSource, run_ids: set[str], changes: Changes, now: datetime) -> None:
    since = _since(last_good_cursor(SOURCE, project))
    if not run_ids or since is None:
        return  # without a good pass yet, the first one brings them all
    for batch in _batches(source.runs(project, since, run_ids)):
        _store_runs(project, batch, source, changes, now)
    changes.runs |= note_moved(project=project, run_ids=run_ids, now=now)
