"""Sweeps: created by the client, listed with their progress, paused, stopped and cancelled."""

import json
from typing import Any

import yaml

from apps.sandbox.wandb_server import search
from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.errors import Refused
from apps.sandbox.wandb_server.registry import Node, connection, resolves
from apps.sandbox.wandb_server.resolvers.projects import ensure_project, project_by_number
from apps.sandbox.wandb_server.resolvers.runs import run_page
from apps.sandbox.wandb_server.store import Row
from apps.sandbox.wandb_server.values import global_id, iso, new_name, number_of, offset_of

STATES = ("PENDING", "RUNNING", "PAUSED", "CANCELED", "FINISHED")
ALL_RUNS = 1_000_000
FIELDS = {
    "_id": "id",
    "_project": "project_id",
    "name": "name",
    "displayName": "display_name",
    "state": "state",
    "description": "description",
    "config": "config",
}


def sweep_config(row: Row) -> dict[str, Any]:
    """Return a sweep's configuration as a dict."""
    return yaml.safe_load(row["config"]) or {}


def _best_loss(context: Context, row: Row, config: dict[str, Any]) -> float | None:
    metric = config.get("metric") or {}
    if "name" not in metric:
        return None
    best = "max" if metric.get("goal") == "maximize" else "min"
    value = "json_extract(summary, ?)"
    sql = f"""SELECT {best}({value}) FROM runs WHERE project_id = ? AND sweep = ?
              AND typeof({value}) <> 'text'"""  # noqa: S608 (chosen from two words)
    path = f"$.{json.dumps(metric['name'])}"
    found = context.store.number(sql, [path, row["project_id"], row["name"], path])
    return None if found is None else float(found)


def sweep_node(context: Context, row: Row) -> Node:
    """Return a sweep as the schema names its fields; `_id` and `_project` are row numbers."""
    config = sweep_config(row)
    return {field: row[column] for field, column in FIELDS.items()} | {
        "id": global_id("Sweep", row["id"]),
        "method": config.get("method", "custom"),
        "bestLoss": _best_loss(context, row, config),
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["updated_at"]),
        "heartbeatAt": iso(_over_runs(context, row, "max(heartbeat_at)")),
        "earlyStopJobRunning": False,
        "runCount": _over_runs(context, row, "count(*)"),
        "runCountExpected": search.expected_runs(config),
    }


def _over_runs(context: Context, row: Row, aggregate: str) -> Any:
    sql = f"SELECT {aggregate} FROM runs WHERE project_id = ? AND sweep = ?"  # noqa: S608 (from code)
    return context.store.number(sql, [row["project_id"], row["name"]])


def find_sweep(context: Context, project: int, name: str) -> Row | None:
    """Return a sweep's row."""
    return context.store.row("SELECT * FROM sweeps WHERE project_id = ? AND name = ?", [project, name])


def finish_if_done(context: Context, project: int, name: str) -> None:
    """Finish a sweep whose search is exhausted and of which no run is alive or waits to be resumed."""
    row = find_sweep(context, project, name)
    expected = search.expected_runs(sweep_config(row)) if row else None
    if row is None or expected is None or row["issued"] < expected or row["state"] != "RUNNING":
        return
    sql = """SELECT count(*) FROM runs WHERE project_id = ? AND sweep = ?
             AND state IN ('running', 'preempting', 'preempted')"""
    if not context.store.number(sql, [project, name]):
        context.store.update("sweeps", row["id"], {"state": "FINISHED", "updated_at": context.now})


@resolves("Project", "sweep")
def sweep(context: Context, source: Node, sweep_name: str) -> Node | None:
    """Return one sweep, or null."""
    row = find_sweep(context, source["_id"], sweep_name)
    return sweep_node(context, row) if row else None


@resolves("Project", "sweeps")
def sweeps(
    context: Context,
    source: Node,
    after: str | None = None,
    first: int | None = None,
    filters: str | None = None,
) -> Node:
    """Return a page of a project's sweeps, the newest first; this server does not claim to filter them."""
    if filters and filters != "{}":
        raise Refused("sweeps cannot be filtered here", 400)
    start, size = offset_of(after), 50 if first is None else first
    sql = "SELECT * FROM sweeps WHERE project_id = ? ORDER BY id DESC LIMIT ? OFFSET ?"
    rows = context.store.rows(sql, [source["_id"], size + 1, start])
    return connection([sweep_node(context, row) for row in rows[:size]], start, more=len(rows) > size)


@resolves("Project", "totalSweeps")
def total_sweeps(context: Context, source: Node) -> int:
    """Return how many sweeps a project has."""
    return int(context.store.number("SELECT count(*) FROM sweeps WHERE project_id = ?", [source["_id"]]))


@resolves("Sweep", "project")
def sweep_project(context: Context, source: Node) -> Node:
    """Return the project of a sweep."""
    return project_by_number(context, source["_project"])


@resolves("Sweep", "runs")
def sweep_runs(context: Context, source: Node) -> Node:
    """Return all runs of a sweep, unpaged, as the client asks for them."""
    mine: list[object] = [source["_project"], source["name"]]
    return run_page(context, "project_id = ? AND sweep = ?", mine, None, None, ALL_RUNS)


@resolves("Mutation", "upsertSweep")
def upsert_sweep(context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Create a sweep, or change the one with this id."""
    columns = {key: input[key] for key in ("config", "description", "display_name", "state") if input.get(key)}
    warnings = _check(columns)
    columns["updated_at"] = context.now
    with context.store.transaction():
        row = _changed(context, input["id"], columns) if input.get("id") else _created(context, input, columns)
    return {"sweep": sweep_node(context, row), "configValidationWarnings": warnings}


def _check(columns: dict[str, Any]) -> list[str]:
    if columns.get("state", "PENDING") not in STATES:
        raise Refused(f"unknown sweep state {columns['state']}", 400)
    if "config" not in columns:
        return []
    try:
        config = yaml.safe_load(columns["config"])
    except yaml.YAMLError:
        raise Refused("the sweep's configuration is not YAML", 400) from None
    return search.check(config or {})


def _changed(context: Context, opaque: str, columns: dict[str, Any]) -> Row:
    number = number_of("Sweep", opaque)
    context.store.update("sweeps", number, columns)
    return _by_number(context, number)


def _created(context: Context, given: dict[str, Any], columns: dict[str, Any]) -> Row:
    project = ensure_project(context, given.get("entity_name"), given.get("project_name"))
    fixed = {"project_id": project["id"], "name": new_name(), "created_at": context.now}
    defaults = {"config": "method: random", "state": "PENDING"}
    return _by_number(context, context.store.insert("sweeps", fixed | defaults | columns))


def _by_number(context: Context, number: int) -> Row:
    row = context.store.row("SELECT * FROM sweeps WHERE id = ?", [number])
    if row is None:
        raise Refused("no such sweep", 404)
    return row
