"""Reading runs: one by name, and pages of many, filtered and ordered."""

from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.errors import Refused
from apps.sandbox.wandb_server.filters import compile_filters, compile_order
from apps.sandbox.wandb_server.registry import Node, connection, resolves
from apps.sandbox.wandb_server.resolvers.projects import project_by_number
from apps.sandbox.wandb_server.resolvers.viewer import user_node
from apps.sandbox.wandb_server.store import Row
from apps.sandbox.wandb_server.values import (
    dump_json,
    global_id,
    iso,
    load_dict,
    load_json,
    number_of,
    offset_of,
)

LIVE = ("running", "preempting")
FIELDS = {
    "_id": "id",
    "_project": "project_id",
    "projectId": "project_id",
    "name": "name",
    "displayName": "display_name",
    "description": "description",
    "notes": "notes",
    "state": "state",
    "config": "config",
    "summaryMetrics": "summary",
    "systemMetrics": "system",
    "historyKeys": "history_keys",
    "sweepName": "sweep",
    "group": "group_name",
    "jobType": "job_type",
    "commit": "commit_sha",
    "historyLineCount": "history_lines",
    "eventsLineCount": "event_lines",
    "logLineCount": "log_lines",
    "exitcode": "exitcode",
}


def run_node(row: Row, user: Node) -> Node:
    """Return a run as the schema names its fields; `_id` and `_project` are row numbers."""
    state = row["state"]
    return {field: row[column] for field, column in FIELDS.items()} | {
        "id": global_id("Run", row["id"]),
        "tags": load_json(row["tags"]),
        "readOnly": False,
        "createdAt": iso(row["created_at"]),
        "heartbeatAt": iso(row["heartbeat_at"]),
        "shouldStop": bool(row["stop_requested"]),
        "stopped": bool(row["stop_requested"]),
        "failed": state in ("failed", "crashed"),
        "running": state in LIVE,
        "user": user,
    }


def find_run(context: Context, project: int, name: str) -> Row | None:
    """Return the row of a run that a process has joined or an agent was told to start."""
    return context.store.row("SELECT * FROM runs WHERE project_id = ? AND name = ?", [project, name])


def run_by_id(context: Context, opaque: str) -> Row:
    """Return a run's row by its global id; an unknown one is refused with 404."""
    row = context.store.row("SELECT * FROM runs WHERE id = ?", [number_of("Run", opaque)])
    if row is None:
        raise Refused(f"no such run: {opaque}", 404)
    return row


def run_page(
    context: Context,
    where: str,
    values: list[object],
    order: str | None,
    after: str | None,
    first: int | None,
) -> Node:
    """Return a page of the runs that satisfy a WHERE clause; injected effects change it here."""
    start, size = offset_of(after), 50 if first is None else first
    sql = f"SELECT * FROM runs WHERE {where} ORDER BY {compile_order(order)} LIMIT ? OFFSET ?"  # noqa: S608
    rows = context.store.rows(sql, [*values, size + 1, start])
    if "empty_page" in context.effects:
        return {"edges": [], "pageInfo": {"endCursor": after, "hasNextPage": True}}
    user = user_node(context.options.entity)
    page = connection([run_node(row, user) for row in rows[:size]], start, more=len(rows) > size)
    if "duplicate_runs" in context.effects:
        page["edges"] = page["edges"][:1] + page["edges"]
    return page


@resolves("Project", "runs")
def project_runs(
    context: Context,
    source: Node,
    filters: str | None = None,
    after: str | None = None,
    first: int | None = None,
    order: str | None = None,
) -> Node:
    """Return a page of a project's runs."""
    clause, values = compile_filters(filters)
    return run_page(context, f"project_id = ? AND {clause}", [source["_id"], *values], order, after, first)


@resolves("Project", "runCount")
def run_count(context: Context, source: Node, filters: str | None = None) -> int:
    """Return how many of a project's runs pass the filters."""
    clause, values = compile_filters(filters)
    sql = f"SELECT count(*) FROM runs WHERE project_id = ? AND {clause}"  # noqa: S608 (compiled, with marks)
    return int(context.store.number(sql, [source["_id"], *values]))


@resolves("Project", "run")
def project_run(context: Context, source: Node, name: str) -> Node | None:
    """Return one run, or null."""
    row = find_run(context, source["_id"], name)
    return run_node(row, user_node(context.options.entity)) if row else None


@resolves("Project", "bucket")
def bucket(context: Context, source: Node, name: str, missing_ok: bool | None = None) -> Node | None:
    """Return what a resuming client needs; a run that no process joined yet has nothing to resume."""
    row = find_run(context, source["_id"], name)
    if row is None or not row["started"]:
        return None
    return run_node(row, user_node(context.options.entity))


@resolves("Run", "project")
def run_project(context: Context, source: Node) -> Node:
    """Return the project of a run."""
    return project_by_number(context, source["_project"])


@resolves("Run", "wandbConfig")
def wandb_config(_context: Context, source: Node, keys: list[str] | None = None) -> str:
    """Return the client's own notes inside the config, limited to `keys`."""
    notes = load_dict(source["config"]).get("_wandb", {}).get("value", {})
    return dump_json({key: value for key, value in notes.items() if keys is None or key in keys})
