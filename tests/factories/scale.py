"""A database as it looks after years: filled by SQL in seconds, on SQLite and on PostgreSQL."""

import json
from dataclasses import dataclass
from typing import Any

from django.db import connection, models

from apps.audit.models import PassScope, SyncPass
from apps.checkpoints.models import Checkpoint
from apps.flags.models import Flag, RunStatus
from apps.links.models import RunLink
from apps.slurm.models import Job
from apps.sweeps.models import Run, RunHistory, Sweep

RUNS_A_SWEEP = 50
PASSES = 100_000


@dataclass(frozen=True)
class Size:
    """How many rows; every sweep has 50 runs, and ``live_sweeps`` of them still run, with three live runs in ten."""

    runs: int
    jobs: int
    live_sweeps: int = 20

    @property
    def sweeps(self) -> int:
        return self.runs // RUNS_A_SWEEP


def fill(size: Size) -> None:
    """Fill the tables of a board: sweeps, runs, jobs, links, statuses, checkpoints, flags and passes."""
    sweep = f"(i - 1) / {RUNS_A_SWEEP} + 1"
    live = f"{sweep} > {size.sweeps - size.live_sweeps} AND i % 10 < 3"
    beat, state = _ago(f"({size.runs} - i) * 60"), f"CASE WHEN {live} THEN 'running' ELSE 'finished' END"
    job_state = "CASE WHEN i % 5000 = 0 THEN 'RUNNING' WHEN i % 3 = 0 THEN 'FAILED' ELSE 'COMPLETED' END"
    job_end, never = _ago(f"({size.jobs} - i) * 6"), "NULL"
    linked = min(size.runs, size.jobs)
    multiply(
        Sweep, size.sweeps, entity="'team'", project="'glue'", sweep_id="'swp' || i", name="'sweep ' || i",
        state=f"CASE WHEN i > {size.sweeps - size.live_sweeps} THEN 'RUNNING' ELSE 'FINISHED' END",
        metric_name="'loss'",
    )  # fmt: skip
    multiply(
        Run, size.runs, entity="'team'", project="'glue'", run_id="'run' || i", sweep_id=sweep, state=state,
        user="'mia'", metric_value="i % 97", created_at=_ago(f"({size.runs} - i) * 60 + 7200"), heartbeat_at=beat,
        slurm_raw_id="i",
    )  # fmt: skip
    multiply(
        Job, size.jobs, cluster="'hpc'", job_id="i || ''", raw_id="i", state=job_state, name="'agent'", gpus="1",
        submit_at=_ago(f"({size.jobs} - i) * 6 + 9000"), start_at=_ago(f"({size.jobs} - i) * 6 + 8000"),
        end_at=f"CASE WHEN i % 5000 = 0 THEN {never} ELSE {job_end} END",
    )  # fmt: skip
    multiply(RunLink, linked, run_id="i", job_id="i", how="'metadata'", evidence="'told'")
    multiply(
        RunStatus, linked, run_id="i", job_id="i", wandb_state=state, slurm_state=job_state, pair="'normal'",
        action="'monitor'", epoch="i % 40", step="i * 10", target_epochs="40", percent="i % 100",
        progress_source="'log'", runtime_seconds="3600", gpu_seconds="3600",
    )  # fmt: skip
    multiply(
        Checkpoint, size.runs, run_id="i", path="'/shared/' || i", kind="'pt'", step="i", bytes="9", modified_at=beat
    )
    multiply(RunHistory, size.runs, run_id="i", metric="'[[1, 0.5], [2, 0.4]]'", loss="'[[1, 0.5], [2, 0.4]]'")
    multiply(
        Flag, size.runs, rule="'zombie'", severity="'critical'", sweep_id=sweep, run_id="i", evidence="'said'",
        action="'act'", opened_at=beat, cleared_at=f"CASE WHEN {live} AND i % 10 = 1 THEN {never} ELSE {beat} END",
    )  # fmt: skip
    at = _ago(f"({PASSES} - i) * 15")
    multiply(
        SyncPass, PASSES, source="CASE WHEN i % 2 = 0 THEN 'wandb' ELSE 'slurm' END",
        scope="CASE WHEN i % 2 = 0 THEN 'team/glue' ELSE 'hpc' END", started_at=at, finished_at=at,
    )  # fmt: skip
    PassScope.objects.create(source="wandb", scope="team/glue")
    PassScope.objects.create(source="slurm", scope="hpc")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def multiply(model: type[models.Model], count: int, **columns: str) -> None:
    """Insert ``count`` rows; ``columns`` are SQL expressions over ``i`` from 1 on, the rest are fields' defaults."""
    names: list[str] = []
    values: list[str] = []
    for field in model._meta.concrete_fields:
        if field.generated:
            continue
        names.append(connection.ops.quote_name(field.column))
        values.append("i" if field.primary_key else columns.pop(field.attname, None) or _default(field))
    assert not columns, f"{model.__name__} has no {sorted(columns)}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {_numbers(count)}"
        )


def _default(field: "models.Field[Any, Any]") -> str:
    if field.null:
        return "NULL"
    value = field.get_default()
    if isinstance(value, bool):
        return str(value).lower() if connection.vendor == "postgresql" else str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return "'" + (value if isinstance(value, str) else json.dumps(value)) + "'"


def _numbers(count: int) -> str:
    """A table ``n(i)`` of 1 … count."""
    if connection.vendor == "postgresql":
        return f"(SELECT generate_series(1, {count}) AS i) AS n"
    return f"(WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < {count}) SELECT i FROM k) AS n"


def _ago(seconds: str) -> str:
    """An SQL expression for a moment so many seconds ago."""
    if connection.vendor == "postgresql":
        return f"now() - ({seconds}) * interval '1 second'"
    return f"strftime('%Y-%m-%d %H:%M:%S', 'now', '-' || ({seconds}) || ' seconds')"
