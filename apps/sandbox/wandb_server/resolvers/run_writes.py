"""Writing runs: what a training process, `Run.update` and a person's buttons change."""

from typing import Any

from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.errors import Refused
from apps.sandbox.wandb_server.registry import Node, resolves
from apps.sandbox.wandb_server.resolvers.projects import ensure_project
from apps.sandbox.wandb_server.resolvers.runs import LIVE, find_run, run_by_id, run_node
from apps.sandbox.wandb_server.resolvers.viewer import user_node
from apps.sandbox.wandb_server.store import Row
from apps.sandbox.wandb_server.values import dump_json, load_json, new_name

PLAIN = {
    "group_name": "group_name",
    "description": "description",
    "display_name": "display_name",
    "notes": "notes",
    "commit": "commit_sha",
    "host": "host",
    "job_program": "program",
    "job_repo": "repo",
    "job_type": "job_type",
    "sweep": "sweep",
}
DOCUMENTS = {"config": "config", "summary_metrics": "summary"}
ALLOWED = {"pending": {"running", "failed", "crashed", "preempted"}, "failed": {"pending", "running"}}
JOINED = {"started": 1, "exitcode": None, "stop_requested": 0}


def _edits(given: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that a mutation sets; what it leaves out or null stays as it is."""
    columns = {column: given[key] for key, column in PLAIN.items() if given.get(key) is not None}
    for key, column in DOCUMENTS.items():
        if given.get(key) is not None:
            columns[column] = dump_json(load_json(given[key]))
    if given.get("tags") is not None:
        columns["tags"] = dump_json(given["tags"])
    return columns


def _join(context: Context, given: dict[str, Any]) -> tuple[int, bool]:
    """Let a process join the run that it names; return its row number and whether it is new."""
    project = ensure_project(context, given.get("entity_name"), given.get("model_name"))
    name = given.get("name") or new_name()
    found = find_run(context, project["id"], name)
    columns = _edits(given) | {"state": given.get("state") or "running", "heartbeat_at": context.now}
    if found is None:
        fixed = {"project_id": project["id"], "name": name, "created_at": context.now}
        columns.setdefault("display_name", name)
        return context.store.insert("runs", fixed | columns), True
    if found["state"] in LIVE and found["started"]:
        del columns["state"]  # a process that updates its config keeps what it said about being preempted
    else:
        columns |= JOINED
    context.store.update("runs", found["id"], columns)
    return int(found["id"]), not found["started"]


@resolves("Mutation", "upsertBucket")
def upsert_bucket(context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Create, join or edit a run. By id it is an edit from outside and leaves state and heartbeat alone."""
    with context.store.transaction():
        if input.get("id"):
            number, inserted = int(run_by_id(context, input["id"])["id"]), False
            context.store.update("runs", number, _edits(input))
        else:
            number, inserted = _join(context, input)
        row = context.store.row("SELECT * FROM runs WHERE id = ?", [number])
    assert row is not None  # noqa: S101 (written above)
    return {"bucket": run_node(row, user_node(context.options.entity)), "inserted": inserted}


@resolves("Mutation", "updateRunState")
def update_run_state(context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Set a run to pending or failed where W&B allows it; never a run of a sweep."""
    with context.store.transaction():
        row = run_by_id(context, input["id"])
        _check_may_become(row, input["state"])
        context.store.update("runs", row["id"], {"state": input["state"]})
    return {"success": True}


def _check_may_become(row: Row, state: str) -> None:
    if row["sweep"]:
        raise Refused("the state of a sweep's run cannot be updated")
    if row["state"] not in ALLOWED.get(state, set()):
        raise Refused(f"a run cannot go from {row['state']} to {state}")


@resolves("Mutation", "stopRun")
def stop_run(context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Ask a live run to stop; its process learns it with its next transmission or through its agent."""
    row = run_by_id(context, input["id"])
    if row["state"] in LIVE:
        context.store.update("runs", row["id"], {"stop_requested": 1})
    return {"success": True}


@resolves("Mutation", "deleteRun")
def delete_run(context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Delete a run with its history and files."""
    number = run_by_id(context, input["id"])["id"]
    with context.store.transaction():
        context.store.execute("DELETE FROM lines WHERE run_id = ?", [number])
        context.store.execute("DELETE FROM files WHERE run_id = ?", [number])
        context.store.execute("DELETE FROM runs WHERE id = ?", [number])
    return {"clientMutationId": None}


@resolves("Mutation", "notifyScriptableRunAlert")
def notify(_context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Accept a run's alert and tell nobody."""
    return {"success": True}
