"""From the client's objects to our records. Pure, and forgiving: one odd run must not break a page."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

from apps.core.units import whole
from apps.sweeps.ports import AgentRecord, RunJob, RunRecord, SweepRecord


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
    """Return a JSON value that every database takes: no NaN, no infinity, no NUL, no half a character."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(str(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value if isinstance(value, int | float | bool | type(None)) else str(value)


def _text(value: str) -> str:
    """Return the text without NUL and without halves of characters, which a cut-off emoji leaves behind."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


def sweep_record(sweep: Any) -> SweepRecord:
    """Return the record of a ``wandb.apis.public.Sweep``."""
    attrs = sweep._attrs
    config = _sweep_config(attrs.get("config"))
    return SweepRecord(
        sweep_id=sweep.id,
        name=str(attrs.get("displayName") or config.get("name") or sweep.id),
        method=str(attrs.get("method") or config.get("method") or ""),
        state=str(attrs.get("state") or "").upper(),
        config=config,
        url=sweep.url,
        description=str(attrs.get("description") or config.get("description") or ""),
        expected_runs=attrs.get("runCountExpected"),
        run_count=int(attrs.get("runCount") or 0),
        created_at=moment(attrs.get("createdAt")),
        updated_at=moment(attrs.get("updatedAt")),
    )


def _sweep_config(text: Any) -> dict[str, Any]:
    try:
        parsed = yaml.safe_load(text) if isinstance(text, str) else text
    except yaml.YAMLError:
        return {}
    return dict(plain(parsed)) if isinstance(parsed, Mapping) else {}


def agent_record(attrs: Mapping[str, Any]) -> AgentRecord:
    return AgentRecord(
        agent_id=str(attrs.get("id") or attrs.get("name") or ""),
        name=str(attrs.get("name") or ""),
        host=str(attrs.get("host") or ""),
        state=str(attrs.get("state") or "").upper(),
        total_runs=int(attrs.get("totalRuns") or 0),
        heartbeat_at=moment(attrs.get("heartbeatAt")),
    )


def run_record(run: Any) -> RunRecord:
    """Return the record of a ``wandb.apis.public.Run`` that was loaded whole (``lazy=False``)."""
    attrs = run._attrs
    user = attrs.get("user") or {}
    return RunRecord(
        run_id=str(attrs.get("name") or run.id),
        name=str(attrs.get("displayName") or ""),
        state=str(attrs.get("state") or "").lower(),
        url=run.url,
        sweep_id=str(attrs.get("sweepName") or ""),
        user=str(user.get("username") or user.get("name") or ""),
        group=str(attrs.get("group") or ""),
        tags=tuple(str(tag) for tag in attrs.get("tags") or ()),
        notes=str(attrs.get("notes") or ""),
        config=plain(_loaded(attrs.get("config"))),
        summary=plain(_loaded(attrs.get("summaryMetrics"))),
        created_at=moment(attrs.get("createdAt")),
        heartbeat_at=moment(attrs.get("heartbeatAt")),
    )


def _loaded(value: Any) -> dict[str, Any]:
    """Return config or summary as a flat dict of values; W&B wraps a config value as ``{"value": v}``."""
    if isinstance(value, str | bytes):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    if not isinstance(value, Mapping):
        return {}
    return {
        str(key): inner["value"]
        if isinstance(inner, Mapping) and set(inner) <= {"value", "desc"} and "value" in inner
        else inner
        for key, inner in value.items()
        if key not in ("_wandb", "wandb_version")
    }


def job_from_metadata(metadata: Mapping[str, Any]) -> RunJob | None:
    """Return the Slurm job that a run's ``wandb-metadata.json`` names, if it names one."""
    slurm = metadata.get("slurm")
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
    )
