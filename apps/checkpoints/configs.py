"""Reading the configs that runs wrote beside their outputs, when they are new or have changed."""

from collections.abc import Iterable
from glob import escape
from typing import Any

import structlog
import yaml
from django.db import transaction

from apps.checkpoints.models import RunConfig
from apps.checkpoints.ports import CheckpointStore, ConfigFile
from apps.core.errors import Transient
from apps.core.upsert import upsert
from apps.sweeps.domain import MOST_ALIASES, whole_or_text
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
MOST_BYTES = 256 << 10


def read_run_configs(*, runs: Iterable[Run], workspaces: dict[str, Workspace], store: CheckpointStore) -> set[int]:
    """Read the config on disk of each run whose file is new or changed; return the runs where it did.

    ``workspaces`` maps ``entity/project``. What cannot be listed now stays as it was.
    """
    rows: list[dict[str, Any]] = []
    wanted = list(runs)
    held = {one.run_id: one for one in RunConfig.objects.filter(run__in=wanted).defer("values")}
    for run in wanted:
        workspace = workspaces.get(run.project_path)
        if workspace is None:
            continue
        patterns = [
            pattern.format_map({"run_id": escape(run.run_id), "sweep_id": "*", "job_id": "*", "task_id": "*"})
            for pattern in workspace.patterns("run_config")
        ]
        try:
            found = store.find_config(workspace.path, patterns, workspace.links_into)
            if found is not None and _moved(held.get(run.pk), found):
                rows.append(_row(run, found, store.read_text(found.path, MOST_BYTES)))
        except Transient as error:
            log.warning("checkpoints.config.unreadable", run=run.run_id, error=str(error))
    with transaction.atomic():
        result = upsert(RunConfig, key=("run_id",), rows=rows)
    return {config.run_id for config in result.changed}


def _moved(held: RunConfig | None, found: ConfigFile) -> bool:
    if held is None:
        return True
    return (held.path, held.bytes, held.modified_at) != (str(found.path), found.bytes, found.modified_at)


def _row(run: Run, found: ConfigFile, text: str) -> dict[str, Any]:
    values, problem = parsed(text, found.bytes)
    return {
        "run_id": run.pk,
        "path": str(found.path),
        "bytes": found.bytes,
        "modified_at": found.modified_at,
        "values": values,
        "wandb_run_id": str(values.get("wandb_run_id") or ""),
        "problem": problem,
    }


def parsed(text: str, size: int) -> tuple[dict[str, Any], str]:
    """Return a YAML config as plain values, and a sentence where it cannot be read as one."""
    if size > MOST_BYTES:
        return {}, f"The config is longer than {MOST_BYTES >> 10} KiB."
    try:
        aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader))
        loaded = yaml.safe_load(text) if aliases <= MOST_ALIASES else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return {}, f"The config is not valid YAML: {str(error).splitlines()[0][:200]}"
    if not isinstance(loaded, dict):
        return {}, "The config is no mapping."
    return _plain(loaded), ""


def _plain(value: Any) -> Any:
    """Return what JSON can hold: dates, NaN, integers that no float holds and the like become text."""
    if isinstance(value, dict):
        return {str(key).replace("\x00", ""): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value not in (float("inf"), -float("inf")) and value == value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return whole_or_text(value)
    if isinstance(value, bool | None):
        return value
    return str(value).replace("\x00", "")
