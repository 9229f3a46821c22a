"""From what W&B answers to our records. Pure, and forgiving: one odd run must not break a page."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard
from urllib.parse import quote

import yaml

from apps.core.units import whole
from apps.sweeps.domain import finite, whole_or_text
from apps.sweeps.ports import AgentRecord, Points, RunJob, RunRecord, SweepRecord

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
Node = Mapping[str, Any]


def moment(value: Any) -> datetime | None:
    """Return W&B's ISO time as an aware UTC datetime; None where there is none, or nonsense."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if not isinstance(value, str) or not value:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def plain(value: Any) -> Any:
    """Return a JSON value that every database takes: no NaN, no infinity, no NUL, no half a character.

    An integer that no float holds becomes text as well.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(str(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return whole_or_text(value)
    return value if isinstance(value, float | bool | type(None)) else str(value)


def _text(value: str) -> str:
    """Return the text without NUL and without halves of characters, which a cut-off emoji leaves behind."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


def page_of(connection: Any) -> tuple[list[Node], str | None, bool]:
    """Return (nodes, cursor, whether more follows) of a page; what is no page has nothing in it."""
    if not isinstance(connection, Mapping):
        return [], None, False
    info = connection.get("pageInfo") or {}
    return nodes_of(connection), info.get("endCursor"), bool(info.get("hasNextPage"))


def nodes_of(connection: Any) -> list[Node]:
    edges = connection.get("edges") if isinstance(connection, Mapping) else None
    nodes = [edge.get("node") for edge in edges or () if isinstance(edge, Mapping)]
    return [node for node in nodes if isinstance(node, Mapping)]


def edges_of(parent: Any, name: str) -> list[Node]:
    """Return the nodes below ``parent.name``; none where the parent itself is not there."""
    return nodes_of(parent.get(name)) if isinstance(parent, Mapping) else []


def sweep_record(node: Node, link: str, agents: list[Node] | None = None) -> SweepRecord:
    """Return the record of a sweep; ``link`` is where people see its project."""
    config = _sweep_config(node.get("config"))
    sweep_id = str(node.get("name") or "")
    return SweepRecord(
        sweep_id=sweep_id,
        name=str(node.get("displayName") or config.get("name") or sweep_id),
        method=str(node.get("method") or config.get("method") or ""),
        state=str(node.get("state") or "").upper(),
        config=config,
        url=f"{link}/sweeps/{quote(sweep_id)}",
        description=str(node.get("description") or config.get("description") or ""),
        expected_runs=whole(node.get("runCountExpected")),
        run_count=whole(node.get("runCount")) or 0,
        created_at=moment(node.get("createdAt")),
        updated_at=moment(node.get("updatedAt")),
        agents=None if agents is None else tuple(agent_record(agent) for agent in agents),
    )


def _sweep_config(text: Any) -> dict[str, Any]:
    try:
        parsed = yaml.safe_load(text) if isinstance(text, str) else text
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return dict(plain(parsed)) if isinstance(parsed, Mapping) else {}


def agent_record(node: Node) -> AgentRecord:
    return AgentRecord(
        agent_id=str(node.get("id") or node.get("name") or ""),
        name=str(node.get("name") or ""),
        host=str(node.get("host") or ""),
        state=str(node.get("state") or "").upper(),
        total_runs=whole(node.get("totalRuns")) or 0,
        heartbeat_at=moment(node.get("heartbeatAt")),
    )


def run_record(node: Node, link: str) -> RunRecord:
    """Return the record of a run; ``link`` is where people see its project."""
    user, run_id = node.get("user") or {}, str(node.get("name") or "")
    config, summary = loaded(node.get("config")), loaded(node.get("summaryMetrics"))
    gpu, jobs, created = loaded(node.get("systemMetrics")), jobs_in(config), moment(node.get("createdAt"))
    began, ended = trained_offline(config, summary, created)
    return RunRecord(
        run_id=run_id,
        name=str(node.get("displayName") or ""),
        state=str(node.get("state") or "").lower(),
        url=f"{link}/runs/{quote(run_id)}",
        sweep_id=str(node.get("sweepName") or ""),
        user=str(user.get("username") or user.get("name") or ""),
        group=str(node.get("group") or ""),
        tags=tuple(str(tag) for tag in node.get("tags") or ()),
        notes=str(node.get("notes") or ""),
        config=plain(_values(config)),
        summary=plain(_values(summary)),
        created_at=created,
        heartbeat_at=moment(node.get("heartbeatAt")),
        jobs=jobs,
        ask_metadata=_keeps_jobs_in_a_file(config),
        gpu_percent=_mean_of_gpus(gpu, "gpu"),
        gpu_memory_percent=_mean_of_gpus(gpu, "memoryAllocated"),
        trained_from=began,
        trained_until=ended,
    )


def trained_offline(
    config: Mapping[str, Any], summary: Mapping[str, Any], created: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Return when a run trained whose last line was logged before W&B heard of it; (None, None) for any other."""
    last = seconds_moment(summary.get("_timestamp"))
    if last is None or created is None or last >= created:
        return None, None
    starts = [moment(one.get("startedAt")) for one in _processes(config)]
    ran = summary.get("_runtime")
    told = [start for start in starts if start is not None]
    return min([*told, last - timedelta(seconds=float(ran) if is_finite(ran) else 0)]), last


def seconds_moment(value: Any) -> datetime | None:
    """Return seconds since the epoch as a moment; None for anything else."""
    try:
        return datetime.fromtimestamp(float(value), UTC) if is_finite(value) and value > 0 else None
    except (ValueError, OverflowError, OSError):
        return None


def loaded(value: Any) -> dict[str, Any]:
    """Return JSON as W&B sends it, text or parsed, as a dict; empty for anything else."""
    if isinstance(value, str | bytes):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return dict(value) if isinstance(value, Mapping) else {}


def _values(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return config or summary without the client's own keys; W&B wraps a config value as ``{"value": v}``."""
    return {
        str(key): inner["value"]
        if isinstance(inner, Mapping) and set(inner) <= {"value", "desc"} and "value" in inner
        else inner
        for key, inner in document.items()
        if key not in ("_wandb", "wandb_version")
    }


def jobs_in(config: Mapping[str, Any]) -> tuple[RunJob, ...]:
    """Return the Slurm jobs of a run's processes, oldest first.

    Since 0.21 the client keeps its surroundings in the config, under ``_wandb.value.e``, an entry for each
    process that wrote the run: a resumed run has several. Older ones had a file for it, with the last process only.
    """
    jobs = [job for one in _processes(config) if (job := job_from_metadata(one)) is not None]
    return tuple(sorted(jobs, key=lambda job: (job.started_at or _LONG_AGO, job.raw_id)))


def _processes(config: Mapping[str, Any]) -> list[Node]:
    """Return the surroundings of every process that wrote the run, as its client told them."""
    writers = _client_notes(config).get("e")
    told = writers.values() if isinstance(writers, Mapping) else ()
    return [one for one in told if isinstance(one, Mapping)]


def _client_notes(config: Mapping[str, Any]) -> Mapping[str, Any]:
    wrapped = config.get("_wandb")
    notes = wrapped.get("value") if isinstance(wrapped, Mapping) else None
    return notes if isinstance(notes, Mapping) else {}


def _keeps_jobs_in_a_file(config: Mapping[str, Any]) -> bool:
    """Tell whether the run was written by a client from before 0.21: only those are asked for their file."""
    found = re.match(r"(\d+)\.(\d+)", str(_client_notes(config).get("cli_version") or ""))
    return found is not None and (int(found[1]), int(found[2])) < (0, 21)


def _mean_of_gpus(metrics: Mapping[str, Any], what: str) -> float | None:
    """Return the mean over ``system.gpu.<n>.<what>``, in percent; None where no GPU was measured."""
    pattern = re.compile(rf"(?:system\.)?gpu\.\d+\.{what}")
    values = [value for key, value in metrics.items() if pattern.fullmatch(key) and is_finite(value)]
    return sum(values) / len(values) if values else None


def is_finite(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and finite(value) is not None


def points(sampled: Any, key: str) -> Points:
    """Return the (step, value) pairs of the first list of a sampled history; what is no number is left out."""
    rows = sampled[0] if isinstance(sampled, list) and sampled and isinstance(sampled[0], list) else []
    pairs = [(row.get("_step"), row.get(key)) for row in rows if isinstance(row, Mapping)]
    return [(float(step), float(value)) for step, value in pairs if is_finite(step) and is_finite(value)]


def job_from_metadata(metadata: Any) -> RunJob | None:
    """Return the Slurm job that the surroundings of one process name, if they name one."""
    slurm = metadata.get("slurm") if isinstance(metadata, Mapping) else None
    if not isinstance(slurm, Mapping):
        return None
    raw = whole(slurm.get("job_id") or slurm.get("jobid"))
    if raw is None:
        return None
    return RunJob(
        raw_id=raw,
        array_job_id=whole(slurm.get("array_job_id")),
        array_task_id=whole(slurm.get("array_task_id")),
        host=str(metadata.get("host") or ""),
        started_at=moment(metadata.get("startedAt")),
    )
